//go:build !libsqlite3

package main

var sqlcipherKind = kind{
	name:   "sqlcipher",
	absent: "the program was built without it: it takes the C library and -tags libsqlite3, see README.md",
}

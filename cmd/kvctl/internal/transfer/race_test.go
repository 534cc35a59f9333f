//go:build race

package transfer_test

func init() { underRace = true }

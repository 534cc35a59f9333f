// Package transfer moves values between a store and files: what kvctl import and kvctl export do.
//
// # A line
//
// Values are JSON lines, each an object with these fields in any order, no other and none twice:
//
//	{"tenant":"acme","product":"jira","type":"comments","key":"ABC-1/7","value":{"body":"…"}}
//
//	tenant, product, type   the value's tenant, and its namespace product/type
//	key                     its key, or key_base64 for a key that is not UTF-8
//	value                   any JSON; what is stored is its compact form, otherwise untouched: no
//	                        number, escape or order of fields changes
//	value_base64            instead of value: bytes that are no JSON
//	written                 when the value was first written, RFC 3339 in whole seconds; only for
//	                        namespaces with a max-age, which is counted from then
//	contents                false in a row of attachment metadata says that its contentFile is not
//	                        in this folder
//
// A line is UTF-8, of at most MaxLineLen bytes; blank lines are passed over. Files may be compressed
// with zstd or gzip, which is told from their first bytes and not from their names.
//
// # A folder
//
// Of a folder every *.jsonl, *.jsonl.zst and *.jsonl.gz beneath it is read, in the order of the
// names, and then its attachments. These are the files attachments/TENANT/… at its top, whatever
// they are called; a folder that is itself named attachments holds the tenants directly. An attachment is stored for TENANT
//
//   - under the key of the row of PRODUCT/attachment-metadata whose contentFile names it, in
//     PRODUCT/attachments, if there is such a row: size and sha256 must be what the row says, and
//     the row's tenant must be TENANT;
//   - else in jira/attachments (ImportOptions.Attachments), under the file's path below TENANT.
//
// A row whose contentFile is not there is an error. Other files, and names that begin with a dot,
// are passed over and listed in Result.Ignored. Nothing outside of the folder is read, whatever a
// contentFile or a symbolic link says. ExportFolder writes this layout.
//
// # Calls
//
//	Import(ctx, st, paths, *ImportOptions) (*Result, error)     files, folders, "-"
//	Verify(ctx, st, paths, *ReadOptions) (*Result, error)       compare with a store, write nothing
//	Survey(ctx, paths, *ReadOptions) (*Result, error)           count, without a store
//	Export(ctx, st, io.Writer, *ExportOptions) (*Exported, error)
//	ExportFile(ctx, st, path, *ExportOptions) (*Exported, error)     compressed as its name says
//	ExportFolder(ctx, st, dir, *ExportOptions) (*Exported, error)
//
// The results are never nil: after an error they say how far it went. Import is much faster on a
// store that was opened with NoSync, and durable all the same when it returns.
package transfer

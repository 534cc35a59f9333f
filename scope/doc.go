// Package scope is the policy that says which namespaces are sealed under whose keys, and for how
// long their records may be kept. A policy is data with a version, written in YAML; it decides
// nothing by itself. It has no clock, does no I/O and knows no keys.
//
// # The file
//
//	version: 2                      # of this policy; 1 or more, raised with each change
//	name: early-access-2026         # 1 to 64 of a-z, 0-9 and -
//	suite: xchacha20-poly1305       # or xaes-256-gcm
//	compression: none               # or zstd, or zstd-dict
//	rules:
//	  - namespace: jira/comments    # product/type
//	    domain: tenant              # tenant, platform or both
//	    rotate-every: 90d           # its data keys, in days (24 h) or hours
//	    max-seals: 4294967296       # of a data key
//	    compression: zstd-dict      # other than the policy's
//	  - namespace: jira/attachments
//	    domain: both
//	    until: 2027-03-31           # the transition ends as this day begins, 00:00 UTC
//	    suite: xaes-256-gcm         # other than the policy's
//	    note: contents only         # one line, for people
//	  - namespace: all/cached-content
//	    domain: platform
//	    max-age: 30d                # from the first write, in days (24 h) or hours
//
// The fields until, max-age, rotate-every, max-seals, suite, compression and note may be left out. Without max-age, which goes
// with every domain, values are kept without limit. Without rotate-every, which does so too, data
// keys are replaced only on demand; with it, a data key of that age is replaced when it is next
// used, and max-seals does so after that many seals (about, under xchacha20-poly1305). What it has sealed moves when it is read, and the rest by a sweep. Domain both is a
// transition that ends in tenant keys alone: at until, or without it when a later version names a
// date. The other domains end only with a later version, so until beside them is a mistake.
//
// The suite is by which AEAD values are sealed: the rule's, else the policy's, else
// xchacha20-poly1305. A data key is of one suite, so a change of the suite replaces data keys like
// rotate-every does.
//
// The compression is what happens to values before they are sealed: the rule's, else the policy's, else
// none. Lengths of compressed values tell something of their contents to whoever can write into one and
// see its size, hence none. With zstd each value is compressed by itself; with zstd-dict, against a
// dictionary of what the tenant's values in that namespace have in common, which does more for short
// ones. A dictionary holds parts of values for as long as it is used, so zstd-dict beside max-age is a
// mistake. Values that are stored in chunks are not compressed.
//
// # Which rule holds
//
// A namespace is looked up as product/type, then as all/type: a rule for the product all holds for
// every product that has no rule of its own for that type. What has no rule is refused, by name:
// there is no default domain to fall into.
//
// # Strictness
//
// A policy decides who can read what, so a file is understood whole or refused with the line of
// every mistake in it. Unknown and repeated fields, repeated namespaces and a second document are
// mistakes.
//
// The file is YAML as people write it: quotes, flow collections, blocks of text and JSON mean the
// same here as everywhere. All values are text first, so that no spelling of a number, a date or a
// boolean changes its meaning; nothing, ~ and null are no value. Anchors, aliases, merge keys, tags
// and directives are refused, which leaves nothing to expand: a line of the file says what it says.
// So are tabs and what cannot be seen.
//
// # Later fields
//
// An older release must not ignore a field that a newer one obeys; that is why unknown fields are
// refused. The optional field format, 1 where it is absent, says which fields a file may use: a
// release that adds a field raises the format, still reads the older ones, and a file that uses
// the new field says so with format: 2. An older release then answers that the format is too new
// for it and not that the file is wrong. Later formats keep to the same part of YAML.
package scope

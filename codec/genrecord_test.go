package codec_test

import (
	"pgregory.net/rapid"

	"github.com/sealkv/sealkv/codec"
)

// records draws a record of each type, by its name in forms.
var records = map[string]*rapid.Generator[any]{
	"identity": rapid.Custom(func(t *rapid.T) any {
		return &codec.Identity{
			Store:    storeIDs().Draw(t, "store"),
			Format:   rapid.Uint32().Draw(t, "format"),
			Required: uint64s().Draw(t, "required"),
			Optional: uint64s().Draw(t, "optional"),
		}
	}),
	"counters": rapid.Custom(func(t *rapid.T) any {
		return &codec.Counters{
			Revision: uint64s().Draw(t, "revision"),
			Highest:  rapid.Uint32().Draw(t, "highest"),
			AuditSeq: uint64s().Draw(t, "seq"),
			AuditMAC: optional(codec.MACLen).Draw(t, "mac"),
			Policy:   uint64s().Draw(t, "policy"),
			Backups:  uint64s().Draw(t, "backups"),
		}
	}),
	"policy": rapid.Custom(func(t *rapid.T) any {
		return &codec.Policy{
			Revision: uint64s().Draw(t, "revision"),
			Source:   byteStrings(0, 100).Draw(t, "source"),
			Alone: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) codec.Alone {
				return codec.Alone{
					Namespace: namespaces().Draw(t, "namespace"),
					Domain:    rapid.SampledFrom([]codec.Domain{1, 2}).Draw(t, "domain"),
				}
			}), 0, 3).Draw(t, "alone"),
		}
	}),
	"backups": rapid.Custom(func(t *rapid.T) any {
		return &codec.Backups{
			Revision: uint64s().Draw(t, "revision"),
			List: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) codec.Backup {
				return codec.Backup{
					ID:      codec.BackupID(byteStrings(16, 16).Draw(t, "id")),
					State:   rapid.SampledFrom([]codec.BackupState{1, 2}).Draw(t, "state"),
					Began:   uint64s().Draw(t, "began"),
					Highest: rapid.Uint32().Draw(t, "highest"),
					Place:   rapid.String().Draw(t, "place"),
				}
			}), 0, 3).Draw(t, "list"),
		}
	}),
	"signed":  rapid.Map(signeds(), func(s codec.Signed) any { return &s }),
	"control": rapid.Map(controls(), func(c codec.Control) any { return &c }),
	"tenant": rapid.Custom(func(t *rapid.T) any {
		return &codec.Tenant{Control: signeds().Draw(t, "control"), Own: signeds().Draw(t, "own")}
	}),
	"own": rapid.Custom(func(t *rapid.T) any {
		return &codec.Own{Digest: byteStrings(codec.MACLen, codec.MACLen).Draw(t, "digest")}
	}),
	"tenant-key": rapid.Custom(func(t *rapid.T) any {
		return &codec.TenantKey{
			State:   rapid.SampledFrom([]codec.State{1, 2, 3}).Draw(t, "state"),
			Created: uint64s().Draw(t, "created"),
			Commit:  optional(codec.MACLen).Draw(t, "commitment"),
			Wraps:   rapid.SliceOfN(rootWraps(), 0, 5).Draw(t, "wraps"),
		}
	}),
	"data-key": rapid.Custom(func(t *rapid.T) any {
		return &codec.DataKey{
			State:   rapid.SampledFrom([]codec.State{1, 2, 3}).Draw(t, "state"),
			Suite:   codec.Suite(rapid.Byte().Draw(t, "suite")),
			Created: uint64s().Draw(t, "created"),
			Since:   uint64s().Draw(t, "since"),
			Parent:  numbers().Draw(t, "parent"),
			Commit:  optional(codec.MACLen).Draw(t, "commitment"),
			Wrap:    optional(codec.WrapLen).Draw(t, "wrap"),
			Seals:   uint64s().Draw(t, "seals"),
			Exposed: rapid.Bool().Draw(t, "exposed"),
		}
	}),
	"audit-entry": rapid.Custom(func(t *rapid.T) any {
		return &codec.AuditEntry{
			Seq:       uint64s().Draw(t, "seq"),
			Time:      uint64s().Draw(t, "time"),
			Act:       rapid.String().Draw(t, "act"),
			Tenant:    rapid.String().Draw(t, "tenant"),
			Namespace: rapid.String().Draw(t, "namespace"),
			Domain:    rapid.SampledFrom([]codec.Domain{0, 1, 2}).Draw(t, "domain"),
			Number:    rapid.Uint32().Draw(t, "number"),
			Detail:    rapid.String().Draw(t, "detail"),
		}
	}),
	"journal-entry": rapid.Custom(func(t *rapid.T) any {
		return &codec.JournalEntry{
			State: rapid.SampledFrom([]codec.JournalState{1, 2, 3}).Draw(t, "state"),
			Key:   userKeys().Draw(t, "key"),
		}
	}),
	"sweep": rapid.Custom(func(t *rapid.T) any {
		s := &codec.Sweep{
			Epoch:     uint64s().Draw(t, "epoch"),
			Active:    ascending(0, 3).Draw(t, "active"),
			Began:     uint64s().Draw(t, "began"),
			Updated:   uint64s().Draw(t, "updated"),
			Cursor:    byteStrings(0, codec.MaxUserKeyLen).Draw(t, "cursor"),
			Records:   uint64s().Draw(t, "records"),
			Rewrapped: uint64s().Draw(t, "rewrapped"),
			Missed:    uint64s().Draw(t, "missed"),
		}
		if rapid.Bool().Draw(t, "compressed") {
			s.Dictionary = numbers().Draw(t, "dictionary")
		}
		for number := range rapid.IntRange(0, 4).Draw(t, "counts") {
			s.Counts = append(s.Counts, codec.KeyCount{
				Number: uint32(number), Records: uint64s().Draw(t, "count"), Bytes: uint64s().Draw(t, "bytes"),
			})
		}
		return s
	}),
	"miss": rapid.Custom(func(t *rapid.T) any {
		return &codec.Miss{
			Number: rapid.Uint32().Draw(t, "number"),
			Class:  rapid.SampledFrom([]codec.Class{1, 2, 3, 4, 5, 6}).Draw(t, "class"),
			Seen:   uint64s().Draw(t, "seen"),
		}
	}),
}

func uint64s() *rapid.Generator[uint64] { return uints(0, 1<<64-1) }

// optional draws n bytes or none.
func optional(n int) *rapid.Generator[[]byte] {
	return rapid.OneOf(rapid.Just([]byte{}), byteStrings(n, n))
}

func signeds() *rapid.Generator[codec.Signed] {
	return rapid.Custom(func(t *rapid.T) codec.Signed {
		return codec.Signed{
			Version: numbers().Draw(t, "version"),
			Body:    byteStrings(0, 100).Draw(t, "body"),
			MAC:     byteStrings(codec.MACLen, codec.MACLen).Draw(t, "mac"),
		}
	})
}

func controls() *rapid.Generator[codec.Control] {
	return rapid.Custom(func(t *rapid.T) codec.Control {
		return codec.Control{
			Created:     uint64s().Draw(t, "created"),
			Hosted:      rapid.Bool().Draw(t, "hosted"),
			Revoked:     rapid.Bool().Draw(t, "revoked"),
			RootRevoked: rapid.Bool().Draw(t, "root revoked"),
			Fallback:    rapid.SliceOfN(namespaces(), 0, 5).Draw(t, "fallback"),
			Shredded:    rapid.SampledFrom([]codec.Shredded{0, 1, 2}).Draw(t, "shredded"),
			Shredding:   rapid.SliceOfN(namespaces(), 0, 3).Draw(t, "shredding"),
			Digest:      byteStrings(codec.MACLen, codec.MACLen).Draw(t, "digest"),
		}
	})
}

func rootWraps() *rapid.Generator[codec.RootWrap] {
	return rapid.Custom(func(t *rapid.T) codec.RootWrap {
		return codec.RootWrap{
			Role:       rapid.SampledFrom([]codec.Role{1, 2, 3}).Draw(t, "role"),
			URI:        rapid.String().Draw(t, "uri"),
			KeyVersion: rapid.String().Draw(t, "version"),
			Ciphertext: byteStrings(0, 100).Draw(t, "ciphertext"),
		}
	})
}

package codec_test

import (
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/sealkv/sealkv/codec"
)

// covered is the input of the command cover: What is one of the cases below, the rest what they
// need.
type covered struct {
	What     string
	Envelope string // name of one that was encoded before
	Store    codec.StoreID
	Key      []byte // engine key
	Number   uint32
	Blob     codec.BlobID
	Index    uint32
	Final    bool
	Row      codec.KeyRow
	Suite    codec.Suite
	Parent   uint32
	Label    string
	Subject  []byte
	Version  uint32
	Body     []byte
}

func (g *golden) cover(t *testing.T, d *datadriven.TestData) string {
	var c covered
	if err := setFields(&c, d.Input); err != nil {
		d.Fatalf(t, "%v", err)
	}
	var e codec.Envelope
	if c.Envelope != "" {
		if err := e.Parse(g.named[c.Envelope]); err != nil {
			d.Fatalf(t, "%v", err)
		}
	}
	switch c.What {
	case "sealed":
		return notation(e.AppendSealAAD(nil, &c.Store, c.Key))
	case "wrap":
		return notation(e.AppendWrapAAD(nil, &c.Store, c.Key, c.Number))
	case "head-mac":
		return notation(e.AppendHeadMAC(nil, &c.Store, c.Key))
	case "chunk":
		return notation(codec.AppendChunkAAD(nil, &c.Store, c.Key, c.Blob, c.Index))
	case "nonce":
		var nonce [codec.NonceLen]byte
		codec.PutChunkNonce(&nonce, c.Index, c.Final)
		return notation(nonce[:])
	case "data-key":
		key := codec.DataKey{Suite: c.Suite, Parent: c.Parent}
		return notation(key.AppendDataKeyAAD(nil, &c.Store, c.Row))
	case "commitment":
		return notation(codec.AppendCommitInfo(nil, &c.Store, c.Row))
	case "root":
		return notation(codec.AppendRootDigest(nil, &c.Store, c.Row))
	case "signed":
		s := codec.Signed{Version: c.Version, Body: c.Body}
		return notation(s.AppendMAC(nil, codec.Label("sealkv/1 "+c.Label), &c.Store, c.Subject))
	}
	d.Fatalf(t, "nothing is covered by %q", c.What)
	return ""
}

package main

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/human"
	"github.com/sealkv/sealkv/keys/root"
)

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"c1": "c1", "Zürich 7/x": "Zürich 7/x", "": "", "a\nb": `"a\nb"`, "\x1b[2J": `"\x1b[2J"`, "\xff": `"\xff"`,
		" padded": `" padded"`, `"quoted"`: `"\"quoted\""`, "right\u202eleft": `"right\u202eleft"`,
	} {
		if got := printable([]byte(text)); got != want {
			t.Errorf("printable(%q) = %s, want %s", text, got, want)
		}
	}
}

func TestMoment(t *testing.T) {
	at := time.Date(2026, 3, 1, 10, 0, 0, 0, time.FixedZone("", 3600))
	if got, want := moment(at), "2026-03-01 09:00:00Z"; got != want {
		t.Errorf("moment = %q, want %q", got, want)
	}
	if got := moment(time.Time{}); got != "" {
		t.Errorf("the zero time is %q", got)
	}
}

func TestMessage(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{errors.New("keys: key revoked: root of tenant acme: keyfile: /keys: root: key revoked"), "key revoked: root of tenant acme: /keys"},
		{errors.New("store: sealing for acme in jira/comments: tenant acme: keys: key revoked"), "sealing for acme in jira/comments: tenant acme: key revoked"},
		{errors.New("keys: key unavailable: root of acme: root: key revoked"), "key unavailable: root of acme: key revoked"},
		{fmt.Errorf("keyfile: /keys: wrong passphrase: %w", root.ErrInvalid), "/keys: wrong passphrase"},
		{errors.New("it is invalid: invalid"), "it is invalid: invalid"},
	} {
		if got := message(test.err); got != test.want {
			t.Errorf("message = %q, want %q", got, test.want)
		}
	}
}

// TestListingBlocks prints more rows than a table keeps, with an error in the middle.
func TestListingBlocks(t *testing.T) {
	for _, json := range []bool{false, true} {
		var out bytes.Buffer
		c := &cli{out: &out, json: json}
		l := c.list("sealkv/test/1", []string{"name", ">number"})
		for i := range tableBlock + 1 {
			l.row(i, "x", human.Count(uint64(i)))
		}
		broken := errors.New("broken")
		if err := l.fail(broken); !errors.Is(err, broken) {
			t.Errorf("fail = %v", err)
		}
		lines := bytes.Count(out.Bytes(), []byte("\n"))
		if json {
			if lines != tableBlock+3 || !bytes.HasSuffix(out.Bytes(), []byte("\n]}\n")) {
				t.Errorf("%d lines, ending in %q", lines, out.Bytes()[out.Len()-8:])
			}
		} else if lines != tableBlock+2 {
			t.Errorf("%d lines", lines)
		}
	}
}

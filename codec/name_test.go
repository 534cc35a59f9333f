package codec_test

import (
	"strings"
	"testing"

	"github.com/sealkv/sealkv/codec"
)

// Every byte there is, at the beginning, in the middle and at the end of a name.
func TestNameBytes(t *testing.T) {
	for b := range 256 {
		c := string([]byte{byte(b)})
		for _, id := range []string{c, c + "acme", "ac" + c + "me", "acme" + c} {
			checkName(t, id, codec.CheckTenant(id), strings.Contains(tenantAlphabet, c))
		}
		for _, name := range []string{c + "jira/comments", "ji" + c + "ra/comments", "jira/com" + c + "ments", "jira/comments" + c} {
			_, err := codec.ParseKey(append(codec.AppendPrefix(nil, codec.KindRecord, "acme", name), 'k'))
			checkName(t, name, err, strings.Contains(namespaceAlphabet, c) || c == "\x00" && namespaceBefore0(name))
		}
		checkName(t, c, codec.CheckUserKey([]byte(c)), true)
	}
}

// namespaceBefore0: a zero byte ends the namespace, and the rest is part of the user key.
func namespaceBefore0(name string) bool {
	before, _, _ := strings.Cut(name, "\x00")
	product, kind, found := strings.Cut(before, "/")
	return found && product != "" && kind != ""
}

func checkName(t *testing.T, name string, err error, want bool) {
	t.Helper()
	if got := class(err); (got == "ok") != want || got == "unsupported" {
		t.Errorf("%q is %s", name, got)
	}
}

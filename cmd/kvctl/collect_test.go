package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// A shorter max-age reaches values that are there; collect deletes those alone that it has reached.
func TestCollectExpired(t *testing.T) {
	s := newShell(t)
	line := `{"tenant":"acme","product":"jira","type":"cached-content","key":"%s","value":1,"written":"%s"}` + "\n"
	old, young := time.Now().Add(-48*time.Hour), time.Now()
	s.run(0, fmt.Sprintf(line+line, "old", old.UTC().Format(time.RFC3339), "young", young.UTC().Format(time.RFC3339)), "import", "-")
	out, _ := s.run(0, "", "collect")
	if !strings.HasPrefix(out, "Collected 0 records that had expired, and 0 chunks") {
		t.Fatal(out)
	}
	policy, _ := s.run(0, "", "scope", "show", "--yaml")
	policy = strings.ReplaceAll(strings.Replace(policy, "version: 1\n", "version: 2\n", 1), "max-age: 30d", "max-age: 24h")
	if err := os.WriteFile(s.path("shorter.yaml"), []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	s.run(0, "", "scope", "apply", s.path("shorter.yaml"))
	s.run(3, "", "get", "acme", "jira/cached-content", "old") // before it is collected
	out, _ = s.run(0, "", "collect")
	if !strings.HasPrefix(out, "Collected 1 record that had expired, and 0 chunks") {
		t.Fatal(out)
	}
	s.run(0, "", "get", "acme", "jira/cached-content", "young")
	s.run(0, "", "get", "acme", "jira/comments", "c1")
}

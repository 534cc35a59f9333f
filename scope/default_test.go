package scope_test

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sealkv/sealkv/scope"
)

// scopeTable is the table that the default policy was written from. It lies beside the repository
// where the project is developed and is not part of it.
const scopeTable = "../../shared/scope-table.md"

func TestDefaultIsTheScopeTable(t *testing.T) {
	table, err := os.ReadFile(scopeTable)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("%s is not here to compare with", scopeTable)
	}
	if err != nil {
		t.Fatal(err)
	}
	want := tableRules(t, string(table))
	got := scope.Default().Rules()
	if len(got) != len(want) {
		t.Errorf("%d rules, the table has %d", len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		if got[i].Note == "" {
			t.Errorf("%s has no note", got[i].Namespace)
		}
		got[i].Note, got[i].Line = "", 0
		if got[i] != want[i] {
			t.Errorf("got  %s\nwant %s", got[i], want[i])
		}
	}
}

// tableRules reads `| namespace, … | data | sealed under | note |`, a rule for each namespace.
func tableRules(t *testing.T, table string) []scope.Rule {
	t.Helper()
	domains := map[string]scope.Domain{
		"tenant": scope.Tenant, "platform": scope.Platform, "both, then tenant": scope.Both,
	}
	rows := 0
	var rules []scope.Rule
	for line := range strings.Lines(table) {
		cells := strings.Split(line, " | ")
		if !strings.HasPrefix(line, "| ") || len(cells) < 4 || !strings.Contains(cells[0], "/") {
			continue
		}
		rows++
		rule := scope.Rule{Domain: domains[cells[2]], Suite: scope.XChaCha20Poly1305, Compression: scope.NoCompression}
		if rule.Domain == 0 {
			t.Fatalf("no domain in %q", line)
		}
		if strings.Contains(cells[3], "30 days") {
			rule.MaxAge = 30 * 24 * time.Hour
		}
		for name := range strings.SplitSeq(strings.TrimPrefix(cells[0], "| "), ", ") {
			rule.Namespace = name
			rules = append(rules, rule)
		}
	}
	if rows != 31 {
		t.Fatalf("%d rows in the table, it had 31", rows)
	}
	return rules
}

// The same, in the numbers that the table gives in words: this holds also where it is absent.
func TestDefaultCounts(t *testing.T) {
	p := scope.Default()
	if p.Version() != 1 || p != scope.Default() {
		t.Errorf("got %s", p)
	}
	domains := map[scope.Domain]int{}
	ages := map[time.Duration]int{}
	for _, rule := range p.Rules() {
		domains[rule.Domain]++
		ages[rule.MaxAge]++
	}
	if domains[scope.Tenant] != 5 || domains[scope.Both] != 1 || domains[scope.Platform] != 27 {
		t.Errorf("domains: %v", domains)
	}
	if len(ages) != 2 || ages[30*24*time.Hour] != 2 {
		t.Errorf("max-ages: %v", ages)
	}
}

func TestDefaultLookups(t *testing.T) {
	for namespace, want := range map[string]string{
		"jira/comments":         "jira/comments: tenant",
		"confluence/comments":   "confluence/comments: platform",
		"jira/user-accounts":    "all/user-accounts: platform",
		"confluence/audit-log":  "all/audit-log: platform",
		"access/audit-log":      "access/audit-log: platform",
		"jira/attachments":      "jira/attachments: both",
		"desk/cached-content":   "all/cached-content: platform, max-age 30d",
		"jira/data-in-transit":  "all/data-in-transit: platform, max-age 30d",
		"servicedesk/customers": "",
		"assets/objects":        "",
	} {
		rule, err := scope.Default().Lookup(namespace)
		switch {
		case want == "" && !errors.Is(err, scope.ErrUnknownNamespace):
			t.Errorf("%s: got %v, %v", namespace, rule, err)
		case want != "" && (err != nil || rule.String() != want):
			t.Errorf("%s: got %v, %v, want %s", namespace, rule, err, want)
		}
	}
}

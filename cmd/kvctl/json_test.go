package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// A shell runs commands in this process, on one store.
type shell struct {
	t   *testing.T
	dir string
}

func newShell(t *testing.T) *shell {
	t.Setenv("KVCTL_STORE", "")
	t.Setenv("KVCTL_PASSPHRASE_FILE", "")
	s := &shell{t, t.TempDir()}
	s.run(0, "", "init", "--root", s.path("p.key"))
	s.run(0, "", "tenant", "add", "acme", "--root", s.path("acme.key"))
	s.run(0, "", "tenant", "add", "zeta")
	s.run(0, "first", "put", "acme", "jira/comments", "c1")
	s.run(0, "\xff\x00", "put", "acme", "jira/comments", "--base64", "/w==")
	s.run(0, "first", "put", "acme", "jira/attachments", "a1")
	s.run(0, "first", "put", "zeta", "jira/analytics", "n1")
	return s
}

func (s *shell) path(name string) string { return filepath.Join(s.dir, name) }

// run runs a command that ends with code, and returns what it wrote.
func (s *shell) run(code int, in string, args ...string) (out, errs string) {
	s.t.Helper()
	var stdout, stderr bytes.Buffer
	got := run(append([]string{"--store", s.path("data")}, args...), strings.NewReader(in), &stdout, &stderr)
	if got != code {
		s.t.Fatalf("kvctl %q: exit code %d, want %d\n%s", args, got, code, stderr.String())
	}
	return stdout.String(), stderr.String()
}

// A document is what every command prints with --json.
type document struct {
	Schema string           `json:"schema"`
	Rows   []map[string]any `json:"rows"`
	Error  map[string]any   `json:"error"`
}

func parse(t *testing.T, text string) document {
	t.Helper()
	var d document
	decoder := json.NewDecoder(strings.NewReader(text))
	if err := decoder.Decode(&d); err != nil {
		t.Fatalf("not JSON: %v\n%s", err, text)
	}
	if decoder.More() {
		t.Fatalf("more than one document:\n%s", text)
	}
	return d
}

func TestJSON(t *testing.T) {
	s := newShell(t)
	tests := []struct {
		args   string
		schema string
		rows   int
		fields string // of the first row
	}{
		{"init --root ROOT2 --store SECOND", "sealkv/init/1", 1, "store id root root_created policy"},
		{"tenant add more", "sealkv/tenant/1", 1, "tenant status hosted root"},
		{"tenant ls", "sealkv/tenant/1", 3, "tenant status hosted revoked root_revoked key_version root root_version data_keys created"},
		{"tenant show acme", "sealkv/tenant/1", 1, "tenant status"},
		{"put acme jira/comments c2", "sealkv/put/1", 1, "tenant namespace key bytes"},
		{"get acme jira/comments c1", "sealkv/get/1", 1, "tenant namespace key value bytes"},
		{"get acme jira/comments --base64 /w==", "sealkv/get/1", 1, "tenant namespace key_base64 value_base64 bytes"},
		{"ls acme jira/comments", "sealkv/ls/1", 3, "tenant namespace key"},
		{"ls acme jira/comments --values", "sealkv/ls/1", 3, "tenant namespace key value bytes"},
		{"ls acme jira/issues", "sealkv/ls/1", 0, ""},
		{"rm acme jira/comments c2", "sealkv/rm/1", 1, "tenant namespace key"},
		{"attach put acme jira/attachments a9", "sealkv/attach-put/1", 1, "tenant namespace key length"},
		{"attach ls acme jira/attachments", "sealkv/attach-ls/1", 2, "tenant namespace key length"},
		{"attach stat acme jira/attachments a9", "sealkv/attach-stat/1", 1, "tenant namespace key length"},
		{"attach rm acme jira/attachments a9", "sealkv/rm/1", 1, "tenant namespace key"},
		{"inspect acme jira/comments c1", "sealkv/inspect/1", 1, "tenant namespace key suite keys data_keys content_key flags bytes stored"},
		{"inspect acme jira/comments c1 --hex", "sealkv/inspect/1", 1, "envelope"},
		{"stats", "sealkv/stats/1", 3, "tenant namespace domain data_key keys state records bytes stored"},
		{"verify", "sealkv/verify/1", 3, "tenant namespace records bytes blobs opened dark bad"},
		{"keys ls", "sealkv/keys/1", 4, "tenant namespace domain data_key state suite created tenant_key"},
		{"dict ls acme jira/comments", "sealkv/dict/1", 0, ""},
		{"keys sweep acme jira/comments", "sealkv/sweep/1", 1, "tenant namespace epoch active began updated done records rewrapped missed counts"},
		{"keys misses acme", "sealkv/misses/1", 0, ""},
		{"keys coverage acme", "sealkv/coverage/1", 3, "tenant namespace domain data_key state suite created since records bytes needed"},
		{"keys coverage --exact", "sealkv/coverage/1", 4, "tenant namespace domain data_key state records bytes needed"},
		{"keys rotate acme jira/comments", "sealkv/rotate/1", 1, "tenant namespace domain from to"},
		{"keys rotate acme --tenant-key", "sealkv/rotate-tenant-key/1", 1, "tenant key_version"},
		{"keys rotate acme --root ACME2", "sealkv/tenant/1", 1, "tenant status root root_created"},
		{"keys rotate --platform --root P2", "sealkv/rotate-platform-root/1", 1, "root root_created"},
		{"tenant revoke acme", "sealkv/tenant/1", 1, "tenant status revoked"},
		{"tenant restore acme", "sealkv/tenant/1", 1, "tenant status revoked"},
		{"audit ls --after 1", "sealkv/audit/1", -1, "seq time act tenant domain number"},
		{"audit verify", "sealkv/audit-verify/1", 1, "entries head"},
		{"scope show", "sealkv/scope/1", -1, "namespace domain line"},
		{"scope explain jira/comments", "sealkv/scope-explain/1", 1, "namespace policy file rule exact text"},
		{"scope check POLICY", "sealkv/scope-check/1", 1, "policy version rules"},
		{"scope diff POLICY", "sealkv/scope-diff/1", 0, ""},
		{"scope apply POLICY", "sealkv/scope-apply/1", 1, "policy version before"},
		{"tenant leave acme", "sealkv/tenant/1", 1, "tenant status root"},
		{"tenant enroll acme --root ACME3", "sealkv/tenant/1", 1, "tenant status root root_created"},
		{"root new NEW", "sealkv/root/1", 1, "version created state"},
		{"root show NEW", "sealkv/root/1", 1, "version created state"},
		{"root rotate NEW", "sealkv/root/1", 2, "version created state"},
		{"collect", "sealkv/collect/1", 1, "expired chunks"},
		{"export --out OUT", "sealkv/export/1", 3, "tenant namespace records bytes skipped"},
		{"import OUT", "sealkv/import/1", 3, "tenant namespace records bytes new replaced unchanged"},
		{"import OUT --verify", "sealkv/import-verify/1", 3, "tenant namespace records"},
		{"import OUT --dry-run", "sealkv/import-dry-run/1", 3, "tenant namespace records"},
	}
	names := strings.NewReplacer("ROOT2", s.path("r2"), "SECOND", s.path("second"), "ACME2", s.path("a2"), "ACME3", s.path("a3"), "P2", s.path("p2"),
		"POLICY", "../../scope/default.yaml", "NEW", s.path("new"), "OUT", s.path("out.jsonl.gz"))
	for _, test := range tests {
		t.Run(test.args, func(t *testing.T) {
			s := &shell{t, s.dir}
			out, errs := s.run(0, "", append(strings.Fields(names.Replace(test.args)), "--json")...)
			d := parse(t, out)
			if errs != "" || d.Schema != test.schema || d.Rows == nil {
				t.Fatalf("schema %q, want %q; on standard error %q", d.Schema, test.schema, errs)
			}
			if len(d.Rows) != test.rows && test.rows >= 0 {
				t.Fatalf("%d rows, want %d:\n%s", len(d.Rows), test.rows, out)
			}
			for _, field := range strings.Fields(test.fields) {
				if _, found := d.Rows[0][field]; !found {
					t.Errorf("no %q in %v", field, d.Rows[0])
				}
			}
		})
	}
}

func TestJSONErrors(t *testing.T) {
	s := newShell(t)
	s.run(0, "", "tenant", "revoke", "acme")
	tests := []struct {
		exit int
		code string
		args string
	}{
		{exitUsage, "usage", "get acme"},
		{exitUsage, "usage", "get --bogus"},
		{exitUsage, "invalid_name", "get acme jira c1"},
		{exitUsage, "invalid_name", "tenant show a:b"},
		{exitNotFound, "not_found", "get zeta jira/analytics sesame"},
		{exitNotFound, "tenant_unknown", "get nobody jira/comments c1"},
		{exitNotFound, "namespace_unknown", "get acme jira/bogus c1"},
		{exitNotFound, "no_store", "tenant ls --store nowhere"},
		{exitNotFound, "file_not_found", "import nowhere.jsonl"},
		{exitRevoked, "key_revoked", "get acme jira/comments c1"},
		{exitUnavailable, "key_unavailable", "root show nowhere.key"},
		{exitDamaged, "authentication_failed", "audit verify --head 1:00"},
		{exitExists, "tenant_exists", "tenant add acme"},
		{exitExists, "exists", "root new " + s.path("p.key")},
		{exitInvalid, "invalid_policy", "scope check kvctl.go"},
		{exitInvalid, "invalid_root_key", "root show kvctl.go"},
		{exitInvalid, "invalid_data", "import kvctl.go"},
	}
	for _, test := range tests {
		t.Run(test.args, func(t *testing.T) {
			s := &shell{t, s.dir}
			_, errs := s.run(test.exit, "", append(strings.Fields(test.args), "--json")...)
			d := parse(t, errs)
			if d.Schema != "sealkv/error/1" || d.Error["code"] != test.code || d.Error["exit"] != float64(test.exit) {
				t.Errorf("want code %s in\n%s", test.code, errs)
			}
			if d.Error["message"] == "" || d.Error["hint"] == "" {
				t.Errorf("message or hint is empty in\n%s", errs)
			}
			if strings.Contains(errs, "sesame") {
				t.Errorf("the error repeats a key:\n%s", errs)
			}
		})
	}
}

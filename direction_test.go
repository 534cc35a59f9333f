// Package sealkv_test holds the test of the house's structure.
package sealkv_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/sealkv/sealkv/"

// mayImport says what each part of the house may import of the others: arrows go one way, from
// cmd over store to the leaves (DESIGN.md, The house). A part is the longest prefix that matches.
var mayImport = map[string][]string{
	"cmd":                     {"cmd", "store", "keys", "keys/root", "keys/root/keyfile", "scope"},
	"fuzz":                    {"store", "store/engine", "store/engine/mem", "keys/root", "keys/root/roottest", "scope"},
	"store":                   {"store/engine", "store/engine/pebble", "keys", "keys/root", "scope", "codec", "latency"},
	"store/storeprom":         {"store", "store/engine/pebble", "keys", "latency"},
	"store/engine":            {"store/engine/internal"},
	"store/engine/pebble":     {"store/engine", "store/engine/internal"},
	"store/engine/mem":        {"store/engine", "store/engine/internal"},
	"store/engine/enginetest": {"store/engine"},
	"keys":                    {"codec", "keys/root", "latency"},
	"keys/root":               {},
	"keys/root/keyfile":       {"keys/root"},
	"keys/root/roottest":      {"keys/root"},
	"codec":                   {},
	"scope":                   {},
	"latency":                 {},
}

// onlyImporter are libraries that one part alone may import.
var onlyImporter = map[string]string{
	"github.com/cockroachdb/pebble": "store/engine/pebble",
	"go.etcd.io/bbolt":              "keys",
	"filippo.io/age":                "keys/root/keyfile",
	"github.com/spf13/cobra":        "cmd",
	"github.com/maypok86/otter":     "store",
	"github.com/prometheus/":        "store/storeprom",
}

// heavy must not be in what a service links by importing the store.
var heavy = []string{"github.com/aws/", "cloud.google.com/", "github.com/Azure/", "github.com/spf13/", "github.com/urfave/", "filippo.io/age", "github.com/schollz/"}

type pkg struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func TestImportDirection(t *testing.T) {
	packages := list(t, "./...")
	if len(packages) < len(mayImport) {
		t.Fatalf("go list found %d packages", len(packages))
	}
	for _, p := range packages {
		from := strings.TrimPrefix(p.ImportPath, module)
		for _, to := range p.Imports {
			if own, found := strings.CutPrefix(to, module); found {
				if !allowed(from, own) {
					t.Errorf("%s imports %s, against the direction of DESIGN.md", from, own)
				}
			}
			for library, importer := range onlyImporter {
				if strings.HasPrefix(to, library) && part(from) != importer {
					t.Errorf("%s imports %s, which only %s may", from, to, importer)
				}
			}
		}
	}
}

func TestStoreIsLight(t *testing.T) {
	for _, p := range list(t, "./store") {
		for _, dep := range p.Deps {
			for _, prefix := range heavy {
				if strings.HasPrefix(dep, prefix) {
					t.Errorf("importing store links %s", dep)
				}
			}
		}
	}
}

func allowed(from, to string) bool {
	if part(from) == part(to) {
		return true
	}
	for _, prefix := range mayImport[part(from)] {
		if to == prefix || part(to) == prefix || strings.HasPrefix(to, prefix+"/internal/") {
			return true
		}
	}
	return false
}

// part is the longest key of mayImport that a path lies in.
func part(path string) string {
	for at := path; ; {
		if _, found := mayImport[at]; found {
			return at
		}
		cut := strings.LastIndexByte(at, '/')
		if cut < 0 {
			return path
		}
		at = at[:cut]
	}
}

func list(t *testing.T, pattern string) (packages []pkg) {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", pattern).Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

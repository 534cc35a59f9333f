package main

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every study with next to nothing in it: that it measures all that its tables have.
func TestStudies(t *testing.T) {
	for name, args := range map[string][]string{
		"scale":    {"--tenants", "1,3", "--used", "0,2", "--records", "300", "--goroutines", "1,2", "--created", "5", "--swept", "300", "--seconds", "0.05", "--cache", "24"},
		"coverage": {"--part", "10000", "--data", writeReal(t)},
		"options":  {"--turns", "block-4K,filters-l6-used", "--records", "300", "--rounds", "1", "--percent", "1", "--cache", "24"},
	} {
		t.Run(name, func(t *testing.T) {
			out := t.TempDir()
			if err := studies()[name](t.Context(), append(args, "--out", out, "--dir", t.TempDir())); err != nil {
				t.Fatal(err)
			}
			checkStudy(t, out, name)
		})
	}
}

func checkStudy(t *testing.T, out, name string) {
	t.Helper()
	var s study
	raw, err := os.ReadFile(filepath.Join(out, name+".json"))
	if err == nil {
		err = json.Unmarshal(raw, &s)
	}
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(out, name+".md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range s.Grids {
		if len(g.Rows) == 0 || !strings.Contains(string(text), "## "+g.Title) {
			t.Errorf("%s has %d rows", g.Name, len(g.Rows))
		}
		for _, r := range g.Rows {
			for _, c := range g.Columns {
				if _, found := r.Values[c.Name]; !found && r.At != "0" {
					t.Errorf("%s, %s: no %q", g.Name, r.At, c.Name)
				}
			}
		}
		if g.drawn() {
			checkPlot(t, filepath.Join(out, g.plotName()))
		}
	}
}

func checkPlot(t *testing.T, file string) {
	t.Helper()
	plot, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer plot.Close()
	for d := xml.NewDecoder(plot); ; {
		if _, err := d.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
}

func TestRefusedStudies(t *testing.T) {
	for _, args := range [][]string{{"scale", "--curves", "none"}, {"scale", "--tenants", "x"}, {"scale", "extra"}, {"options", "--turns", "none"}, {"coverage", "--part", "0"}} {
		if err := studies()[args[0]](t.Context(), append(args[1:], "--out", t.TempDir(), "--dir", t.TempDir())); err == nil {
			t.Errorf("%v is accepted", args)
		}
	}
	if _, err := (probe{Do: "none"}).run(context.Background()); err == nil {
		t.Error("a probe that is none is carried out")
	}
	if err := carryOut(strings.NewReader("{"), io.Discard); err == nil {
		t.Error("an order that is none is obeyed")
	}
}

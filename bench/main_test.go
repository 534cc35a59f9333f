package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// The test's own binary is the program that is started as a peer.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 {
		asked(os.Args[1])
	}
	os.Exit(m.Run())
}

// writeReal writes a small folder of real records.
func writeReal(t *testing.T) (folder string) {
	t.Helper()
	folder = t.TempDir()
	lines := map[string]string{
		"jira/issues": `{"tenant":"acme","product":"jira","type":"issues","key":"A-2","value":{"text":"` + strings.Repeat("first ", 100) + `"}}
{"tenant":"acme","product":"jira","type":"issues","key":"A-10","value":{"text":"` + strings.Repeat("second ", 43000) + `"}}
{"tenant":"umbrella","product":"jira","type":"issues","key":"A-2","value":{"text":"` + strings.Repeat("third ", 90) + `"}}
`,
		"confluence/pages": `{"tenant":"acme","product":"confluence","type":"pages","key":"p","value_base64":"aGVsbG8="}
`,
	}
	for name, text := range lines {
		file := filepath.Join(folder, name+".jsonl.zst")
		z, err := zstd.NewWriter(nil)
		if err != nil {
			t.Fatal(err)
		}
		err = errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, z.EncodeAll([]byte(text), nil), 0o600))
		if err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// All engines under all workloads, on made up and on real records: what they measure is
// verified by the peers themselves.
func TestAllEngines(t *testing.T) {
	data := writeReal(t)
	for values, chosen := range map[string]string{jsonValues: "", randomValues: "get-miss,scan,put-2", realValues: "get-zipfian,scan,put,batch-sync"} {
		t.Run(values, func(t *testing.T) {
			args := []string{
				"-records", "400", "-rounds", "1", "-percent", "1", "-cache", "24", "-values", values,
				"-data", data, "-dir", t.TempDir(), "-out", t.TempDir(),
			}
			want := len(workloads)
			if chosen != "" {
				args = append(args, "-workloads", chosen)
				want = 1 + strings.Count(chosen, ",")
			}
			if err := run(t.Context(), args); err != nil {
				t.Fatal(err)
			}
			checkReport(t, args[slices.Index(args, "-out")+1], want)
		})
	}
}

func checkReport(t *testing.T, out string, workloads int) {
	t.Helper()
	var r report
	raw, err := os.ReadFile(filepath.Join(out, "report.json"))
	if err == nil {
		err = json.Unmarshal(raw, &r)
	}
	if err != nil {
		t.Fatal(err)
	}
	had, _, _ := only(nil)
	if len(r.Outcomes) != 1 || len(r.Engines) != len(had) {
		t.Fatalf("%d sections of %d engines", len(r.Outcomes), len(r.Engines))
	}
	if rows := len(r.Outcomes[0].Rows); rows != workloads+1 { // the load
		t.Errorf("%d workloads, want %d and the load", rows, workloads)
	}
	checkOutcome(t, out, r.Outcomes[0], had)
}

func checkOutcome(t *testing.T, folder string, o outcome, had []kind) {
	t.Helper()
	for _, k := range had {
		if k.short && o.Section.Values == realValues {
			continue
		}
		if f := o.Files[k.name]; f.UserBytes == 0 || f.Bytes == 0 || f.CompactedBytes == 0 {
			t.Errorf("%s, %s: sizes are %+v", o.Section.Name, k.name, f)
		}
		for _, r := range o.Rows {
			if ratio := r.ratio(k.name, p50); ratio.median <= 0 || ratio.least > ratio.median || ratio.most < ratio.median {
				t.Errorf("%s, %s, %s: ratio is %+v", o.Section.Name, r.Workload.Name, k.name, ratio)
			}
		}
	}
	plot, err := os.Open(filepath.Join(folder, o.plotName()))
	if err != nil {
		t.Fatal(err)
	}
	defer plot.Close()
	for d := xml.NewDecoder(plot); ; {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("%s: %v", o.plotName(), err)
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, args := range [][]string{
		{"-engines", "sealkv,none"}, {"-workloads", "none"}, {"extra"}, {"-values", "none", "-engines", "raw"}, {"-sizes", "10", "-engines", "raw"},
	} {
		if err := run(t.Context(), append(args, "-out", t.TempDir(), "-dir", t.TempDir())); err == nil {
			t.Errorf("%v is accepted", args)
		}
	}
}

// Only a whole full run takes the place of the report that is kept with the code.
func TestReportFolder(t *testing.T) {
	for args, want := range map[string]string{
		"": "report", "-data x -dir y": "report", "-quick": "report-other", "-engines raw": "report-other", "-records 5": "report-other",
		"-rounds 1": "report-other", "-percent 1": "report-other", "-cache 24": "report-other", "-records 5 -out here": "here",
	} {
		if s, err := parse(strings.Fields(args)); err != nil || s.out != want {
			t.Errorf("%q: the report goes to %q, %v, want %q", args, s.out, err, want)
		}
	}
}

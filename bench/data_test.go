package main

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func TestSyntheticValues(t *testing.T) {
	for _, values := range []string{jsonValues, randomValues} {
		for _, length := range []int{100, 1 << 10, 16 << 10} {
			d, err := newSynthetic(500, length, values)
			if err != nil {
				t.Fatal(err)
			}
			for i := range d.size() {
				value, err := d.value(i, uint32(i), nil)
				if err != nil || len(value) != length || !bytes.Contains(value, d.canaries()[0]) {
					t.Fatalf("%s %d: %d bytes, %v", values, length, len(value), err)
				}
				if values == jsonValues && !json.Valid(value) {
					t.Fatalf("not JSON: %s", value)
				}
				if err := d.check(i, value); err != nil || !d.resembles(i, value) {
					t.Fatal(err)
				}
				if d.check(i+1, value) == nil || d.resembles(i+1, value) {
					t.Fatal("a value passes for another record's")
				}
				value[len(value)-3] ^= 1
				if d.check(i, value) == nil {
					t.Fatal("a changed value passes")
				}
			}
		}
	}
}

// JSON values compress about as far as an issue tracker's, random ones do not.
func TestCompressible(t *testing.T) {
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for values, bounds := range map[string][2]float64{jsonValues: {0.35, 0.7}, randomValues: {0.95, 1.05}} {
		d, err := newSynthetic(500, 1<<10, values)
		if err != nil {
			t.Fatal(err)
		}
		whole, packed := 0, 0
		for i := range d.size() {
			value, _ := d.value(i, 1, nil)
			whole, packed = whole+len(value), packed+len(z.EncodeAll(value, nil))
		}
		if part := float64(packed) / float64(whole); part < bounds[0] || part > bounds[1] {
			t.Errorf("%s values compress to %.2f", values, part)
		}
	}
}

func TestSyntheticKeys(t *testing.T) {
	d, err := newSynthetic(5000, 100, jsonValues)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for i := range d.size() {
		_, key := d.key(i, nil)
		_, missing := d.missing(i, nil)
		if seen[string(key)] || seen[string(missing)] || len(key) != len(missing) {
			t.Fatalf("record %d has the key of another", i)
		}
		seen[string(key)], seen[string(missing)] = true, true
	}
}

func TestReal(t *testing.T) {
	path := t.TempDir() + "/pack"
	if err := packReal(writeReal(t), path); err != nil {
		t.Fatal(err)
	}
	d, err := openReal(path)
	if err != nil {
		t.Fatal(err)
	}
	if d.size() != 4 || len(d.spaces()) != 3 {
		t.Fatalf("%d records in %d spaces", d.size(), len(d.spaces()))
	}
	at, key := d.key(0, nil)
	value, err := d.value(0, 0, nil)
	if s := d.spaces()[at]; err != nil || s != (space{"acme", "confluence/pages"}) || string(key) != "p" || string(value) != "hello" {
		t.Fatalf("%v %q %q %v", s, key, value, err)
	}
	if d.check(0, value) != nil || d.check(1, value) == nil || d.resembles(1, value) {
		t.Error("values are not told apart")
	}
}

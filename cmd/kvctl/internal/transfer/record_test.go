package transfer_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/transfer"
)

// line is a good line with one field replaced, or added where it has no such field.
func line(field, raw string) string {
	fields := []string{"tenant", `"acme"`, "product", `"jira"`, "type", `"comments"`, "key", `"c1"`, "value", `{}`}
	for i := 0; i < len(fields); i += 2 {
		if fields[i] == field || fields[i]+"_base64" == field {
			fields[i], fields[i+1] = field, raw
			field = ""
		}
	}
	if field != "" {
		fields = append(fields, field, raw)
	}
	var b strings.Builder
	for i := 0; i < len(fields); i += 2 {
		b.WriteString(`,"` + fields[i] + `":` + fields[i+1])
	}
	return "{" + b.String()[1:] + "}"
}

func TestParse(t *testing.T) {
	for name, c := range map[string]struct{ line, key, value string }{
		"as it is":          {line("value", `{"b":1.0,"a":[1e5,"\u00fc\/"]}`), "c1", `{"b":1.0,"a":[1e5,"\u00fc\/"]}`},
		"white space":       {"\t" + strings.ReplaceAll(line("value", ` [ 1 , "a b" , { } ] `), `":`, `" : `) + " ", "c1", `[1,"a b",{}]`},
		"brackets in text":  {line("value", `"}]\"{\\"`), "c1", `"}]\"{\\"`},
		"number":            {line("value", `-12.50E+03`), "c1", `-12.50E+03`},
		"null":              {line("value", `null`), "c1", `null`},
		"duplicates inside": {line("value", `{"a":1,"a":2}`), "c1", `{"a":1,"a":2}`},
		"html":              {line("value", "\"<b>&\u2028\""), "c1", "\"<b>&\u2028\""},
		"base64":            {line("value_base64", `"AAEC/w=="`), "c1", "\x00\x01\x02\xff"},
		"empty":             {line("value_base64", `""`), "c1", ""},
		"key with escapes":  {line("key", `"\u0000\n\"\ud83d\ude00/ü"`), "\x00\n\"😀/ü", `{}`},
		"binary key":        {line("key_base64", `"/wA="`), "\xff\x00", `{}`},
		"escaped name":      {strings.Replace(line("", ""), `"key"`, `"\u006bey"`, 1), "c1", `{}`},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(c.line, `,"":`, "", 1)
			r, err := transfer.Parse([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if r.Tenant != "acme" || r.Namespace() != "jira/comments" || string(r.Key) != c.key || string(r.Value) != c.value {
				t.Errorf("%s is %+v", text, r)
			}
			again, err := transfer.Parse(r.Append(nil))
			if err != nil || !bytes.Equal(again.Key, r.Key) || !bytes.Equal(again.Value, r.Value) {
				t.Errorf("%s comes back as %+v, %v", r.Append(nil), again, err)
			}
		})
	}
	r, err := transfer.Parse([]byte(line("written", `"2026-03-01T10:00:00+01:00"`)))
	if want := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC); err != nil || !r.Written.Equal(want) {
		t.Errorf("written %v, %v", r.Written, err)
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{"tenant":`:             "not valid JSON at column 10",
		"{\"tenant\":\"a\xff\"}": "not valid UTF-8",
		`[1]`:                    "not a JSON object",
		`"a"`:                    "not a JSON object",
		`{}`:                     "no field tenant",
		`{"tenant":"acme","product":"jira","type":"comments","key":"c1"}`: "no field value",
		line("tenant", `1`):                                 "field tenant: not a string",
		line("tenant", `null`):                              "field tenant: not a string",
		line("Tenant", `"acme"`):                            `unknown field "Tenant"`,
		line("color", `1`):                                  `unknown field "color"`,
		line("key", `"a","key":"b"`):                        "field key: given twice",
		line("key", `"a","key_base64":"AA=="`):              "field key_base64: given twice",
		line("value", `1,"value_base64":"AA=="`):            "field value_base64: given twice",
		line("tenant", `"a","tenant":"a"`):                  "field tenant: given twice",
		line("key", `"\ud83d"`):                             "half of a surrogate pair",
		line("key", `"\ude00\ud83d"`):                       "half of a surrogate pair",
		line("key", `"\ud83d\u0041"`):                       "half of a surrogate pair",
		line("value_base64", `"AAE"`):                       "not base64",
		line("value_base64", `"AAF="`):                      "not base64", // bits that no byte has
		line("value_base64", `"AA\n=="`):                    "not base64",
		line("value_base64", `"_w=="`):                      "not base64",
		line("written", `"2026-03-01"`):                     "not a time",
		line("written", `"2026-03-01T10:00:00.5Z"`):         "not a time",
		line("contents", `true`):                            "can only be false",
		line("tenant", `"acme"`) + line("tenant", `"acme"`): "not valid JSON",
		strings.Repeat(`[`, 20_000):                         "not valid JSON",
	} {
		if r, err := transfer.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %+v, %v; want %q", text, r, err, want)
		}
	}
}

// FuzzParse holds Parse to what it promises: what it takes, encoding/json takes for the same; and
// what Append writes of it is the same record, in one line.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		line("value", `{"a":[1,2.5e3,"x\ny",null,true]}`), line("value_base64", `"AAEC"`), line("key_base64", `"/w=="`),
		line("key", `"\ud83d\ude00\\\""`), line("written", `"2026-03-01T09:00:00Z"`), line("contents", `false`),
		"{ \"tenant\" : \"a\" ,\r\n\"value\" : [ ] }", `{"tenant":"a","tenant":"b"}`, `{"\u0074enant":"a"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := transfer.Parse(text)
		if err != nil {
			return
		}
		var plain struct {
			Tenant, Product, Type, Key string
			Value                      json.RawMessage
			Base64                     []byte `json:"value_base64"`
			KeyBase64                  []byte `json:"key_base64"`
		}
		if err := json.Unmarshal(text, &plain); err != nil {
			t.Fatalf("encoding/json refuses it: %v", err)
		}
		value := plain.Base64
		if plain.Value != nil {
			var b bytes.Buffer
			if err := json.Compact(&b, plain.Value); err != nil {
				t.Fatal(err)
			}
			value = b.Bytes()
		}
		key := plain.KeyBase64
		if key == nil {
			key = []byte(plain.Key)
		}
		if r.Tenant != plain.Tenant || r.Product != plain.Product || r.Type != plain.Type ||
			!bytes.Equal(r.Key, key) || !bytes.Equal(r.Value, value) {
			t.Fatalf("%+v, and encoding/json says %+v", r, plain)
		}
		out := r.Append(nil)
		if bytes.IndexByte(out, '\n') != len(out)-1 {
			t.Fatalf("%q is not one line", out)
		}
		again, err := transfer.Parse(out)
		if err != nil {
			t.Fatalf("%q: %v", out, err)
		}
		if again.Tenant != r.Tenant || again.Namespace() != r.Namespace() || !bytes.Equal(again.Key, r.Key) ||
			!bytes.Equal(again.Value, r.Value) || !again.Written.Equal(r.Written) || again.Apart != r.Apart {
			t.Fatalf("%+v comes back as %+v", r, again)
		}
	})
}

package codec_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/sealkv/sealkv/codec"
)

// An example is a block of "label: value" lines in the section "A worked example" of FORMAT.md.
// A line that begins with a space goes on with the value before it.
type example struct {
	labels []string
	values map[string]string
}

func parseExample(block string) example {
	e := example{values: map[string]string{}}
	for line := range strings.Lines(block) {
		if strings.HasPrefix(line, " ") && len(e.labels) > 0 {
			e.values[e.labels[len(e.labels)-1]] += strings.TrimSpace(line)
			continue
		}
		label, value, _ := strings.Cut(line, ":")
		e.labels = append(e.labels, label)
		e.values[label] += strings.TrimSpace(value)
	}
	return e
}

const (
	exampleIndent = 18
	exampleWidth  = 64
)

// A writer of an example takes inputs from the one in the document and works out the rest.
type exampleWriter struct {
	given example
	out   strings.Builder
	err   error
}

func (w *exampleWriter) line(label, value string) {
	fmt.Fprintf(&w.out, "%-*s", exampleIndent, label+":")
	for len(value) > exampleWidth {
		fmt.Fprintf(&w.out, "%s\n%*s", value[:exampleWidth], exampleIndent, "")
		value = value[exampleWidth:]
	}
	fmt.Fprintln(&w.out, value)
}

// text, bytes and number are inputs.
func (w *exampleWriter) text(label string) string {
	w.line(label, w.given.values[label])
	return w.given.values[label]
}

func (w *exampleWriter) bytes(label string, length int) []byte {
	b, err := hex.DecodeString(w.text(label))
	if err != nil || len(b) != length {
		w.err = fmt.Errorf("FORMAT.md's %s is not %d bytes of hex (%v)", label, length, err)
		return make([]byte, length)
	}
	return b
}

func (w *exampleWriter) number(label string) uint32 {
	n, err := strconv.ParseUint(w.text(label), 10, 32)
	if err != nil {
		w.err = fmt.Errorf("FORMAT.md's %s: %w", label, err)
	}
	return uint32(n)
}

// result is worked out.
func (w *exampleWriter) result(label string, b []byte) []byte {
	w.line(label, hex.EncodeToString(b))
	return b
}

func seal(suite codec.Suite, key, nonce, plaintext, aad []byte) []byte {
	return suiteAEADs[suite](key).Seal(bytes.Clone(nonce), nonce, plaintext, aad)
}

// direct works out the first example, with nothing of package codec but its types.
func (w *exampleWriter) direct() (codec.StoreID, []byte, *codec.Envelope) {
	store := codec.StoreID(w.bytes("store id", codec.StoreIDLen))
	tenant, namespace := w.text("tenant"), w.text("namespace")
	key := concat([]byte{0x10}, []byte(tenant), []byte{0}, []byte(namespace), []byte{0}, []byte(w.text("user key")))
	value := []byte(w.text("value"))
	e := &codec.Envelope{Suite: 1, Number: w.number("number")}
	dataKey := w.bytes("data key", codec.KeyLen)
	nonce := w.bytes("nonce", codec.NonceLen)
	w.result("engine key", key)
	subkey := w.result("subkey value", derive(dataKey, "sealkv/1 value"))
	e.Sealed = seal(e.Suite, subkey, nonce, value, w.result("aad", specSealed(e, store, key)))
	w.result("envelope", specEnvelope(e))
	return store, key, e
}

// content works out the second, of the same record for two data keys.
func (w *exampleWriter) content(store codec.StoreID, key, value []byte) *codec.Envelope {
	e := &codec.Envelope{Suite: 1}
	contentKey := w.bytes("content key", codec.KeyLen)
	nonce := w.bytes("nonce", codec.NonceLen)
	for _, n := range []string{"1", "2"} {
		number := w.number("number " + n)
		dataKey := w.bytes("data key "+n, codec.KeyLen)
		nonce := w.bytes("nonce "+n, codec.NonceLen)
		subkey := w.result("subkey wrap "+n, derive(dataKey, "sealkv/1 wrap"))
		aad := w.result("aad of wrap "+n, specWrap(e, store, key, number))
		wrap := seal(e.Suite, subkey, nonce, contentKey, aad)
		e.Recipients = append(e.Recipients, codec.Recipient{Number: number, Wrap: wrap})
	}
	head := w.result("subkey head", derive(contentKey, "sealkv/1 head"))
	e.HeadMAC = w.result("head-mac", mac(head, specHeadMAC(e, store, key)))
	subkey := w.result("subkey payload", derive(contentKey, "sealkv/1 payload"))
	e.Sealed = seal(e.Suite, subkey, nonce, value, w.result("aad of payload", specSealed(e, store, key)))
	w.result("envelope", specEnvelope(e))
	return e
}

// xaes works out the third: the record of the first by suite 2, the wrap of its data key, and the only
// chunk of the same value.
func (w *exampleWriter) xaes(store codec.StoreID, key, value []byte) *codec.Envelope {
	e := &codec.Envelope{Suite: 2, Number: w.number("number")}
	dataKey := w.bytes("data key", codec.KeyLen)
	nonce := w.bytes("nonce", codec.NonceLen)
	subkey := w.result("subkey value", derive(dataKey, "sealkv/1 value"))
	w.result("derived key", xaes{subkey}.derived(nonce))
	e.Sealed = seal(e.Suite, subkey, nonce, value, w.result("aad", specSealed(e, store, key)))
	w.result("envelope", specEnvelope(e))

	tenantKey := w.bytes("tenant key", codec.KeyLen)
	wrapNonce := w.bytes("nonce of wrap", codec.NonceLen)
	tenant, namespace := cutKey(key)
	row := codec.KeyRow{Tenant: tenant, Domain: codec.DomainTenant, Namespace: namespace, Number: e.Number}
	rec := &codec.DataKey{Suite: e.Suite, Parent: w.number("its version")}
	wrapKey := w.result("subkey of wrap", derive(tenantKey, "sealkv/1 data-key 2"))
	w.result("wrap of data key", seal(e.Suite, wrapKey, wrapNonce, dataKey, w.result("aad of wrap", specDataKey(rec, store, row))))

	contentKey := w.bytes("content key", codec.KeyLen)
	id := codec.BlobID(w.bytes("blob id", codec.BlobIDLen))
	chunks := w.result("subkey chunks", derive(contentKey, "sealkv/1 chunks"))
	chunkNonce := w.result("nonce of chunk", specNonce(0, true))
	w.result("key of chunks", xaes{chunks}.derived(chunkNonce))
	w.result("chunk", xaes{chunks}.Seal(nil, chunkNonce, value, w.result("aad of chunk", specChunk(store, key, id, 0))))
	return e
}

// compressed works out the fourth: a compressed value, and one that was compressed with a dictionary.
func (w *exampleWriter) compressed(store codec.StoreID, key []byte) (plain, with *codec.Envelope) {
	value := w.text("value")
	frame := w.frame("frame", value)
	plain = &codec.Envelope{Suite: 1, Flags: 1, Number: w.number("number")}
	dataKey := w.bytes("data key", codec.KeyLen)
	nonce := w.bytes("nonce", codec.NonceLen)
	compressed := w.result("compressed", frame[4:])
	subkey := w.result("subkey value", derive(dataKey, "sealkv/1 value"))
	plain.Sealed = seal(plain.Suite, subkey, nonce, compressed, w.result("aad", specSealed(plain, store, key)))
	w.result("envelope", specEnvelope(plain))

	with = &codec.Envelope{Suite: 1, Flags: 3, Number: plain.Number, Dictionary: w.number("dictionary")}
	frame = w.frame("frame with it", value)
	if frame[4]&3 != 3 || binary.LittleEndian.Uint32(frame[5:]) != with.Dictionary {
		w.err = errors.New("FORMAT.md's frame with a dictionary does not name it in 4 bytes")
	}
	again := w.result("compressed too", concat([]byte{frame[4] &^ 3}, frame[9:]))
	with.Sealed = seal(with.Suite, subkey, nonce, again, w.result("aad with it", specSealed(with, store, key)))
	w.result("envelope with it", specEnvelope(with))
	return plain, with
}

// frame is an input: a zstd frame of a value, perhaps with a dictionary of which it uses nothing.
func (w *exampleWriter) frame(label, value string) []byte {
	frame, err := hex.DecodeString(w.text(label))
	if err != nil || len(frame) < 10 {
		w.err = fmt.Errorf("FORMAT.md's %s is no frame (%v)", label, err)
		return make([]byte, 10)
	}
	d := must(zstd.NewReader(nil, zstd.WithDecoderDictRaw(70000, []byte("anything"))))
	defer d.Close()
	if got, err := d.DecodeAll(frame, nil); err != nil || string(got) != value {
		w.err = fmt.Errorf("FORMAT.md's %s is %q, not the value (%v)", label, got, err)
	}
	return frame
}

// cutKey takes tenant and namespace out of the engine key of a record.
func cutKey(key []byte) (tenant, namespace string) {
	parts := bytes.SplitN(key[1:], []byte{0}, 3)
	return string(parts[0]), string(parts[1])
}

// The examples in FORMAT.md are what FORMAT.md's rules make of their inputs, and what package
// codec makes of them too.
func TestWorkedExample(t *testing.T) {
	given := blocks(section(t, document(), "A worked example"), "")
	if len(given) != 4 {
		t.Fatalf("%d blocks in the section, not 4", len(given))
	}
	first := &exampleWriter{given: parseExample(given[0])}
	store, key, direct := first.direct()
	first.compare(t, given[0])
	second := &exampleWriter{given: parseExample(given[1])}
	content := second.content(store, key, []byte(first.given.values["value"]))
	second.compare(t, given[1])
	third := &exampleWriter{given: parseExample(given[2])}
	direct2 := third.xaes(store, key, []byte(first.given.values["value"]))
	third.compare(t, given[2])

	fourth := &exampleWriter{given: parseExample(given[3])}
	plain, with := fourth.compressed(store, key)
	fourth.compare(t, given[3])

	checkExample(t, fourth.given.values["envelope"], plain)
	checkExample(t, fourth.given.values["envelope with it"], with)
	checkExample(t, third.given.values["envelope"], direct2)
	checkExample(t, first.given.values["envelope"], direct)
	checkExample(t, second.given.values["envelope"], content)
	aads := map[string][]byte{
		first.given.values["aad"]:             direct.AppendSealAAD(nil, &store, key),
		fourth.given.values["aad"]:            plain.AppendSealAAD(nil, &store, key),
		fourth.given.values["aad with it"]:    with.AppendSealAAD(nil, &store, key),
		third.given.values["aad"]:             direct2.AppendSealAAD(nil, &store, key),
		second.given.values["aad of payload"]: content.AppendSealAAD(nil, &store, key),
	}
	for i, r := range content.Recipients {
		aads[second.given.values[fmt.Sprint("aad of wrap ", i+1)]] = content.AppendWrapAAD(nil, &store, key, r.Number)
	}
	for given, aad := range aads {
		if given != hex.EncodeToString(aad) {
			t.Errorf("package codec makes the AAD %x, the document\n%s", aad, given)
		}
	}
}

func (w *exampleWriter) compare(t *testing.T, given string) {
	t.Helper()
	if w.err != nil {
		t.Error(w.err)
	}
	if want := w.out.String(); given != want {
		t.Errorf("FORMAT.md has\n%s\nand should have\n%s", given, want)
	}
}

// checkExample parses an envelope of the document with package codec.
func checkExample(t *testing.T, envelope string, want *codec.Envelope) {
	t.Helper()
	var e codec.Envelope
	if err := e.Parse(must(hex.DecodeString(envelope))); err != nil {
		t.Fatal(err)
	}
	if got := printFields(&e); got != printFields(want) {
		t.Errorf("the document's envelope is\n%s", got)
	}
}

package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
)

// A real dataset is records of files FOLDER/product/type.jsonl.zst, with their true tenants,
// namespaces, keys and sizes. Values stay in a file of their own, so that they are in no
// engine's memory; putting a record again puts the same value.
type real struct {
	values  *os.File
	records []realRecord
	names   []space
}

type realRecord struct {
	at   int32
	size int32
	from int64 // of the value in the file
	key  []byte
}

// packReal reads the folder and writes what openReal opens.
func packReal(folder, path string) (err error) {
	files, err := filepath.Glob(filepath.Join(folder, "*", "*.jsonl.zst"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("%s has no product/type.jsonl.zst", folder)
	}
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	w := bufio.NewWriterSize(out, 1<<20)
	for _, file := range files {
		if err := packFile(w, file); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return w.Flush()
}

func packFile(w *bufio.Writer, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		return err
	}
	defer z.Close()
	for d := json.NewDecoder(z); ; {
		var line struct {
			Tenant, Product, Type, Key string
			Value                      json.RawMessage
			Base64                     string `json:"value_base64"`
		}
		if err := d.Decode(&line); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		value := []byte(line.Value)
		if value == nil {
			if value, err = base64.StdEncoding.DecodeString(line.Base64); err != nil {
				return err
			}
		}
		for _, part := range [][]byte{[]byte(line.Tenant), []byte(line.Product + "/" + line.Type), []byte(line.Key), value} {
			var n [4]byte
			binary.BigEndian.PutUint32(n[:], uint32(len(part)))
			w.Write(n[:])
			w.Write(part) // an error stays, and Flush returns it
		}
	}
}

func openReal(path string) (_ *real, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	r := &real{values: f}
	in, at := bufio.NewReaderSize(f, 1<<20), int64(0)
	next := func() (n int, err error) {
		var raw [4]byte
		_, err = io.ReadFull(in, raw[:])
		at += int64(len(raw))
		return int(binary.BigEndian.Uint32(raw[:])), err
	}
	part := func() ([]byte, error) {
		n, err := next()
		if err != nil {
			return nil, err
		}
		b := make([]byte, n)
		_, err = io.ReadFull(in, b)
		at += int64(n)
		return b, err
	}
	index := map[space]int{}
	for {
		tenant, err := part()
		if err == io.EOF {
			return r, nil
		}
		namespace, err2 := part()
		key, err3 := part()
		size, err4 := next()
		if err := errors.Join(err, err2, err3, err4); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		name := space{string(tenant), string(namespace)}
		if _, found := index[name]; !found {
			index[name] = len(r.names)
			r.names = append(r.names, name)
		}
		r.records = append(r.records, realRecord{at: int32(index[name]), size: int32(size), from: at, key: key})
		if _, err := in.Discard(size); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		at += int64(size)
	}
}

func (r *real) size() int       { return len(r.records) }
func (r *real) grows() bool     { return false }
func (r *real) spaces() []space { return r.names }

func (r *real) key(i int, room []byte) (int, []byte) {
	return int(r.records[i].at), append(room, r.records[i].key...)
}

func (r *real) missing(i int, room []byte) (int, []byte) {
	at, key := r.key(i%len(r.records), room)
	return at, append(key, "/none"...)
}

func (r *real) value(i int, _ uint32, room []byte) ([]byte, error) {
	at, rec := len(room), r.records[i]
	room = append(room, make([]byte, rec.size)...)
	_, err := r.values.ReadAt(room[at:], rec.from)
	return room, err
}

func (r *real) check(i int, value []byte) error {
	want, err := r.value(i, 0, nil)
	if err != nil {
		return err
	}
	if !bytes.Equal(want, value) {
		return fmt.Errorf("the value of record %d is another", i)
	}
	return nil
}

// canaries are taken out of the middle of long values, where no key is repeated.
func (r *real) canaries() (out [][]byte) {
	for i := 0; i < len(r.records) && len(out) < 8; i += 1 + len(r.records)/64 {
		if value, err := r.value(i, 0, nil); err == nil && len(value) > 400 {
			out = append(out, value[len(value)/2:][:48])
		}
	}
	return out
}

func (r *real) resembles(i int, value []byte) bool { return len(value) == int(r.records[i].size) }

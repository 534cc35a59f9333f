package pebble

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/sealkv/sealkv/store/engine"
)

// Pebble takes the first chunk that is not valid for the end of a MANIFEST, and one in the last
// block of the last log for the end of the log: after a crash that is what an end looks like. A
// flipped bit looks the same, and everything behind it would be dropped, tables deleted, without
// a word. verify looks behind the end first, and refuses to open if there is proof that it is
// not one. No proof follows the last edit of the MANIFEST and the last sync of the log, so a
// flip there still goes unnoticed; Close leaves nothing of worth in either.

// blockLen is the length of a block; no chunk crosses the end of one.
const blockLen = 32 << 10

// verify returns ErrCorrupt if the MANIFEST or the last log in dir is damaged.
func verify(files vfs.FS, dir string) error {
	found, err := pebble.Peek(dir, files)
	if err != nil || !found.Exists {
		return err
	}
	manifest, err := readFile(files, found.ManifestFilename)
	if err != nil {
		return err
	}
	if end := chunksEnd(manifest, 0); beginsRecord(manifest, end) {
		return fmt.Errorf("%w: the MANIFEST at %d", engine.ErrCorrupt, end)
	}
	name, number, err := lastLog(files, dir)
	if err != nil || name == "" {
		return err
	}
	log, err := readFile(files, name)
	if err != nil {
		return err
	}
	if end := chunksEnd(log, number); syncedBeyond(log, number, end) {
		return fmt.Errorf("%w: the log %s at %d", engine.ErrCorrupt, files.PathBase(name), end)
	}
	return nil
}

// beginsRecord reports whether a record begins behind end in a MANIFEST. Each is synced before
// the next is begun.
func beginsRecord(manifest []byte, end int) bool {
	for at := end + 1; at < len(manifest); at++ {
		if c, ok := parseChunk(manifest, at, 0); ok && (c.kind == 1 || c.kind == 2) {
			return true
		}
	}
	return false
}

// syncedBeyond reports whether a chunk behind end, in the same block of a log, says that more
// than that was durable when it was written. Pebble looks in the blocks that follow.
func syncedBeyond(log []byte, number uint32, end int) bool {
	for at := end + 1; at < min(len(log), end-end%blockLen+blockLen); at++ {
		if c, ok := parseChunk(log, at, number); ok && c.synced > uint64(end) {
			return true
		}
	}
	return false
}

// chunksEnd returns where the first chunk that is not valid begins, or the length of file.
func chunksEnd(file []byte, number uint32) int {
	at := 0
	for at < len(file) {
		c, ok := parseChunk(file, at, number)
		switch left := blockLen - at%blockLen; {
		case ok:
			at += c.length
		case left < headerLens[len(headerLens)-1] && strings.Trim(string(file[at:min(at+left, len(file))]), "\x00") == "":
			at += left // too short for a chunk, and filled up with zeros
		default:
			return at
		}
	}
	return min(at, len(file))
}

// A chunk is a piece of a record: checksum (4 bytes), length of the payload (2), kind (1), in
// logs the number of the log (4), in logs of the newer format how much of the log was durable
// when it was written (8), payload. Integers are little-endian.
type chunk struct {
	kind   byte
	synced uint64
	length int // with its header
}

// headerLens by format. Kinds are 1 to 4 in the format of the MANIFEST, 5 to 8 in that of older
// logs and 9 to 12 in that of newer ones; each four mean a record, its first piece, a middle
// piece, its last.
var headerLens = [3]int{7, 11, 19}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// parseChunk returns the chunk at an offset of file, if it is valid and belongs to the log.
func parseChunk(file []byte, at int, number uint32) (c chunk, ok bool) {
	block := file[at:min(len(file), at-at%blockLen+blockLen)]
	if len(block) < headerLens[0] {
		return chunk{}, false
	}
	c.kind = block[6]
	if c.kind == 0 || c.kind > 12 {
		return chunk{}, false
	}
	header := headerLens[(c.kind-1)/4]
	c.length = header + int(binary.LittleEndian.Uint16(block[4:]))
	switch {
	case len(block) < c.length, header > 7 && binary.LittleEndian.Uint32(block[7:]) != number:
		return chunk{}, false
	case header == 19:
		c.synced = binary.LittleEndian.Uint64(block[11:])
	}
	sum := crc32.Checksum(block[6:c.length], castagnoli)
	return c, (sum>>15|sum<<17)+0xa282ead8 == binary.LittleEndian.Uint32(block)
}

// lastLog returns the log with the highest number, if there is any. Its chunks carry the low 32
// bits of the number.
func lastLog(files vfs.FS, dir string) (name string, number uint32, err error) {
	names, err := files.List(dir)
	if err != nil {
		return "", 0, err
	}
	highest := uint64(0)
	for _, base := range names {
		digits, isLog := strings.CutSuffix(base, ".log")
		n, err := strconv.ParseUint(digits, 10, 64)
		if isLog && err == nil && n >= highest {
			highest, name = n, files.PathJoin(dir, base)
		}
	}
	return name, uint32(highest), nil
}

func readFile(files vfs.FS, name string) ([]byte, error) {
	f, err := files.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

package store

import (
	"sync"

	"github.com/sealkv/sealkv/codec"
)

// liveBlobs are the blobs that this process is writing or has a Reader open on. The collector
// leaves them alone, whatever the journal says.
type liveBlobs struct {
	mu  sync.Mutex
	ids map[codec.BlobID]int
}

func (l *liveBlobs) add(id codec.BlobID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ids == nil {
		l.ids = map[codec.BlobID]int{}
	}
	l.ids[id]++
}

func (l *liveBlobs) remove(id codec.BlobID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ids[id]--; l.ids[id] == 0 {
		delete(l.ids, id)
	}
}

func (l *liveBlobs) has(id codec.BlobID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ids[id] > 0
}

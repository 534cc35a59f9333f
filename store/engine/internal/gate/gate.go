// Package gate counts the calls that are inside an engine, so that Close can wait for them and
// turn away those that come later.
package gate

import "sync"

// A Gate is open until it is shut. Its zero value is open. It is safe for concurrent use.
type Gate struct {
	// mu is held shared by every call inside and, once shut, exclusively for ever.
	mu sync.RWMutex
}

// Enter lets a call in, which then calls Leave; false means that the gate is shut or about to be.
// A call that is inside may enter again: it never waits, so it cannot deadlock with Shut.
func (g *Gate) Enter() bool { return g.mu.TryRLock() }

// Leave ends a call that was let in.
func (g *Gate) Leave() { g.mu.RUnlock() }

// Shut turns new calls away and returns when none is inside. It is called once, from outside.
func (g *Gate) Shut() { g.mu.Lock() }

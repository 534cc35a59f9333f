// Package store is an embedded, multi-tenant, encrypted key-value store. Every value is sealed
// on its own, under a data key chosen by its tenant and its namespace (its data type): the scope
// policy says whether that key is the tenant's or the platform's.
//
// A [Store] is one directory, open in one process for writing, or in several for reading. A
// [Tenant] is a customer; a [Namespace] is one data type of a tenant, and what values are put into
// and got from. Handles are cheap, safe for concurrent use, and good until the store is closed.
//
// Reading and writing follow one path each. [Namespace.Put] pins the namespace's keys, seals the
// value directly into a batch of the engine, applies it and lets go of the keys. [Namespace.Get]
// pins the keys, opens the value from the engine's memory into the caller's buffer, and, if it
// is sealed under keys that are no longer the active ones, leaves a hint for the rewrapper.
package store

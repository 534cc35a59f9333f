//go:build race

package store_test

// raceEnabled says that the tests run under the race detector, which is slow and makes pools
// forget.
const raceEnabled = true

package scope

import (
	_ "embed"
	"sync"
)

//go:embed default.yaml
var defaultSource []byte

var parseDefault = sync.OnceValue(func() *Policy {
	p, err := Parse("default.yaml", defaultSource)
	if err != nil {
		panic(err) // the embedded file is ours, and a test parses it
	}
	return p
})

// Default returns the policy that is embedded in this release, the same *Policy at each call.
func Default() *Policy { return parseDefault() }

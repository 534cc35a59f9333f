package main

import (
	"encoding/binary"
	"hash/fnv"
	"math"
	"math/rand/v2"
)

// theta is the exponent of the YCSB paper (Cooper et al., 2010, section 5.1).
const theta = 0.99

// A zipfian draws ranks from 0 to n-1, rank i with a probability proportional to 1/(i+1)^theta:
// the generator of Gray et al., "Quickly Generating Billion-Record Synthetic Databases" (1994),
// which YCSB uses too.
type zipfian struct {
	n           int
	zeta        float64 // the sum of 1/i^theta for i from 1 to n
	alpha, eta  float64
	secondBound float64
}

func newZipfian(n int) *zipfian {
	z := &zipfian{n: n, alpha: 1 / (1 - theta), secondBound: 1 + math.Pow(0.5, theta)}
	for i := range n {
		z.zeta += math.Pow(float64(i+1), -theta)
	}
	z.eta = (1 - math.Pow(2/float64(n), 1-theta)) / (1 - z.secondBound/z.zeta)
	return z
}

func (z *zipfian) rank(r *rand.Rand) int {
	u := r.Float64()
	switch at := u * z.zeta; {
	case at < 1 || z.n == 1:
		return 0
	case at < z.secondBound || z.n == 2:
		return 1
	}
	return min(int(float64(z.n)*math.Pow(z.eta*u-z.eta+1, z.alpha)), z.n-1)
}

// scramble spreads ranks over all records, as YCSB does, by a hash: what is popular does not lie
// together. Some records share a rank's popularity and some have none.
func scramble(rank, n int) int {
	var raw [8]byte
	binary.LittleEndian.PutUint64(raw[:], uint64(rank))
	h := fnv.New64a()
	h.Write(raw[:])
	return int(h.Sum64() % uint64(n))
}

package main

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Ranks come as often as 1/(i+1)^0.99 says. Gray's generator is exact for the first two and close
// for the rest, so ranges of ranks are compared.
func TestZipfian(t *testing.T) {
	const n, draws = 10_000, 1_000_000
	z, r := newZipfian(n), rand.New(rand.NewPCG(1, 2))
	counts := make([]float64, n)
	for range draws {
		counts[z.rank(r)]++
	}
	sum := 0.0
	for i := range n {
		sum += math.Pow(float64(i+1), -theta)
	}
	for _, test := range []struct {
		from, to  int
		tolerance float64
	}{{0, 1, 0.02}, {1, 2, 0.02}, {0, 10, 0.06}, {0, 100, 0.03}, {10, 100, 0.05}, {100, 1000, 0.05}, {1000, n, 0.05}} {
		want, got := 0.0, 0.0
		for i := test.from; i < test.to; i++ {
			want += math.Pow(float64(i+1), -theta) / sum
			got += counts[i] / draws
		}
		if math.Abs(got-want) > test.tolerance*want {
			t.Errorf("ranks %d to %d have %.4f of the draws, want %.4f", test.from, test.to, got, want)
		}
	}
}

func TestZipfianOfFew(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := 1; n < 5; n++ {
		z, seen := newZipfian(n), map[int]bool{}
		for range 2000 {
			seen[z.rank(r)] = true
		}
		for i := range n {
			if !seen[i] {
				t.Errorf("of %d ranks, %d is never drawn", n, i)
			}
		}
		if len(seen) != n {
			t.Errorf("of %d ranks, %d are drawn", n, len(seen))
		}
	}
}

// Scrambling keeps the skew and moves the popular records apart.
func TestScramble(t *testing.T) {
	const n = 10_000
	if a, b := scramble(0, n), scramble(1, n); a == 0 && b == 1 || a < 0 || a >= n || b-a == 1 {
		t.Errorf("the first two ranks become %d and %d", a, b)
	}
	hit := map[int]bool{}
	for i := range n {
		hit[scramble(i, n)] = true
	}
	if len(hit) < n/2 {
		t.Errorf("%d of %d records are reached", len(hit), n)
	}
}

package scope

// maxEdits is how many typed letters apart two names may be for one to be taken for the other.
const maxEdits = 3

// nearest returns the candidate that the fewest edits turn name into, the first of several, or ""
// if none is within a third of the name's length and maxEdits.
func nearest(name string, candidates []string) string {
	best, limit := "", min(len(name)/3, maxEdits)
	for _, candidate := range candidates {
		if abs(len(candidate)-len(name)) > limit {
			continue
		}
		if n := edits(name, candidate); n <= limit {
			best, limit = candidate, n-1
		}
	}
	return best
}

// edits returns the Levenshtein distance of a and b in bytes: how many insertions, deletions and
// replacements turn one into the other.
func edits(a, b string) int {
	row := make([]int, len(b)+1) // row[j] is the distance of a[:i] and b[:j]
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

func abs(n int) int { return max(n, -n) }

// The list of all cases, and the sizes that most of them share.

package opstest

import (
	"slices"
	"sync"

	"netllm/ops"
)

// cases returns every case of every primitive. They are made once, and so is
// what the reference gives for each, since one test binary runs them on many
// backends. Under the race detector it is one case in nine, since what it looks
// for does not depend on sizes and views.
var cases = sync.OnceValue(func() []*opCase {
	all := allCases()
	if !underRace {
		return all
	}
	var some []*opCase
	var count [ops.NumOps]int
	for _, c := range all {
		if count[c.op]%9 == 0 {
			some = append(some, c)
		}
		count[c.op]++
	}
	return some
})

func allCases() []*opCase {
	return slices.Concat(
		elementwiseCases(),
		stridedCases(),
		inPlaceCases(),
		matMulCases(),
		rowTableCases(),
		normCases(),
		lossCases(),
		optimizerCases(),
		ropeCases(),
		attentionCases(),
		recurrentCases(),
		segmentCases(),
		nanCases(),
	)
}

// shapes are those that operations on elements and rows are tried with: one
// element, lengths round the widths of vectors, primes, all ranks, nothing, and
// one that is large enough to be shared by threads.
func shapes() [][]int {
	return [][]int{
		{1}, {3}, {8}, {15}, {16}, {17}, {64}, {101}, {1, 1}, {7, 5}, {5, 32}, {2, 3, 5}, {2, 3, 4, 33},
		{0}, {0, 5}, {large, 131},
	}
}

// large is the first dimension of the shape for threads, of which there are
// fewer variants.
const large = 257

var flags = []bool{false, true}

// flag returns the accumulate flags of the outputs in a bit set.
func flag(bits, i int) bool { return bits>>i&1 != 0 }

func accName(acc bool) string {
	if acc {
		return "add"
	}
	return "set"
}

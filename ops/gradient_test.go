// Views of one storage: which of them share memory.

package ops

import (
	"math/rand/v2"
	"testing"

	"netllm/tensor"
)

// places returns where the elements of a view are, and how often.
func places(x tensor.Tensor) map[int]int {
	at := map[int]int{}
	for i := range x.Len() {
		off := x.Offset()
		for d := x.Rank() - 1; d >= 0; d-- {
			off += i % x.Dim(d) * x.Stride(d)
			i /= x.Dim(d)
		}
		at[off]++
	}
	return at
}

// randomView cuts a view out of x, with dimensions exchanged now and then.
func randomView(rng *rand.Rand, x tensor.Tensor) tensor.Tensor {
	for d := range x.Rank() {
		from := rng.IntN(x.Dim(d))
		x = x.Slice(d, from, from+1+rng.IntN(x.Dim(d)-from))
	}
	if rng.IntN(3) == 0 {
		x = x.Transpose(rng.IntN(x.Rank()), rng.IntN(x.Rank()))
	}
	return x
}

// What is said to be disjoint is, and boxes of one tensor are told apart.
func TestDisjoint(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	told := 0
	for range 20000 {
		parent := tensor.New(tensor.F32, 4, 3, 5, 2)
		if rng.IntN(2) == 0 {
			parent = parent.Reshape(4, 15, 2)
		}
		x, y := randomView(rng, parent), randomView(rng, parent)
		shared, at := false, places(x)
		for off := range places(y) {
			shared = shared || at[off] > 0
		}
		got := disjoint(x, y)
		if got && shared {
			t.Fatalf("%v at %d and %v at %d: said to be disjoint", x, x.Offset(), y, y.Offset())
		}
		if got != disjoint(y, x) && shared {
			t.Fatalf("%v at %d and %v at %d: disjoint one way only", x, x.Offset(), y, y.Offset())
		}
		if got {
			told++
		}
		if overlapsItself(x) {
			t.Fatalf("%v at %d: said to overlap itself", x, x.Offset())
		}
	}
	if told < 5000 {
		t.Errorf("told apart: %d pairs, want thousands", told)
	}
	// As a fused product of queries, keys and values is cut, for any sizes.
	for _, s := range [][4]int{{1, 1, 4, 2}, {2, 3, 4, 2}, {2, 3, 1, 1}, {1, 5, 6, 1}, {3, 1, 2, 2}} {
		batch, seq, heads, kv := s[0], s[1], s[2], s[3]
		x := tensor.New(tensor.F32, batch, seq, heads+2*kv, 8)
		q, k, v := x.Slice(2, 0, heads), x.Slice(2, heads, heads+kv), x.Slice(2, heads+kv, heads+2*kv)
		if !disjoint(q, k) || !disjoint(q, v) || !disjoint(k, v) || !disjoint(v, q) {
			t.Errorf("queries %v, keys and values %v of one tensor: not told apart", q, k)
		}
		if disjoint(q, x) || disjoint(x, v) || disjoint(k, x.Slice(2, heads, heads+1)) {
			t.Errorf("%v and its parts: said to be disjoint", x)
		}
	}
	if x, y := tensor.New(tensor.F32, 3), tensor.New(tensor.F32, 3); !disjoint(x, y) {
		t.Error("two storages: not told apart")
	}
}

func TestOverlapsItself(t *testing.T) {
	x := tensor.New(tensor.F32, 3, 7)
	for _, test := range []struct {
		name string
		x    tensor.Tensor
		want bool
	}{
		{"whole", x, false},
		{"windows", x.Windows(2), true},
		{"windows of one", x.Windows(1), false},
		{"one window", x.Windows(7), false},
		{"windows two apart of three", x.Windows(3).Slice(1, 0, 2), true},
		{"a single window", x.Windows(3).Slice(1, 2, 3), false},
		{"transposed windows", x.Windows(2).Transpose(0, 2), true},
		{"empty windows", x.Windows(2).Slice(0, 1, 1), false},
	} {
		once := true
		for _, n := range places(test.x) {
			once = once && n == 1
		}
		if got := overlapsItself(test.x); got != test.want || got == once {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}

// Random masks and schedules: known answers.

package ops

import (
	"math"
	"testing"
)

// The answers are those of Random123, the library of the paper's authors
// (kat_vectors, philox4x32 10).
func TestPhilox(t *testing.T) {
	for _, test := range []struct {
		name    string
		counter [4]uint32
		key     [2]uint32
		want    [4]uint32
	}{
		{"zeros", [4]uint32{}, [2]uint32{}, [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{"ones", [4]uint32{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, [2]uint32{0xffffffff, 0xffffffff},
			[4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{"pi", [4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, [2]uint32{0xa4093822, 0x299f31d0},
			[4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	} {
		c, k := test.counter, test.key
		if got := philox(c[0], c[1], c[2], c[3], k[0], k[1]); got != test.want {
			t.Errorf("%s: got %08x, want %08x", test.name, got, test.want)
		}
	}
}

func TestDropoutKeepsItsShare(t *testing.T) {
	const n = 1 << 16
	for _, p := range []float32{0, 0.1, 0.5, 0.9} {
		kept := 0
		for i := range n {
			if DropoutKeeps(p, 7, 1, 2, i) {
				kept++
			}
		}
		want, deviation := float64(1-p)*n, math.Sqrt(float64(p*(1-p))*n)
		if d := math.Abs(float64(kept) - want); d > 4*deviation {
			t.Errorf("probability %v: got %d of %d kept, want %v", p, kept, n, want)
		}
	}
}

func TestSchedules(t *testing.T) {
	for _, test := range []struct {
		name      string
		got, want float32
	}{
		{"first of 4 warm-up steps", WarmUp(0, 4), 0.25},
		{"last of 4 warm-up steps", WarmUp(3, 4), 1},
		{"after the warm-up", WarmUp(100, 4), 1},
		{"no warm-up", WarmUp(0, 0), 1},
		{"cosine, start", Cosine(0, 10, 0.1), 1},
		{"cosine, middle", Cosine(5, 10, 0.1), 0.55},
		{"cosine, end", Cosine(10, 10, 0.1), 0.1},
		{"cosine, after the end", Cosine(11, 10, 0.1), 0.1},
	} {
		if d := math.Abs(float64(test.got - test.want)); d > 1e-7 {
			t.Errorf("%s: got %v, want %v", test.name, test.got, test.want)
		}
	}
}

package gpu

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"netllm/tensor"
)

// Packing by pieces of any size gives planes that hold every byte of the file once,
// in its place.
func TestPack(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for dtype, l := range layouts {
		dtype := tensor.DType(dtype)
		if l.length < 2 {
			continue
		}
		const blocks = 37
		size := dtype.BlockBytes()
		src := make([]byte, blocks*size)
		for i := range src {
			src[i] = byte(1 + rng.IntN(255))
		}
		back := make([]byte, len(src))
		for i, unit := range l.units {
			plane := bytes.Repeat([]byte{0xaa}, int(unit)*blocks)
			for from := 0; from < len(plane); {
				n := min(1+rng.IntN(100), len(plane)-from)
				l.pack(i, plane[from:from+n], src, from, int(unit), size)
				from += n
			}
			for j, value := range plane {
				k := l.source(i, j%int(unit), size)
				switch {
				case k < 0 && value != 0:
					t.Errorf("%v: byte %d of plane %d: got %#x, want padding", dtype, j, i, value)
				case k >= 0 && back[j/int(unit)*size+k] != 0:
					t.Errorf("%v: byte %d of a block is in two places", dtype, k)
				case k >= 0:
					back[j/int(unit)*size+k] = value
				}
			}
		}
		if !bytes.Equal(back, src) {
			t.Errorf("%v: the planes hold other bytes than the file", dtype)
		}
	}
}

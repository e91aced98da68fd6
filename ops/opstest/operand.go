// Cases and their operands: tensors of every layout amid memory of others.

package opstest

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"sync"

	"netllm/ops"
	"netllm/tensor"
)

// layout is how an operand lies in its storage.
type layout int

const (
	whole      layout = iota // fills its storage
	offset                   // contiguous, with memory of others before and after
	sliced                   // cut out of a larger tensor along every dimension
	transposed               // sliced, with the last two dimensions exchanged
	permuted                 // sliced, with the first and the last dimension exchanged
	heads                    // sliced, with dimensions 1 and 2 of 4 exchanged
	windows                  // overlapping windows along the last dimension
)

var layoutNames = [...]string{"whole", "offset", "sliced", "transposed", "permuted", "heads", "windows"}

func (l layout) String() string { return layoutNames[l] }

// slackBits fills the memory round an operand: a NaN that nothing computes.
const slackBits = 0x7fc0beef

// operand is one tensor of a case in host memory, with the content that it has
// before the primitive runs.
type operand struct {
	tensor  tensor.Tensor
	prepare bool // a frozen weight: it gets to the backend by Prepare
}

// newOperand lays out a 4-byte element tensor in memory full of slack.
func newOperand(dtype tensor.DType, l layout, shape ...int) *operand {
	flat := func(n int) tensor.Tensor {
		t := tensor.New(dtype, n)
		for b := t.Bytes(); len(b) > 0; b = b[4:] {
			binary.LittleEndian.PutUint32(b, slackBits)
		}
		return t
	}
	n := 1
	for _, d := range shape {
		n *= d
	}
	last := len(shape) - 1
	cut := func(dims []int) tensor.Tensor {
		outer, size := make([]int, len(dims)), 1
		for i, d := range dims {
			outer[i] = d + 2 + i
			size *= outer[i]
		}
		t := flat(size).Reshape(outer...)
		for i, d := range dims {
			t = t.Slice(i, 1+i%2, 1+i%2+d)
		}
		return t
	}
	swapped := func(i, j int) tensor.Tensor {
		dims := append([]int{}, shape...)
		dims[i], dims[j] = dims[j], dims[i]
		return cut(dims).Transpose(i, j)
	}
	switch l {
	case whole:
		return &operand{tensor: flat(n).Reshape(shape...)}
	case offset:
		return &operand{tensor: flat(n+8).Slice(0, 3, 3+n).Reshape(shape...)}
	case sliced:
		return &operand{tensor: cut(shape)}
	case transposed:
		return &operand{tensor: swapped(last-1, last)}
	case permuted:
		return &operand{tensor: swapped(0, last)}
	case heads:
		return &operand{tensor: swapped(1, 2)}
	case windows:
		dims := append([]int{}, shape[:last]...)
		dims[last-1] += shape[last] - 1
		return &operand{tensor: cut(dims).Windows(shape[last])}
	}
	panic(fmt.Sprintf("opstest: layout %d", l))
}

// set gives the operand's elements, in row order, their values.
func (o *operand) set(value func(i int) float64) *operand {
	store := o.tensor.Storage().Bytes()
	for i, off := range offsets(o.tensor) {
		word := math.Float32bits(float32(value(i)))
		if o.tensor.DType() == tensor.I32 {
			word = uint32(int32(value(i)))
		}
		binary.LittleEndian.PutUint32(store[4*off:], word)
	}
	return o
}

// setRange changes the elements from to to-1 along a dimension.
func (o *operand) setRange(dim, from, to int, value float64) {
	part := &operand{tensor: o.tensor.Slice(dim, from, to)}
	part.set(func(int) float64 { return value })
}

// offsets returns where the elements are in their storage, in row order.
func offsets(t tensor.Tensor) []int {
	offs := []int{t.Offset()}
	for d := range t.Rank() {
		next := make([]int, 0, len(offs)*t.Dim(d))
		for _, off := range offs {
			for i := range t.Dim(d) {
				next = append(next, off+i*t.Stride(d))
			}
		}
		offs = next
	}
	return offs
}

// opCase is one call of a primitive to be compared with the reference.
type opCase struct {
	name string
	op   ops.Op
	t    [9]*operand // the same operand twice is one tensor twice
	f    [8]float32
	i    [4]int64
	acc  uint16

	rng  *rand.Rand
	want func() [9]values // the outputs, by the reference
}

// newCase returns a case without operands; its numbers are drawn from its name.
func newCase(op ops.Op, format string, args ...any) *opCase {
	c := &opCase{name: op.String() + "/" + fmt.Sprintf(format, args...), op: op}
	h := fnv.New64a()
	h.Write([]byte(c.name))
	c.rng = rand.New(rand.NewPCG(h.Sum64(), 1))
	c.want = sync.OnceValue(c.compute)
	return c
}

// in returns an operand of normally distributed numbers.
func (c *opCase) in(l layout, shape ...int) *operand {
	return newOperand(tensor.F32, l, shape...).set(func(int) float64 { return c.rng.NormFloat64() })
}

// out returns an output that is to be overwritten: it holds NaN before.
func (c *opCase) out(l layout, shape ...int) *operand {
	return newOperand(tensor.F32, l, shape...)
}

// outAcc returns output i, which is added to if acc is set.
func (c *opCase) outAcc(i int, acc bool, l layout, shape ...int) *operand {
	if !acc {
		return c.out(l, shape...)
	}
	c.acc |= 1 << i
	return c.in(l, shape...)
}

// ids returns row numbers below n.
func (c *opCase) ids(l layout, n int, shape ...int) *operand {
	return newOperand(tensor.I32, l, shape...).set(func(int) float64 { return float64(c.rng.IntN(n)) })
}

// weight returns a frozen matrix of any floating-point or block type.
func (c *opCase) weight(dtype tensor.DType, shape ...int) *operand {
	w := tensor.New(dtype, shape...)
	values := make([]float32, w.Len())
	for i := range values {
		values[i] = float32(c.rng.NormFloat64())
	}
	tensor.Quantize(dtype, w.Bytes(), values)
	return &operand{tensor: w, prepare: true}
}

// outputs lists the operands that a primitive writes.
func outputs(op ops.Op) []int {
	switch op {
	case ops.OpRMSNormBackward, ops.OpSwiGLUBackward, ops.OpLSTMBackward:
		return []int{0, 1}
	case ops.OpLayerNormBackward, ops.OpAttentionBackward, ops.OpAdamW:
		return []int{0, 1, 2}
	case ops.OpAttention:
		return []int{0, 4}
	case ops.OpCrossEntropy, ops.OpSegmentMax:
		return []int{0, 3}
	}
	return []int{0}
}

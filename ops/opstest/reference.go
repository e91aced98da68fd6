// The reference backend: memory of float64 and the table of definitions.

package opstest

import (
	"encoding/binary"
	"fmt"
	"math"

	"netllm/ops"
	"netllm/tensor"
)

// Reference is the Backend that others are compared with: it computes in
// float64, one plain loop per primitive, written from the comments of
// [ops.Op] and from nothing else. It is slow and for tests alone.
//
// It panics when its caller breaks the contract in a way that a backend need not
// notice: strides, overlapping outputs, flags.
//
// Its memory holds a float64 for every element, so that a computation run
// through it, gradients included, has some 15 digits: enough for central
// differences. [Reference.Float64s] reads them.
type Reference struct{ transferred int64 }

// NewReference returns a reference backend.
func NewReference() *Reference { return &Reference{} }

// memory is the handle of the reference's storages: one word per element of
// four bytes, or per element of a prepared weight of another type.
type memory struct{ words []float64 }

// Name returns "reference (float64)".
func (r *Reference) Name() string { return "reference (float64)" }

// Alloc returns zeroed storage of a whole number of elements.
func (r *Reference) Alloc(size int) *tensor.Storage {
	return tensor.NewDevice(&memory{make([]float64, (size+3)/4)}, size)
}

// Free does nothing.
func (r *Reference) Free(*tensor.Storage) {}

// Upload copies F32 or I32 elements.
func (r *Reference) Upload(dst tensor.Tensor, src []byte) {
	r.transfer(dst, len(src))
	v := r.view(dst)
	for i := range v.len() {
		word := binary.LittleEndian.Uint32(src[4*i:])
		if dst.DType() == tensor.I32 {
			*v.at(i) = float64(int32(word))
		} else {
			*v.at(i) = float64(math.Float32frombits(word))
		}
	}
}

// Download copies F32 or I32 elements, rounded.
func (r *Reference) Download(dst []byte, src tensor.Tensor) error {
	r.transfer(src, len(dst))
	v := r.view(src)
	for i := range v.len() {
		word := math.Float32bits(float32(*v.at(i)))
		if src.DType() == tensor.I32 {
			word = uint32(int32(*v.at(i)))
		}
		binary.LittleEndian.PutUint32(dst[4*i:], word)
	}
	return nil
}

func (r *Reference) transfer(t tensor.Tensor, size int) {
	if !t.IsContiguous() || t.DType() != tensor.F32 && t.DType() != tensor.I32 {
		panic(fmt.Sprintf("opstest: Reference: transfer of %v: not contiguous elements of 4 bytes", t))
	}
	if size != 4*t.Len() {
		panic(fmt.Sprintf("opstest: Reference: transfer of %v, %d bytes, with %d bytes", t, 4*t.Len(), size))
	}
	r.transferred += int64(size)
}

// Prepare converts w to float64.
func (r *Reference) Prepare(w tensor.Tensor) (tensor.Tensor, error) {
	if !w.DType().IsFloat() {
		return tensor.Tensor{}, fmt.Errorf("opstest: Reference: a weight of type %v", w.DType())
	}
	values := make([]float32, w.Len())
	tensor.Dequantize(w.DType(), values, w.Bytes())
	m := &memory{make([]float64, len(values))}
	for i, x := range values {
		m.words[i] = float64(x)
	}
	dims := make([]int, w.Rank())
	for i := range dims {
		dims[i] = w.Dim(i)
	}
	return tensor.Of(tensor.NewDevice(m, w.DType().Bytes(w.Len())), w.DType(), dims...), nil
}

// Sync returns nil.
func (r *Reference) Sync() error { return nil }

// Counters tells how much was transferred.
func (r *Reference) Counters() ops.Counters { return ops.Counters{BytesTransferred: r.transferred} }

// Close does nothing.
func (r *Reference) Close() error { return nil }

// Float64s returns the elements of t, a tensor of this backend, in row order.
func (r *Reference) Float64s(t tensor.Tensor) []float64 {
	v := r.view(t)
	values := make([]float64, v.len())
	for i := range values {
		values[i] = *v.at(i)
	}
	return values
}

// SetFloat64 changes element i, in row order, of t.
func (r *Reference) SetFloat64(t tensor.Tensor, i int, value float64) {
	v := r.view(t)
	*v.at(i) = value
}

// view is a tensor in the reference's memory with all dimensions spelled out:
// those that it does not have come first and are 1.
type view struct {
	memory     *memory
	words      []float64 // from the first element on
	dim, step  [tensor.MaxRank]int
	contiguous bool
}

func (r *Reference) view(t tensor.Tensor) view {
	handle, base := t.Storage().Device()
	m, ok := handle.(*memory)
	if !ok {
		panic(fmt.Sprintf("opstest: Reference: %v is not in its memory", t))
	}
	v := view{memory: m, words: m.words[base/4+t.Offset():], contiguous: t.IsContiguous()}
	pad := tensor.MaxRank - t.Rank()
	for i := range v.dim {
		v.dim[i] = 1
		if i >= pad {
			v.dim[i], v.step[i] = t.Dim(i-pad), t.Stride(i-pad)
		}
	}
	return v
}

func (v *view) len() int { return v.dim[0] * v.dim[1] * v.dim[2] * v.dim[3] }

// rows is the product of all dimensions but the last.
func (v *view) rows() int { return v.dim[0] * v.dim[1] * v.dim[2] }

// at returns element i in row order.
func (v *view) at(i int) *float64 {
	if v.contiguous {
		return &v.words[i]
	}
	off := 0
	for d := tensor.MaxRank - 1; d >= 0; d-- {
		off += i % v.dim[d] * v.step[d]
		i /= v.dim[d]
	}
	return &v.words[off]
}

// el returns the element at an index.
func (v *view) el(i, j, k, l int) *float64 {
	return &v.words[i*v.step[0]+j*v.step[1]+k*v.step[2]+l*v.step[3]]
}

// row returns row r, as numbers that are not to be changed.
func (v *view) row(r int) []float64 {
	n := v.dim[3]
	values := make([]float64, n)
	for j := range values {
		values[j] = *v.at(r*n + j)
	}
	return values
}

// call is one primitive with its operands.
type call struct {
	*ops.Args
	t       [9]view
	largest [9]float64 // of what was summed up for each output
}

// has reports whether operand i is there.
func (c *call) has(i int) bool { return !c.T[i].IsZero() }

// f returns number i.
func (c *call) f(i int) float64 { return float64(c.F[i]) }

// term notes the size of something that is summed up for an element of output
// i: where terms cancel, the error of float32 is that of the terms.
func (c *call) term(i int, size float64) {
	if size = math.Abs(size); size > c.largest[i] && !math.IsInf(size, 0) {
		c.largest[i] = size
	}
}

// put sets or adds to an element of output i.
func (c *call) put(i int, p *float64, value float64) {
	c.term(i, value)
	if c.Accumulates(i) {
		c.term(i, *p)
		value += *p
	}
	*p = value
}

// Run performs one primitive.
func (r *Reference) Run(op ops.Op, args *ops.Args) { r.run(op, args) }

func (r *Reference) run(op ops.Op, args *ops.Args) *call {
	c := &call{Args: args}
	for i, t := range args.T {
		if !t.IsZero() {
			c.t[i] = r.view(t)
		}
	}
	f := references[op]
	if f == nil {
		panic(fmt.Sprintf("opstest: Reference: unknown primitive %v", op))
	}
	mustKeepRules(op, c)
	f(c)
	return c
}

// references are the primitives' definitions.
var references = [ops.NumOps]func(c *call){
	ops.OpFill:                 refFill,
	ops.OpCopy:                 refCopy,
	ops.OpAdd:                  refAdd,
	ops.OpMul:                  refMul,
	ops.OpAddRow:               refAddRow,
	ops.OpSumRows:              refSumRows,
	ops.OpMatMul:               refMatMul,
	ops.OpGather:               refGather,
	ops.OpScatterAdd:           refScatterAdd,
	ops.OpSegmentMax:           refSegmentMax,
	ops.OpSegmentMaxBackward:   refSegmentMaxBackward,
	ops.OpSegmentSoftmax:       refSegmentSoftmax,
	ops.OpRMSNorm:              refRMSNorm,
	ops.OpRMSNormBackward:      refRMSNormBackward,
	ops.OpLayerNorm:            refLayerNorm,
	ops.OpLayerNormBackward:    refLayerNormBackward,
	ops.OpRoPE:                 refRoPE,
	ops.OpAttention:            refAttention,
	ops.OpAttentionBackward:    refAttentionBackward,
	ops.OpSwiGLU:               refSwiGLU,
	ops.OpSwiGLUBackward:       refSwiGLUBackward,
	ops.OpLeakyReLU:            refLeakyReLU,
	ops.OpLeakyReLUBackward:    refLeakyReLUBackward,
	ops.OpGELU:                 refGELU,
	ops.OpGELUBackward:         refGELUBackward,
	ops.OpTanh:                 refTanh,
	ops.OpTanhBackward:         refTanhBackward,
	ops.OpLSTM:                 refLSTM,
	ops.OpLSTMBackward:         refLSTMBackward,
	ops.OpDropout:              refDropout,
	ops.OpCrossEntropy:         refCrossEntropy,
	ops.OpCrossEntropyBackward: refCrossEntropyBackward,
	ops.OpMSE:                  refMSE,
	ops.OpMSEBackward:          refMSEBackward,
	ops.OpMAE:                  refMAE,
	ops.OpMAEBackward:          refMAEBackward,
	ops.OpSumSquares:           refSumSquares,
	ops.OpClipFactor:           refClipFactor,
	ops.OpScale:                refScale,
	ops.OpAdamW:                refAdamW,
}

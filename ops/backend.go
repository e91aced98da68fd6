package ops

import (
	"fmt"

	"netllm/tensor"
)

// Backend is what one kind of hardware must do. It knows nothing of gradients
// or models. One goroutine at a time uses a Backend.
//
// Run, Upload and Download take effect in the order of the calls. Only
// Download and Sync wait; after an error (memory exhausted, device lost) the
// backend does nothing any more and both return that first error.
type Backend interface {
	// Name says which hardware this is, such as "cpu (avx512, 2 threads)".
	Name() string

	// Alloc returns storage of size zeroed bytes that this backend can
	// compute on. Free gives it back; no tensor over it may be used later.
	Alloc(size int) *tensor.Storage
	Free(s *tensor.Storage)

	// Upload copies src into the contiguous tensor dst. src may be reused
	// when Upload returns. Download copies the contiguous tensor src to dst,
	// after everything asked for before has happened.
	Upload(dst tensor.Tensor, src []byte)
	Download(dst []byte, src tensor.Tensor) error

	// Prepare returns the frozen host tensor w in the layout that this
	// hardware computes best with. The result may alias w's storage, which
	// must outlive it, and is only to be read. It is the only way in which
	// tensors of types other than F32 and I32 get to a backend. Types that
	// are not [tensor.DType.IsFloat] are an error.
	Prepare(w tensor.Tensor) (tensor.Tensor, error)

	// Run performs one primitive. The arguments are copied before it
	// returns; the result is there for later calls, not for the host.
	Run(op Op, args *Args)

	// Sync waits until everything asked for has happened.
	Sync() error

	// Counters tells what the backend had to do besides computing.
	Counters() Counters

	// Close gives back all memory and threads.
	Close() error
}

// ActivationRounder is what a [Backend] also implements if it computes some
// products x · wᵀ of [OpMatMul] with rounded activations, as integer
// instructions need them. Backends that do not implement it round nothing.
//
// A row x of T1 is taken in blocks of 32 elements from its start on, and
// x[i] replaced by d*q[i], with d = max|x|/127 of the block, in float32 or rounded to
// 11 significant bits, and q[i] the integer nearest to x[i]*127/max|x|. The product is that of the rounded row,
// computed in float32 or better. A block of zeros stays zero. Where a block
// holds a NaN or an infinity, the row's results are not finite.
type ActivationRounder interface {
	// RoundsActivations reports whether products by prepared weights of this
	// type, a block type, may do that.
	RoundsActivations(dtype tensor.DType) bool
}

// RoundsActivations reports whether b, as an [ActivationRounder], may round what
// it multiplies by weights of a type.
func RoundsActivations(b Backend, dtype tensor.DType) bool {
	r, ok := b.(ActivationRounder)
	return ok && dtype.IsBlock() && r.RoundsActivations(dtype)
}

// HalfRounder is what a [Backend] also implements if it computes some products x · wᵀ
// of [OpMatMul] by frozen weights with both operands rounded to f16, as matrix
// instructions need them.
//
// A row x of T1 is multiplied by a power of two that brings its largest magnitude
// to at least 2^9 and below 2^10, rounded to f16, and the row's results multiplied by
// the inverse. (Powers beyond 2^126 are not needed: what is smaller is
// lost.) Elements of w are rounded to f16, those of block types by at most one
// unit of their last place; beyond 65504 they become infinite. Sums are those
// of float32. A row of zeros stays zero. Where a row holds a NaN or an infinity, its
// results are not finite.
type HalfRounder interface {
	// RoundsToHalf reports whether products by prepared weights of this type
	// may do that.
	RoundsToHalf(dtype tensor.DType) bool
}

// RoundsToHalf reports whether b, as a [HalfRounder], may round both operands of
// products by weights of a type.
func RoundsToHalf(b Backend, dtype tensor.DType) bool {
	r, ok := b.(HalfRounder)
	return ok && r.RoundsToHalf(dtype)
}

// Counters count what costs time on a device without being computation.
type Counters struct {
	HostFallbacks    int64 // primitives done on the host since the device has no kernel
	BytesTransferred int64 // between host and device, both ways
}

// Args are the operands of one primitive: tensors T, numbers F and integers I,
// placed as the comment of each [Op] says. Outputs come first.
type Args struct {
	T [9]tensor.Tensor
	F [8]float32
	I [4]int64

	// Acc has bit i set if the output T[i] is added to, not overwritten.
	// Ops that allow it say so.
	Acc uint16
}

// Accumulates reports whether output i is to be added to.
func (a *Args) Accumulates(i int) bool { return a.Acc>>i&1 != 0 }

// Op is a primitive of a [Backend].
//
// Tensors are F32 unless said otherwise; "..." stands for any leading
// dimensions; "strided" operands may be any view, all others are contiguous.
// "T0+" marks an output that may accumulate (see [Args.Acc]). An output never
// overlaps an input unless said, nor another output, nor itself. Outputs written
// "(T1)" may be the zero Tensor, which means that they are not wanted. Memory
// round an output's elements is not touched; what an output holds that does not
// accumulate is not read, and may be NaN. Row numbers and targets are in range.
type Op uint8

const (
	// OpFill sets the strided T0 to F0.
	OpFill Op = iota

	// OpCopy sets or adds to the strided T0+ the strided T1 of equal shape,
	// times F0.
	OpCopy

	// OpAdd sets T0 = T1 + T2, all strided and of equal shape. T0 may be
	// T1 or T2.
	OpAdd

	// OpMul sets T0+ = T1 * T2, elementwise.
	OpMul

	// OpAddRow sets T0 [..., n] = T1 [..., n] + T2 [n]. T0 may be T1.
	OpAddRow

	// OpSumRows sets T0+ [n] to the sum of the rows of T1 [..., n].
	OpSumRows

	// OpMatMul sets T0+ [m, n] = F0 * T1 [m, k] · T2, where T2 is [k, n], or
	// [n, k] and taken transposed if I0 is 1. With three dimensions the
	// first counts independent products. T1 and T2 are strided, T0 has
	// adjacent columns. A matrix T2 may be of any [tensor.DType.IsFloat]
	// type, then contiguous. With I0 = 1 and a block type, a backend that says
	// so as an [ActivationRounder] may round T1 first, see there, and a [HalfRounder]
	// may round T1 and T2; all other products are exact but for the rounding of float32.
	OpMatMul

	// OpGather sets row i of T0 [n, d] to row T2[i] (I32 [n]) of T1
	// [rows, d], which may be of any floating-point or block type.
	OpGather

	// OpScatterAdd adds row i of T1 [n, d] to row T2[i] (I32 [n]) of
	// T0 [rows, d], in the order of i.
	OpScatterAdd

	// OpSegmentMax sets T0 [segments, d] to the largest, column by column, of the rows i of
	// T1 [n, d] whose T2[i] (I32 [n]) is the row of T0, and T3 (I32 [segments, d]) to the
	// first i that has it. Without such rows they are 0 and -1. A NaN is the largest.
	OpSegmentMax

	// OpSegmentMaxBackward gives the gradient T0+ [n, d] of x from the gradient T1
	// [segments, d] of the result, T2 and T3 those of OpSegmentMax.
	OpSegmentMaxBackward

	// OpSegmentSoftmax sets T0 [n, d] to exp(T1 [n, d]) over the sum, column by column, of
	// exp(T1) over all rows whose T2 (I32 [n]) is the same number, one below I0.
	OpSegmentSoftmax

	// OpRMSNorm sets T0 [..., n] = T2 [n] * T1 / sqrt(mean(T1²) + F0), row
	// by row.
	OpRMSNorm

	// OpRMSNormBackward gives the gradients (T0+) of x and (T1+) of the weight
	// from the gradient T2 of the result, T3 = x [..., n], T4 = weight [n], F0 =
	// eps.
	OpRMSNormBackward

	// OpLayerNorm sets T0 [..., n] = T2 * (T1-mean)/sqrt(variance + F0) + T3,
	// row by row; T2 weight, T3 bias [n].
	OpLayerNorm

	// OpLayerNormBackward gives the gradients (T0+) of x, (T1+) of the weight
	// and (T2+) of the bias from the gradient T3 of the result, T4 = x, T5 =
	// weight, F0 = eps.
	OpLayerNormBackward

	// OpRoPE rotates the head vectors of the strided T1 [batch, seq, heads,
	// d] into the strided T0+ of equal shape; positions start at I0. T2 [positions,
	// r/2, 2] holds cosine and sine of each angle; r <= d elements are
	// rotated and the others copied. I1 is the [RoPEStyle]. F0 is 1, or -1
	// to rotate backwards.
	OpRoPE

	// OpAttention computes scaled dot-product attention: T0 [batch, seq,
	// heads, d] from T1 = queries of the same shape, T2 = keys and T3 =
	// values [batch, keys, kvHeads, d], all strided with adjacent d; head h
	// uses key head h*kvHeads/heads. Query t sees keys 0 to I0+t; keys after
	// I0+seq-1 are not read. F0 is the scale. (T4) [batch, heads, seq] gets the logarithm of the softmax's
	// denominator. With a window I1 > 0 query t sees only keys from I0+t-I1+1 on, and keys
	// before I0-I1+1 are not read. With I1 = -1 every query sees all keys 0 to I0+seq-1.
	OpAttention

	// OpAttentionBackward gives the gradients (T0+), (T1+), (T2+) of
	// queries, keys and values from the gradient T3 of the result, T4 to T6 =
	// queries, keys, values, T7 = result, T8 = OpAttention's T4, and I0, I1,
	// F0 as there. T0 to T7 are strided with adjacent d. Keys that no query sees
	// have gradient zero.
	OpAttentionBackward

	// OpSwiGLU sets T0 = silu(T1) * T2, silu(x) = x/(1+exp(-x)).
	OpSwiGLU

	// OpSwiGLUBackward gives the gradients (T0+), (T1+) of both inputs from
	// the gradient T2 of the result and the inputs T3, T4.
	OpSwiGLUBackward

	// OpLeakyReLU sets T0 = T1 where positive, F0*T1 elsewhere. T0 may be T1.
	OpLeakyReLU

	// OpLeakyReLUBackward sets T0+ = T1 where T2 (the input) is positive,
	// F0*T1 elsewhere.
	OpLeakyReLUBackward

	// OpGELU sets T0 = gelu(T1), in the form of the [GELUForm] I0. T0 may be T1.
	OpGELU

	// OpGELUBackward sets T0+ = T1 * gelu'(T2), T2 the input, I0 as there.
	OpGELUBackward

	// OpTanh sets T0 = tanh(T1). T0 may be T1.
	OpTanh

	// OpTanhBackward sets T0+ = T1 * (1-T2²), T2 the result.
	OpTanhBackward

	// OpLSTM sets T0 [n, 2w], hidden values and behind them cells, to the state that
	// follows the state T2 [n, 2w], of which it reads the cells c alone: c' =
	// sigmoid(T1's second w)*c + sigmoid(first)*tanh(third), h' = sigmoid(fourth)*tanh(c')
	// for T1 [n, 4w], the gates in, forget, cell, out.
	OpLSTM

	// OpLSTMBackward gives the gradients (T0+) of the gates and (T1+) of the state
	// before, zero for its hidden half, from the gradient T2 of the result, T3 = gates, T4 =
	// state before.
	OpLSTMBackward

	// OpDropout sets T0+ = T1/(1-F0) for elements that stay and 0 for others.
	// Element i is dropped with probability F0, by the counter-based
	// generator of [DropoutKeeps] for seed I0, step I1 and call I2.
	OpDropout

	// OpCrossEntropy sets T0 [1] to the mean of -log softmax(T1)[target] over
	// the rows of T1 [n, classes] whose target T2 (I32 [n]) is not negative,
	// and T3 [n] to each row's log-sum-exp.
	OpCrossEntropy

	// OpCrossEntropyBackward gives the gradient T0+ of the logits T2 from
	// the gradient T1 [1] of the mean, with T3 = targets and T4 =
	// OpCrossEntropy's T3. It is zero in rows that the mean leaves out.
	OpCrossEntropyBackward

	// OpMSE sets T0 [1] to the mean of (T1-T2)².
	OpMSE

	// OpMSEBackward sets T0+ = F0 * T1[0] * 2/n * (T2-T3), T1 the gradient
	// of the mean.
	OpMSEBackward

	// OpMAE sets T0 [1] to the mean of |d|, d = T1-T2. With a period F0 > 0 d is T1-T2,
	// or F0 more or less than that where this is smaller in magnitude.
	OpMAE

	// OpMAEBackward sets T0+ = F0 * T1[0] * sign(d)/n, T1 the gradient of the mean, d that
	// of OpMAE from T2, T3 and the period F1; the sign of 0 is 0.
	OpMAEBackward

	// OpSumSquares sets T0+ [1] to the sum of T1².
	OpSumSquares

	// OpClipFactor sets T0 [1] = min(1, F0 / (sqrt(T1 [1]) + 1e-6)).
	OpClipFactor

	// OpScale multiplies T0 by T1 [1].
	OpScale

	// OpAdamW does one step of decoupled Adam (Loshchilov & Hutter 2019) on
	// the parameter T0 with moments T1, T2 and gradient T3. F0 = learning
	// rate, F1, F2 = betas, F3 = eps, F4 = weight decay, F5 = 1-beta1^t,
	// F6 = 1-beta2^t.
	OpAdamW

	numOps
)

var opNames = [numOps]string{
	"Fill", "Copy", "Add", "Mul", "AddRow", "SumRows", "MatMul", "Gather", "ScatterAdd",
	"SegmentMax", "SegmentMaxBackward", "SegmentSoftmax",
	"RMSNorm", "RMSNormBackward", "LayerNorm", "LayerNormBackward", "RoPE", "Attention",
	"AttentionBackward", "SwiGLU", "SwiGLUBackward", "LeakyReLU", "LeakyReLUBackward",
	"GELU", "GELUBackward", "Tanh", "TanhBackward", "LSTM", "LSTMBackward",
	"Dropout", "CrossEntropy", "CrossEntropyBackward", "MSE", "MSEBackward", "MAE", "MAEBackward", "SumSquares", "ClipFactor",
	"Scale", "AdamW",
}

// String returns the primitive's name.
func (op Op) String() string {
	if op >= numOps {
		return fmt.Sprintf("Op(%d)", uint8(op))
	}
	return opNames[op]
}

// NumOps is the number of primitives: every Op below it is defined.
const NumOps = int(numOps)

// RoPEStyle says which elements of a head vector a rotation turns together.
type RoPEStyle int64

const (
	// RoPEInterleaved turns neighbours (2j, 2j+1): the row order of GGUF
	// files for Llama.
	RoPEInterleaved RoPEStyle = iota
	// RoPEHalves turns (j, j+r/2): the row order of Hugging Face files.
	RoPEHalves
)

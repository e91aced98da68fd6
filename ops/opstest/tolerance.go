// How far results may be from the reference, in one table.

package opstest

import (
	"math"

	"netllm/ops"
)

// tolerance says how far a float32 result may be from the float64 reference:
// rel times the value wanted, plus abs times the largest number in the whole
// output or among the terms of its sums, which may cancel.
type tolerance struct{ rel, abs float64 }

// ulp is the largest relative error of one rounding to float32.
const ulp = 0x1p-24

// tolerances of all primitives. A matrix product or a sum of rows is measured by
// the sum of its terms' sizes, of which a few roundings may be lost whatever the
// order of summation (up to 9000 terms in the cases). Exponentials may be wrong
// by 2e-7, as package asm has them, and by as many roundings of their argument
// as it is large.
var tolerances = [ops.NumOps]tolerance{
	ops.OpFill:                 {},
	ops.OpCopy:                 {rel: ulp, abs: 2 * ulp}, // a product, and a sum where it accumulates
	ops.OpAdd:                  {rel: ulp},
	ops.OpMul:                  {rel: 2 * ulp, abs: ulp},
	ops.OpAddRow:               {rel: ulp},
	ops.OpSumRows:              {abs: 4 * ulp},
	ops.OpMatMul:               {abs: 6 * ulp},
	ops.OpGather:               {},
	ops.OpScatterAdd:           {abs: 1e-6},
	ops.OpSegmentMax:           {},
	ops.OpSegmentMaxBackward:   {rel: ulp},
	ops.OpSegmentSoftmax:       {rel: 2e-6, abs: 2e-6},
	ops.OpRMSNorm:              {rel: 1e-6},
	ops.OpRMSNormBackward:      {abs: 2e-6},
	ops.OpLayerNorm:            {rel: 1e-6, abs: 1e-6},
	ops.OpLayerNormBackward:    {abs: 4e-6},
	ops.OpRoPE:                 {abs: 2e-7},
	ops.OpAttention:            {abs: 5e-6},
	ops.OpAttentionBackward:    {abs: 1e-5},
	ops.OpSwiGLU:               {rel: 1e-6, abs: 1e-7},
	ops.OpSwiGLUBackward:       {rel: 1e-6, abs: 1e-6},
	ops.OpLeakyReLU:            {rel: ulp},
	ops.OpLeakyReLUBackward:    {rel: 2 * ulp, abs: ulp},
	ops.OpGELU:                 {rel: 2e-6, abs: 2e-7},
	ops.OpGELUBackward:         {rel: 2e-6, abs: 1e-6},
	ops.OpTanh:                 {rel: 1e-6},
	ops.OpTanhBackward:         {rel: 2e-6, abs: 1e-6},
	ops.OpLSTM:                 {rel: 2e-6, abs: 1e-6},
	ops.OpLSTMBackward:         {rel: 2e-6, abs: 2e-6},
	ops.OpDropout:              {rel: 4 * ulp, abs: ulp},
	ops.OpCrossEntropy:         {rel: 2e-6},
	ops.OpCrossEntropyBackward: {abs: 2e-5},
	ops.OpMSE:                  {rel: 2e-6},
	ops.OpMSEBackward:          {rel: 4 * ulp, abs: 2 * ulp},
	ops.OpMAE:                  {rel: 2e-6},
	ops.OpMAEBackward:          {rel: 4 * ulp, abs: 2 * ulp},
	ops.OpSumSquares:           {rel: 2e-6},
	ops.OpClipFactor:           {rel: 1e-6},
	ops.OpScale:                {rel: ulp},
	ops.OpAdamW:                {rel: 2e-6, abs: 1e-6},
}

// near reports whether got is as good as want; NaN and infinities must agree.
func (tol tolerance) near(got, want, largest float64) bool {
	switch {
	case math.IsNaN(want):
		return math.IsNaN(got)
	case math.IsInf(want, 0) || math.Abs(want) > math.MaxFloat32:
		return math.IsInf(got, 0) && got > 0 == (want > 0)
	}
	// The smallest normal number: below it, precision may be gone.
	return math.Abs(got-want) <= tol.rel*math.Abs(want)+tol.abs*largest+0x1p-126
}

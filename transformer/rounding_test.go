package transformer

import (
	"math"

	"netllm/ops"
	"netllm/tensor"
)

// rounding is the CPU with the inputs of products by block types rounded as
// llama.cpp does it for weights in blocks of 32: [ops.ActivationRounder]'s rule,
// and the scale kept as float16. With it, the bounds for backends that round are
// tried on one whose every step is known.
type rounding struct{ *ops.CPU }

func (rounding) RoundsActivations(tensor.DType) bool { return true }

func (b rounding) Run(op ops.Op, a *ops.Args) {
	own := *a
	if op == ops.OpMatMul && a.I[0] == 1 && a.T[2].DType().IsBlock() {
		x := a.T[1]
		y := tensor.New(tensor.F32, x.Dim(0), x.Dim(1))
		for i := range x.Dim(0) {
			for from := 0; from < x.Dim(1); from += 32 {
				var top float32
				for j := from; j < from+32; j++ {
					top = max(top, float32(math.Abs(float64(x.At(i, j)))))
				}
				d := top / 127
				kept := tensor.F16ToFloat32(tensor.Float32ToF16(d))
				for j := from; j < from+32 && top != 0; j++ {
					y.Float32s()[i*x.Dim(1)+j] = kept * float32(math.Round(float64(x.At(i, j)/d)))
				}
			}
		}
		own.T[1] = y
	}
	b.CPU.Run(op, &own)
}

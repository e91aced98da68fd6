// Which function does which primitive.

package gpu

import (
	"fmt"

	"netllm/ops"
)

// kernels are the functions that put together the dispatches of each primitive.
var kernels = [ops.NumOps]func(b *Backend, a *ops.Args){
	ops.OpFill:                 (*Backend).fill,
	ops.OpCopy:                 (*Backend).copy,
	ops.OpAdd:                  (*Backend).addition,
	ops.OpMul:                  (*Backend).mul,
	ops.OpAddRow:               (*Backend).addRow,
	ops.OpSumRows:              (*Backend).sumRows,
	ops.OpMatMul:               (*Backend).matMul,
	ops.OpGather:               (*Backend).gather,
	ops.OpScatterAdd:           (*Backend).scatterAdd,
	ops.OpSegmentMax:           (*Backend).segmentMax,
	ops.OpSegmentMaxBackward:   (*Backend).segmentMaxBackward,
	ops.OpSegmentSoftmax:       (*Backend).segmentSoftmax,
	ops.OpRMSNorm:              (*Backend).rmsNorm,
	ops.OpRMSNormBackward:      (*Backend).rmsNormBackward,
	ops.OpLayerNorm:            (*Backend).layerNorm,
	ops.OpLayerNormBackward:    (*Backend).layerNormBackward,
	ops.OpRoPE:                 (*Backend).rope,
	ops.OpAttention:            (*Backend).attention,
	ops.OpAttentionBackward:    (*Backend).attentionBackward,
	ops.OpSwiGLU:               (*Backend).swiGLU,
	ops.OpSwiGLUBackward:       (*Backend).swiGLUBackward,
	ops.OpLeakyReLU:            (*Backend).leakyReLU,
	ops.OpLeakyReLUBackward:    (*Backend).leakyReLUBackward,
	ops.OpGELU:                 (*Backend).gelu,
	ops.OpGELUBackward:         (*Backend).geluBackward,
	ops.OpTanh:                 (*Backend).tanh,
	ops.OpTanhBackward:         (*Backend).tanhBackward,
	ops.OpLSTM:                 (*Backend).lstm,
	ops.OpLSTMBackward:         (*Backend).lstmBackward,
	ops.OpDropout:              (*Backend).dropout,
	ops.OpCrossEntropy:         (*Backend).crossEntropy,
	ops.OpCrossEntropyBackward: (*Backend).crossEntropyBackward,
	ops.OpMSE:                  (*Backend).mse,
	ops.OpMSEBackward:          (*Backend).mseBackward,
	ops.OpMAE:                  (*Backend).mae,
	ops.OpMAEBackward:          (*Backend).maeBackward,
	ops.OpSumSquares:           (*Backend).sumSquares,
	ops.OpClipFactor:           (*Backend).clipFactor,
	ops.OpScale:                (*Backend).scale,
	ops.OpAdamW:                (*Backend).adamW,
}

// Run records the dispatches of one primitive.
func (b *Backend) Run(op ops.Op, a *ops.Args) {
	if int(op) >= ops.NumOps {
		panic(fmt.Sprintf("gpu: unknown primitive %v", op))
	}
	b.op, b.args = op, a
	if b.profile != nil {
		b.profile.counted = false
	}
	kernels[op](b, a)
}

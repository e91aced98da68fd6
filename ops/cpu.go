package ops

import (
	"fmt"
	"runtime"

	"netllm/ops/asm"
	"netllm/tensor"
)

// CPU is the Backend that computes on the host, with the kernels of package
// asm and a pool of threads. Its memory is the Go heap and mapped files.
//
// Results do not depend on the number of threads: work is split so that every
// element is computed by one thread, in one order.
type CPU struct {
	pool pool
	// shared is scratch space that all threads see in a two-part operation.
	shared      []float32
	activations asm.BlockActivations // of a product with many rows
	rewritten   Args                 // operands that a product brought to another form
	noRepack    bool
}

// CPUOption changes what [NewCPU] makes.
type CPUOption func(*CPU)

// NoRepack leaves prepared weights where they are, such as in a mapped file: a
// model is ready at once and takes no memory of its own, but products are
// slower. See [CPU.Prepare].
func NoRepack() CPUOption { return func(c *CPU) { c.noRepack = true } }

// NewCPU returns a backend that uses the given number of threads, or all that
// Go may use if it is 0. Close stops the threads.
func NewCPU(threads int, options ...CPUOption) *CPU {
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	c := &CPU{}
	for _, set := range options {
		set(c)
	}
	c.pool.start(threads)
	return c
}

// Name returns the kernel level and the number of threads.
func (c *CPU) Name() string {
	return fmt.Sprintf("cpu (%s, threads %d)", asm.Level(), c.Threads())
}

// Threads returns how many threads compute.
func (c *CPU) Threads() int { return len(c.pool.workers) }

// Alloc returns zeroed heap memory.
func (c *CPU) Alloc(size int) *tensor.Storage { return tensor.NewHost(size) }

// Upload copies src to dst.
func (c *CPU) Upload(dst tensor.Tensor, src []byte) { transfer(dst.Bytes(), src, dst) }

// Download copies src to dst. It never fails.
func (c *CPU) Download(dst []byte, src tensor.Tensor) error {
	if s := stripsOf(src); s != nil {
		from, to := s.rowRange(src)
		s.unpack(dst, from, to)
		return nil
	}
	transfer(dst, src.Bytes(), src)
	return nil
}

func transfer(dst, src []byte, t tensor.Tensor) {
	if len(dst) != len(src) {
		panic(fmt.Sprintf("ops: transfer of %v: %d bytes to %d", t, len(src), len(dst)))
	}
	copy(dst, src)
}

// Sync returns at once: Run computes before it returns.
func (c *CPU) Sync() error { return nil }

// Counters returns zeros: the CPU is the host.
func (c *CPU) Counters() Counters { return Counters{} }

// Close stops the threads. The backend must not be used any more.
func (c *CPU) Close() error {
	c.pool.stop()
	return nil
}

// cpuKernel is a primitive, or a part of one, as one of several threads does
// it: its share is what w.span says.
type cpuKernel func(c *CPU, a *Args, w *worker)

// Run performs one primitive.
func (c *CPU) Run(op Op, a *Args) {
	switch op {
	case OpFill:
		c.split(cpuFill, a, a.T[0].Len())
	case OpCopy:
		c.split(cpuCopy, a, a.T[0].Len())
	case OpAdd:
		c.split(cpuAdd, a, a.T[0].Len())
	case OpMul:
		c.split(cpuMul, a, a.T[0].Len())
	case OpAddRow:
		c.split(cpuAddRow, a, a.T[0].Len())
	case OpSumRows:
		c.split(cpuSumRows, a, a.T[1].Len())
	case OpMatMul:
		c.matMul(a)
	case OpGather:
		c.split(cpuGather, a, a.T[0].Len())
	case OpScatterAdd:
		c.split(cpuScatterAdd, a, a.T[1].Len())
	case OpSegmentMax:
		c.split(cpuSegmentMax, a, a.T[1].Len())
	case OpSegmentMaxBackward:
		c.split(cpuSegmentMaxBackward, a, a.T[0].Len())
	case OpSegmentSoftmax:
		c.segmentSoftmax(a)
	case OpRMSNorm:
		c.split(cpuRMSNorm, a, a.T[0].Len())
	case OpRMSNormBackward:
		c.normBackward(a, cpuRMSNormBackwardX, cpuRMSNormBackwardG, a.T[1], tensor.Tensor{}, a.T[3])
	case OpLayerNorm:
		c.split(cpuLayerNorm, a, a.T[0].Len())
	case OpLayerNormBackward:
		c.normBackward(a, cpuLayerNormBackwardX, cpuLayerNormBackwardG, a.T[1], a.T[2], a.T[4])
	case OpRoPE:
		c.split(cpuRoPE, a, a.T[0].Len())
	case OpAttention:
		c.split(cpuAttention, a, attentionCost(a.T[1], a.T[2], a.I[1]))
	case OpAttentionBackward:
		c.split(cpuAttentionBackward, a, attentionCost(a.T[4], a.T[5], a.I[1]))
	case OpSwiGLU:
		c.split(cpuSwiGLU, a, 8*a.T[0].Len())
	case OpSwiGLUBackward:
		c.split(cpuSwiGLUBackward, a, 8*a.T[2].Len())
	case OpLeakyReLU:
		c.split(cpuLeakyReLU, a, a.T[0].Len())
	case OpLeakyReLUBackward:
		c.split(cpuLeakyReLUBackward, a, a.T[0].Len())
	case OpGELU:
		c.split(cpuGELU, a, 8*a.T[0].Len())
	case OpGELUBackward:
		c.split(cpuGELUBackward, a, 8*a.T[0].Len())
	case OpTanh:
		c.split(cpuTanh, a, 8*a.T[0].Len())
	case OpTanhBackward:
		c.split(cpuTanhBackward, a, a.T[0].Len())
	case OpLSTM:
		c.split(cpuLSTM, a, 8*a.T[1].Len())
	case OpLSTMBackward:
		c.split(cpuLSTMBackward, a, 8*a.T[3].Len())
	case OpDropout:
		c.split(cpuDropout, a, 8*a.T[0].Len())
	case OpCrossEntropy:
		c.split(cpuCrossEntropyRows, a, 8*a.T[1].Len())
		cpuCrossEntropyMean(a)
	case OpCrossEntropyBackward:
		c.split(cpuCrossEntropyBackward, a, 8*a.T[0].Len())
	case OpMSE:
		cpuMSE(a)
	case OpMSEBackward:
		c.split(cpuMSEBackward, a, a.T[0].Len())
	case OpMAE:
		cpuMAE(a)
	case OpMAEBackward:
		c.split(cpuMAEBackward, a, a.T[0].Len())
	case OpSumSquares:
		cpuSumSquares(a)
	case OpClipFactor:
		cpuClipFactor(a)
	case OpScale:
		c.split(cpuScale, a, a.T[0].Len())
	case OpAdamW:
		c.split(cpuAdamW, a, 8*a.T[0].Len())
	default:
		panic(fmt.Sprintf("ops: CPU: unknown primitive %v", op))
	}
}

// splitCost is the work, in element operations, below which waking the other
// threads costs more than they save.
const splitCost = 1 << 15

// split runs a kernel on all threads, or on the caller's alone if there is
// little to do.
func (c *CPU) split(k cpuKernel, a *Args, cost int) {
	if cost < splitCost {
		c.pool.solo(k, c, a)
		return
	}
	c.pool.run(k, c, a)
}

// sharedScratch returns n floats that all threads see.
func (c *CPU) sharedScratch(n int) []float32 {
	if cap(c.shared) < n {
		c.shared = make([]float32, n)
	}
	return c.shared[:n]
}

// Products with weights in blocks that share a scale.

package ops

import (
	"netllm/ops/asm"
	"netllm/tensor"
)

// RoundsActivations implements [ActivationRounder]: products by weights of all
// block types do.
func (c *CPU) RoundsActivations(dtype tensor.DType) bool { return dtype.IsBlock() }

// blockMatMul computes x·Wᵀ with kernel k for a W of a block type. The rows of x are
// rounded to eight bits in blocks of 32, as the weights are, and multiplied as
// integers: see [OpMatMul].
func (c *CPU) blockMatMul(k cpuKernel, a *Args, cost int) {
	x := a.T[1]
	if x.Stride(-1) != 1 && x.Dim(-1) > 1 {
		x = c.contiguous(x)
	}
	b := &c.rewritten
	*b = *a
	b.T[1] = x
	if m := x.Dim(0); m > vectorRows {
		c.activations.Reset(m, x.Dim(1))
		c.split(cpuQuantizeRows, b, x.Len())
	}
	c.split(k, b, cost)
}

// vectorRows is how many rows of x are multiplied at once while the weights are
// read as they are; for more it pays to bring them to the form of larger tiles.
const vectorRows = 4

// contiguous returns a copy of the matrix x that lasts until the next one.
func (c *CPU) contiguous(x tensor.Tensor) tensor.Tensor {
	t := tensor.FromFloat32(c.sharedScratch(x.Len()), x.Dim(0), x.Dim(1))
	c.rewritten = Args{T: [9]tensor.Tensor{t, x}, F: [8]float32{1}}
	c.split(cpuCopy, &c.rewritten, x.Len())
	return t
}

func cpuQuantizeRows(c *CPU, a *Args, w *worker) {
	x := a.T[1]
	from, to := w.span(x.Dim(0), asm.BlockRows)
	if from < to {
		c.activations.Quantize(x.Float32s(), x.Stride(0), from, to)
	}
}

// backwardRows and backwardColumns are the size of the part of a weight that is
// converted to float32 at a time: half a megabyte, which stays in the cache.
const (
	backwardRows    = 512 // as deep as the blocks of a sum
	backwardColumns = 256
)

// blockBackward computes columns from to to-1 of dy·W from the exact weights.
func (p *stripProduct) blockBackward(w *worker, from, to int) {
	s, f := p.weight, blockFormats[p.weight.dtype]
	for ; from < to; from += backwardColumns {
		columns := min(backwardColumns, to-from)
		for r := 0; r < s.n; r += backwardRows {
			rows := min(backwardRows, s.n-r)
			part := w.scratch(asm.StripsLen(rows, columns))
			for i := range asm.Strips(rows) {
				strip := s.from(r + i*asm.StripRows)[:s.strip]
				asm.DequantizeStrip(f, part[i*asm.StripRows*columns:][:asm.StripRows*columns], strip, s.k, from, from+columns)
			}
			beta := p.beta
			if r > 0 {
				beta = 1
			}
			asm.GemmStripsBackward(&w.gemm, p.m, rows, columns, 0, columns, p.scale, p.a[r*p.acs:], p.ars, p.acs, part, beta, p.c[from:], p.ldc)
		}
	}
}

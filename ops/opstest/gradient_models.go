// Gradient cases: normalisations, losses, attention, and whole graphs.

package opstest

import (
	"math"

	"netllm/ops"
	"netllm/tensor"
)

func rowModels() []*gradientCase {
	norm := func(c *ops.Context, p []tensor.Tensor) tensor.Tensor { return ops.RMSNorm(c, p[0], p[1], 1e-3) }
	layerNorm := func(c *ops.Context, p []tensor.Tensor) tensor.Tensor {
		return ops.LayerNorm(c, p[0], p[1], p[2], 1e-3)
	}
	gather := func(w func(p tensor.Tensor) tensor.Tensor, shape ...int) func(c *ops.Context, x tensor.Tensor) tensor.Tensor {
		return func(c *ops.Context, x tensor.Tensor) tensor.Tensor {
			return ops.Gather(c, w(x), c.Int32s([]int32{2, 0, 2, 3, 3, 2}, shape...))
		}
	}
	itself := func(x tensor.Tensor) tensor.Tensor { return x }
	return []*gradientCase{
		many("RMSNorm", norm, []int{2, 3, 5}, []int{5}),
		many("RMSNorm of a view", func(c *ops.Context, p []tensor.Tensor) tensor.Tensor {
			return ops.RMSNorm(c, p[0].Transpose(0, 1), p[1].Slice(0, 2, 7), 1e-5)
		}, []int{5, 3}, []int{8}),
		one("RMSNorm by itself", []int{5}, func(c *ops.Context, x tensor.Tensor) tensor.Tensor { return ops.RMSNorm(c, x, x, 1e-3) }),
		many("LayerNorm", layerNorm, []int{2, 3, 5}, []int{5}, []int{5}),
		many("LayerNorm of a view", func(c *ops.Context, p []tensor.Tensor) tensor.Tensor {
			return ops.LayerNorm(c, p[0].Slice(1, 1, 6), p[1], p[2], 1e-5)
		}, []int{3, 7}, []int{5}, []int{5}),
		many("LayerNorm, weight and bias one tensor", func(c *ops.Context, p []tensor.Tensor) tensor.Tensor {
			return ops.LayerNorm(c, p[0], p[1], p[1], 1e-3)
		}, []int{3, 5}, []int{5}),
		one("Gather", []int{5, 3}, gather(itself, 6)),
		one("Gather by a matrix", []int{5, 3}, gather(itself, 2, 3)),
		one("Gather by three dimensions", []int{5, 3}, gather(itself, 1, 3, 2)),
		one("Gather from rows", []int{7, 3}, gather(func(x tensor.Tensor) tensor.Tensor { return x.Slice(0, 2, 6) }, 6)),
		one("Gather from columns", []int{5, 6}, gather(func(x tensor.Tensor) tensor.Tensor { return x.Slice(1, 2, 5) }, 6)),
		one("Gather from a transposed table", []int{3, 5}, gather(func(x tensor.Tensor) tensor.Tensor { return x.Transpose(0, 1) }, 6)),
		many("Gather twice from one table", func(c *ops.Context, p []tensor.Tensor) tensor.Tensor {
			ids := c.Int32s([]int32{0, 1, 1}, 3)
			return ops.Mul(c, ops.Gather(c, p[0], ids), ops.Gather(c, p[0], ids))
		}, []int{2, 3}),
		one("CrossEntropy", []int{4, 5}, func(c *ops.Context, x tensor.Tensor) tensor.Tensor {
			return ops.CrossEntropy(c, x, c.Int32s([]int32{4, 0, 2, 2}, 4))
		}),
		one("CrossEntropy with ignored rows", []int{2, 3, 4}, func(c *ops.Context, x tensor.Tensor) tensor.Tensor {
			return ops.CrossEntropy(c, x, c.Int32s([]int32{-1, 0, 3, -100, 1, -1}, 2, 3))
		}),
		one("CrossEntropy of a view", []int{5, 4}, func(c *ops.Context, x tensor.Tensor) tensor.Tensor {
			return ops.CrossEntropy(c, x.Transpose(0, 1), c.Int32s([]int32{0, 4, -1, 1}, 4))
		}),
	}
}

func attentionModels() []*gradientCase {
	// table is that of two frequencies.
	table := func(c *ops.Context) tensor.Tensor {
		var values []float32
		for pos := range 8 {
			for j := range 2 {
				sin, cos := math.Sincos(float64(pos) / float64(1+3*j))
				values = append(values, float32(cos), float32(sin))
			}
		}
		return c.Float32s(values, 8, 2, 2)
	}
	rope := func(style ops.RoPEStyle, pos int) func(c *ops.Context, x tensor.Tensor) tensor.Tensor {
		return func(c *ops.Context, x tensor.Tensor) tensor.Tensor { return ops.RoPE(c, x, table(c), pos, style) }
	}
	attention := func(past int) result {
		return func(c *ops.Context, p []tensor.Tensor) tensor.Tensor { return ops.Attention(c, p[0], p[1], p[2], past) }
	}
	fused := func(x tensor.Tensor) (q, k, v tensor.Tensor) { // 4 + 2 + 2 heads
		return x.Slice(2, 0, 4), x.Slice(2, 4, 6), x.Slice(2, 6, 8)
	}
	return []*gradientCase{
		one("RoPE, neighbours", []int{2, 3, 2, 4}, rope(ops.RoPEInterleaved, 1)),
		one("RoPE, halves", []int{2, 3, 2, 4}, rope(ops.RoPEHalves, 2)),
		one("RoPE of a part, neighbours", []int{1, 3, 2, 7}, rope(ops.RoPEInterleaved, 5)),
		one("RoPE of a part, halves", []int{1, 3, 2, 7}, rope(ops.RoPEHalves, 0)),
		one("RoPE of a view", []int{2, 3, 5, 4}, func(c *ops.Context, x tensor.Tensor) tensor.Tensor {
			return ops.RoPE(c, x.Slice(2, 1, 3), table(c), 0, ops.RoPEHalves)
		}),
		many("Attention", attention(0), []int{2, 3, 2, 4}, []int{2, 3, 2, 4}, []int{2, 3, 2, 4}),
		many("Attention, shared key heads", attention(0), []int{1, 3, 4, 2}, []int{1, 3, 2, 2}, []int{1, 3, 2, 2}),
		many("Attention with a past", attention(2), []int{1, 2, 2, 3}, []int{1, 5, 1, 3}, []int{1, 5, 1, 3}),
		many("Attention with a window", func(c *ops.Context, p []tensor.Tensor) tensor.Tensor {
			return ops.AttentionWindow(c, p[0], p[1], p[2], 1, 2)
		}, []int{1, 4, 2, 3}, []int{1, 5, 1, 3}, []int{1, 5, 1, 3}),
		many("Attention without a mask", func(c *ops.Context, p []tensor.Tensor) tensor.Tensor {
			return ops.AttentionAll(c, p[0], p[1], p[2])
		}, []int{2, 4, 2, 3}, []int{2, 4, 1, 3}, []int{2, 4, 1, 3}),
		many("Attention, heads before positions", func(c *ops.Context, p []tensor.Tensor) tensor.Tensor {
			return ops.Attention(c, p[0].Transpose(1, 2), p[1].Transpose(1, 2), p[2].Transpose(1, 2), 0)
		}, []int{1, 2, 3, 4}, []int{1, 2, 3, 4}, []int{1, 2, 3, 4}),
		one("Attention of one fused tensor", []int{1, 3, 8, 2}, func(c *ops.Context, x tensor.Tensor) tensor.Tensor {
			q, k, v := fused(x)
			return ops.Attention(c, q, k, v, 0)
		}),
		one("RoPE and Attention of one fused tensor", []int{1, 3, 8, 4}, func(c *ops.Context, x tensor.Tensor) tensor.Tensor {
			q, k, v := fused(x)
			angles := table(c)
			return ops.Attention(c, ops.RoPE(c, q, angles, 1, ops.RoPEHalves), ops.RoPE(c, k, angles, 1, ops.RoPEHalves), v, 0)
		}),
		one("Attention of one tensor to itself", []int{2, 3, 2, 3}, func(c *ops.Context, x tensor.Tensor) tensor.Tensor {
			return ops.Attention(c, x, x, x, 0)
		}),
		one("Attention of overlapping views", []int{1, 3, 4, 2}, func(c *ops.Context, x tensor.Tensor) tensor.Tensor {
			return ops.Attention(c, x, x.Slice(2, 0, 2), x.Slice(2, 1, 3), 0)
		}),
		many("Attention, keys and values one tensor", func(c *ops.Context, p []tensor.Tensor) tensor.Tensor {
			return ops.Attention(c, p[0], p[1], p[1], 1)
		}, []int{1, 2, 4, 2}, []int{1, 3, 2, 2}),
	}
}

// graphModels are whole computations: results used several times or not at all,
// and a layer of a language model.
func graphModels() []*gradientCase {
	return []*gradientCase{
		one("a result used three times", []int{2, 3}, func(c *ops.Context, x tensor.Tensor) tensor.Tensor {
			y := ops.Mul(c, x, x)
			return ops.Add(c, ops.Mul(c, y, x), ops.SwiGLU(c, y, y))
		}),
		many("results that nothing uses", func(c *ops.Context, p []tensor.Tensor) tensor.Tensor {
			ops.Mul(c, p[0], p[1])
			y := ops.Add(c, p[0], p[1])
			ops.Linear(c, y, p[0])
			return y
		}, []int{2, 3}, []int{2, 3}),
		many("a block", block, []int{1, 4, 8}, []int{8}, []int{16, 8}, []int{8, 8}, []int{8}, []int{12, 8}, []int{12, 8}, []int{8, 12}),
	}
}

// block is one layer of a language model: attention of 4 heads that share 2
// pairs of key and value heads, then a gated network, each after a norm and
// beside a residual connection.
func block(c *ops.Context, p []tensor.Tensor) tensor.Tensor {
	x, norm1, wqkv, wo, norm2, wgate, wup, wdown := p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7]
	seq := x.Dim(1)
	h := ops.Linear(c, ops.RMSNorm(c, x, norm1, 1e-3), wqkv).Reshape(1, seq, 8, 2)
	a := ops.Attention(c, h.Slice(2, 0, 4), h.Slice(2, 4, 6), h.Slice(2, 6, 8), 0)
	x = ops.Add(c, x, ops.Linear(c, a.Reshape(1, seq, 8), wo))
	h = ops.RMSNorm(c, x, norm2, 1e-3)
	h = ops.SwiGLU(c, ops.Linear(c, h, wgate), ops.Linear(c, h, wup))
	return ops.Add(c, x, ops.Linear(c, h, wdown))
}

// Gradient cases: elementwise operations, views, products, frozen weights.

package opstest

import (
	"slices"
	"sync"

	"netllm/ops"
	"netllm/tensor"
)

// result is what a model computes.
type result func(c *ops.Context, p []tensor.Tensor) tensor.Tensor

func one(name string, shape []int, f func(c *ops.Context, x tensor.Tensor) tensor.Tensor) *gradientCase {
	return many(name, func(c *ops.Context, p []tensor.Tensor) tensor.Tensor { return f(c, p[0]) }, shape)
}

func many(name string, f result, shapes ...[]int) *gradientCase {
	return newGradientCase(name, Model{shapes, f})
}

// models are made once, since one test binary runs them on many backends.
var models = sync.OnceValue(func() []*gradientCase {
	return slices.Concat(elementwiseModels(), viewModels(), productModels(), frozenModels(), rowModels(), attentionModels(), segmentModels(), graphModels())
})

func elementwiseModels() []*gradientCase {
	binary := func(f func(c *ops.Context, a, b tensor.Tensor) tensor.Tensor) result {
		return func(c *ops.Context, p []tensor.Tensor) tensor.Tensor { return f(c, p[0], p[1]) }
	}
	twice := func(f func(c *ops.Context, a, b tensor.Tensor) tensor.Tensor) func(c *ops.Context, x tensor.Tensor) tensor.Tensor {
		return func(c *ops.Context, x tensor.Tensor) tensor.Tensor { return f(c, x, x) }
	}
	views := func(f func(c *ops.Context, a, b tensor.Tensor) tensor.Tensor) result {
		return func(c *ops.Context, p []tensor.Tensor) tensor.Tensor {
			return f(c, p[0].Transpose(0, 1), p[1].Slice(1, 1, 4))
		}
	}
	var list []*gradientCase
	for _, op := range []struct {
		name string
		f    func(c *ops.Context, a, b tensor.Tensor) tensor.Tensor
	}{{"Add", ops.Add}, {"Mul", ops.Mul}, {"SwiGLU", ops.SwiGLU}, {"MSE", ops.MSE}} {
		list = append(list,
			many(op.name, binary(op.f), []int{2, 3}, []int{2, 3}),
			one(op.name+" of one tensor twice", []int{3, 2}, twice(op.f)),
			many(op.name+" of views", views(op.f), []int{3, 2}, []int{2, 5}),
			one(op.name+" of overlapping views", []int{4, 3}, func(c *ops.Context, x tensor.Tensor) tensor.Tensor {
				return op.f(c, x.Slice(0, 0, 3), x.Slice(0, 1, 4))
			}),
			one(op.name+" of disjoint views", []int{4, 3}, func(c *ops.Context, x tensor.Tensor) tensor.Tensor {
				return op.f(c, x.Slice(0, 0, 2), x.Slice(0, 2, 4))
			}),
		)
	}
	return append(list,
		many("AddRow", func(c *ops.Context, p []tensor.Tensor) tensor.Tensor { return ops.AddRow(c, p[0], p[1]) }, []int{2, 3, 4}, []int{4}),
		many("AddRow of views", func(c *ops.Context, p []tensor.Tensor) tensor.Tensor {
			return ops.AddRow(c, p[0].Transpose(0, 1), p[1].Slice(0, 1, 4))
		}, []int{3, 2}, []int{5}),
		one("LeakyReLU", []int{3, 5}, func(c *ops.Context, x tensor.Tensor) tensor.Tensor { return ops.LeakyReLU(c, x, 0.1) }),
		one("ReLU of a view", []int{3, 5}, func(c *ops.Context, x tensor.Tensor) tensor.Tensor {
			return ops.LeakyReLU(c, x.Slice(1, 2, 5), 0)
		}),
		one("GELU, tanh", []int{3, 5}, func(c *ops.Context, x tensor.Tensor) tensor.Tensor { return ops.GELU(c, x, ops.GELUTanh) }),
		one("GELU, erf, of a view", []int{3, 5}, func(c *ops.Context, x tensor.Tensor) tensor.Tensor {
			return ops.GELU(c, x.Slice(1, 1, 4), ops.GELUErf)
		}),
		one("Tanh", []int{3, 5}, func(c *ops.Context, x tensor.Tensor) tensor.Tensor { return ops.Tanh(c, x) }),
		one("Tanh of a view", []int{3, 5}, func(c *ops.Context, x tensor.Tensor) tensor.Tensor {
			return ops.Tanh(c, x.Slice(1, 1, 4))
		}),
		many("LSTM", func(c *ops.Context, p []tensor.Tensor) tensor.Tensor { return ops.LSTM(c, p[0], p[1]) }, []int{3, 8}, []int{3, 4}),
		many("LSTM, two steps", func(c *ops.Context, p []tensor.Tensor) tensor.Tensor {
			return ops.LSTM(c, p[0].Slice(1, 8, 16), ops.LSTM(c, p[0].Slice(1, 0, 8), p[1]))
		}, []int{2, 16}, []int{2, 4}),
		many("MAE", func(c *ops.Context, p []tensor.Tensor) tensor.Tensor { return ops.MAE(c, p[0], p[1], 0) }, []int{3, 4}, []int{3, 4}),
		many("MAE on a circle", func(c *ops.Context, p []tensor.Tensor) tensor.Tensor { return ops.MAE(c, p[0], p[1], 1.5) }, []int{3, 4}, []int{3, 4}),
		one("Dropout", []int{4, 7}, func(c *ops.Context, x tensor.Tensor) tensor.Tensor {
			c.RNG.Seed, c.RNG.Step = 11, 3
			return ops.Dropout(c, ops.Dropout(c, x, 0.4), 0.2) // two masks
		}),
		one("Dropout of a view", []int{4, 7}, func(c *ops.Context, x tensor.Tensor) tensor.Tensor {
			return ops.Dropout(c, x.Transpose(0, 1), 0.5)
		}),
	)
}

// viewModels have no operation but copies: joining, slicing, reshaping.
func viewModels() []*gradientCase {
	return []*gradientCase{
		many("CopyInto joins", func(c *ops.Context, p []tensor.Tensor) tensor.Tensor {
			joined := c.New(tensor.F32, 2, 5, 3)
			ops.CopyInto(c, joined.Slice(1, 0, 2), p[0])
			ops.CopyInto(c, joined.Slice(1, 2, 4), p[1].Transpose(0, 1).Reshape(2, 2, 3))
			ops.CopyInto(c, joined.Slice(1, 4, 5), c.Float32s(counting(0, 6), 2, 1, 3))
			return ops.Mul(c, joined, joined)
		}, []int{2, 2, 3}, []int{12, 1}),
		many("CopyInto transposes", func(c *ops.Context, p []tensor.Tensor) tensor.Tensor {
			joined := c.New(tensor.F32, 3, 4)
			ops.CopyInto(c, joined.Slice(1, 0, 2).Transpose(0, 1), p[0])
			ops.CopyInto(c, joined.Slice(1, 2, 4), p[1].Transpose(0, 1))
			return ops.Mul(c, joined, joined)
		}, []int{2, 3}, []int{2, 3}),
		one("Contiguous of a permuted view", []int{2, 3, 4}, func(c *ops.Context, x tensor.Tensor) tensor.Tensor {
			return ops.Contiguous(c, x.Transpose(0, 2))
		}),
		one("reshaped and sliced", []int{2, 12}, func(c *ops.Context, x tensor.Tensor) tensor.Tensor {
			y := x.Reshape(4, 2, 3)
			return ops.Mul(c, y.Slice(0, 1, 3), y.Slice(0, 2, 4))
		}),
		one("results are views", []int{2, 6}, func(c *ops.Context, x tensor.Tensor) tensor.Tensor {
			y := ops.LeakyReLU(c, x, 0.5).Reshape(3, 4)
			return ops.Add(c, y.Slice(1, 0, 2), y.Slice(1, 1, 3))
		}),
	}
}

func productModels() []*gradientCase {
	matMul := func(view func(a, b tensor.Tensor) (x, y tensor.Tensor)) result {
		return func(c *ops.Context, p []tensor.Tensor) tensor.Tensor {
			x, y := view(p[0], p[1])
			return ops.MatMul(c, x, y)
		}
	}
	linear := func(c *ops.Context, p []tensor.Tensor) tensor.Tensor { return ops.Linear(c, p[0], p[1]) }
	return []*gradientCase{
		many("Linear", linear, []int{3, 4}, []int{5, 4}),
		many("Linear of rank 1", linear, []int{4}, []int{5, 4}),
		many("Linear of rank 3", linear, []int{2, 3, 4}, []int{5, 4}),
		many("Linear of a transposed input", func(c *ops.Context, p []tensor.Tensor) tensor.Tensor {
			return ops.Linear(c, p[0].Transpose(0, 1), p[1])
		}, []int{4, 3}, []int{5, 4}),
		many("Linear with rows of a weight", func(c *ops.Context, p []tensor.Tensor) tensor.Tensor {
			return ops.Linear(c, p[0], p[1].Slice(0, 1, 4))
		}, []int{3, 4}, []int{5, 4}),
		many("Linear with columns of a weight", func(c *ops.Context, p []tensor.Tensor) tensor.Tensor {
			return ops.Linear(c, p[0], p[1].Slice(1, 1, 5))
		}, []int{3, 4}, []int{5, 6}),
		many("Linear with a transposed weight", func(c *ops.Context, p []tensor.Tensor) tensor.Tensor {
			return ops.Linear(c, p[0], p[1].Transpose(0, 1))
		}, []int{3, 4}, []int{4, 5}),
		one("Linear of one tensor twice", []int{3, 3}, func(c *ops.Context, x tensor.Tensor) tensor.Tensor { return ops.Linear(c, x, x) }),
		many("LinearAdd", func(c *ops.Context, p []tensor.Tensor) tensor.Tensor {
			y := ops.Linear(c, p[0], p[1])
			ops.LinearAdd(c, y, ops.Linear(c, p[0], p[2]), p[3], 0.5)
			return ops.Mul(c, y, y)
		}, []int{2, 3, 4}, []int{5, 4}, []int{2, 4}, []int{5, 2}),
		many("LinearAdd of views", func(c *ops.Context, p []tensor.Tensor) tensor.Tensor {
			y := ops.Linear(c, p[0].Transpose(0, 1), p[1])
			ops.LinearAdd(c, y, p[0].Transpose(0, 1), p[2].Transpose(0, 1), -1)
			return y
		}, []int{4, 3}, []int{5, 4}, []int{4, 5}),
		many("MatMul", matMul(func(a, b tensor.Tensor) (x, y tensor.Tensor) { return a, b }), []int{3, 4}, []int{4, 5}),
		many("MatMul, first transposed", matMul(func(a, b tensor.Tensor) (x, y tensor.Tensor) {
			return a.Transpose(0, 1), b
		}), []int{4, 3}, []int{4, 5}),
		many("MatMul, second transposed", matMul(func(a, b tensor.Tensor) (x, y tensor.Tensor) {
			return a, b.Transpose(0, 1)
		}), []int{3, 4}, []int{5, 4}),
		many("MatMul, both transposed", matMul(func(a, b tensor.Tensor) (x, y tensor.Tensor) {
			return a.Transpose(0, 1), b.Transpose(0, 1)
		}), []int{4, 3}, []int{5, 4}),
		many("MatMul of a row and a column", matMul(func(a, b tensor.Tensor) (x, y tensor.Tensor) {
			return a.Transpose(0, 1), b
		}), []int{4, 1}, []int{4, 1}),
		many("MatMul of slices", matMul(func(a, b tensor.Tensor) (x, y tensor.Tensor) {
			return a.Slice(1, 1, 5), b.Slice(1, 2, 5).Slice(0, 0, 4)
		}), []int{3, 6}, []int{5, 5}),
		one("MatMul with its own transpose", []int{3, 4}, func(c *ops.Context, x tensor.Tensor) tensor.Tensor {
			return ops.MatMul(c, x, x.Transpose(0, 1))
		}),
		many("MatMul of batches", matMul(func(a, b tensor.Tensor) (x, y tensor.Tensor) { return a, b }), []int{2, 3, 4}, []int{2, 4, 5}),
		many("MatMul of batches, second transposed", matMul(func(a, b tensor.Tensor) (x, y tensor.Tensor) {
			return a, b.Transpose(1, 2)
		}), []int{2, 3, 4}, []int{2, 5, 4}),
		many("MatMul of interleaved batches", matMul(func(a, b tensor.Tensor) (x, y tensor.Tensor) {
			return a.Transpose(0, 1), b.Transpose(0, 1).Transpose(1, 2)
		}), []int{3, 2, 4}, []int{5, 2, 4}),
		many("MatMul of batches that are last", matMul(func(a, b tensor.Tensor) (x, y tensor.Tensor) {
			return a.Transpose(0, 2), b.Transpose(0, 2)
		}), []int{4, 3, 2}, []int{5, 4, 2}),
		many("Conv1D", func(c *ops.Context, p []tensor.Tensor) tensor.Tensor { return ops.Conv1D(c, p[0], p[1], 3) }, []int{2, 6}, []int{4, 3}),
		many("Conv1D of channels", func(c *ops.Context, p []tensor.Tensor) tensor.Tensor {
			return ops.Conv1D(c, p[0], p[1], 2)
		}, []int{2, 3, 5}, []int{4, 6}),
		many("Conv1D as wide as its input", func(c *ops.Context, p []tensor.Tensor) tensor.Tensor {
			return ops.Conv1D(c, p[0], p[1], 4)
		}, []int{2, 4}, []int{3, 4}),
		many("Conv1D of a view", func(c *ops.Context, p []tensor.Tensor) tensor.Tensor {
			return ops.Conv1D(c, p[0].Transpose(1, 2), p[1], 2)
		}, []int{2, 5, 3}, []int{4, 6}),
	}
}

// frozenModels are layers whose weight is frozen, of every type.
func frozenModels() (list []*gradientCase) {
	for _, dtype := range weightTypes {
		rows, columns, rank := 64, 32, 2
		if dtype.BlockLen() > columns { // and few parameters, for the differences' sake
			rows, columns, rank = 8, dtype.BlockLen(), 1
		}
		w := newCase(ops.OpMatMul, "frozen").weight(dtype, rows, columns).tensor
		prepared := func(c *ops.Context) tensor.Tensor {
			p, err := c.Backend.Prepare(w)
			if err != nil {
				panic(err) // every backend prepares these types
			}
			return p
		}
		list = append(list,
			one("Linear, frozen "+dtype.String(), []int{2, columns}, func(c *ops.Context, x tensor.Tensor) tensor.Tensor {
				return ops.Linear(c, x, prepared(c))
			}),
			many("low-rank update of frozen "+dtype.String(), func(c *ops.Context, p []tensor.Tensor) tensor.Tensor {
				x := ops.LayerNorm(c, c.Float32s(counting(0, 2*columns), 2, columns), c.Float32s(counting(-1, columns), columns), c.Float32s(counting(0, columns), columns), 1)
				x = ops.RMSNorm(c, x, c.Float32s(counting(0, columns), columns), 1e5)
				y := ops.Linear(c, x, prepared(c))
				ops.LinearAdd(c, y, ops.Linear(c, x, p[0]), p[1], 0.25)
				return ops.Mul(c, y, y)
			}, []int{rank, columns}, []int{rows, rank}),
		)
		for _, g := range list[len(list)-2:] {
			g.frozen = dtype
		}
	}
	return list
}

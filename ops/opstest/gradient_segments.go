// Gradient cases: rows brought together by segments, as in networks on graphs.

package opstest

import (
	"netllm/ops"
	"netllm/tensor"
)

func segmentModels() []*gradientCase {
	const segments = 5 // of which one has no rows
	ids := func(c *ops.Context) tensor.Tensor { return c.Int32s([]int32{2, 0, 2, 4, 0, 2, 1}, 7) }
	var list []*gradientCase
	for _, op := range []struct {
		name string
		f    func(c *ops.Context, x, ids tensor.Tensor, segments int) tensor.Tensor
	}{{"SegmentSum", ops.SegmentSum}, {"SegmentMax", ops.SegmentMax}, {"SegmentSoftmax", ops.SegmentSoftmax}} {
		list = append(list,
			one(op.name, []int{7, 3}, func(c *ops.Context, x tensor.Tensor) tensor.Tensor {
				return op.f(c, x, ids(c), segments)
			}),
			one(op.name+" of a view", []int{4, 8}, func(c *ops.Context, x tensor.Tensor) tensor.Tensor {
				return op.f(c, x.Transpose(0, 1).Slice(0, 1, 8), ids(c), segments)
			}),
			one(op.name+" of some rows", []int{9, 3}, func(c *ops.Context, x tensor.Tensor) tensor.Tensor {
				return op.f(c, x.Slice(0, 1, 8), ids(c), segments)
			}),
			one(op.name+" of rows that are used before", []int{7, 3}, func(c *ops.Context, x tensor.Tensor) tensor.Tensor {
				y := op.f(c, ops.Mul(c, x, x), ids(c), segments)
				z := op.f(c, x, ids(c), segments)
				return ops.Mul(c, y, z)
			}),
		)
	}
	scatter := func(c *ops.Context, w, x tensor.Tensor) tensor.Tensor {
		y := ops.ScatterAdd(c, w, x, ids(c))
		return ops.Mul(c, y, y)
	}
	return append(list,
		many("ScatterAdd", func(c *ops.Context, p []tensor.Tensor) tensor.Tensor { return scatter(c, p[0], p[1]) }, []int{segments, 3}, []int{7, 3}),
		many("ScatterAdd of views", func(c *ops.Context, p []tensor.Tensor) tensor.Tensor {
			return scatter(c, p[0].Transpose(0, 1), p[1].Slice(1, 1, 4))
		}, []int{3, segments}, []int{7, 5}),
		one("ScatterAdd of a tensor to itself", []int{8, 3}, func(c *ops.Context, x tensor.Tensor) tensor.Tensor {
			return scatter(c, x.Slice(0, 0, segments), x.Slice(0, 1, 8))
		}),
		many("attention over the edges of a graph", edgeAttention, []int{5, 3}, []int{4, 3}, []int{2, 4}, []int{2, 4}),
	)
}

// edgeAttention is a layer of a graph network: each node's new value is the sum of those of the
// nodes that have an edge to it, weighted by a softmax over these edges.
func edgeAttention(c *ops.Context, p []tensor.Tensor) tensor.Tensor {
	nodes, projection, from, to := p[0], p[1], p[2], p[3]
	src, dst := c.Int32s([]int32{0, 1, 2, 3, 1, 4, 2}, 7), c.Int32s([]int32{1, 0, 1, 4, 4, 4, 0}, 7)
	h := ops.Linear(c, nodes, projection)
	scores := ops.Add(c, ops.Gather(c, ops.Linear(c, h, from), src), ops.Gather(c, ops.Linear(c, h, to), dst))
	weights := ops.SegmentSoftmax(c, ops.LeakyReLU(c, scores, 0.2), dst, 5) // [edges, heads]
	values := ops.Gather(c, h, src)                                         // [edges, 4], two columns per head
	messages := c.New(tensor.F32, 7, 4)
	for head := range 2 {
		for i := 2 * head; i < 2*head+2; i++ {
			ops.CopyInto(c, messages.Slice(1, i, i+1), ops.Mul(c, values.Slice(1, i, i+1), weights.Slice(1, head, head+1)))
		}
	}
	return ops.SegmentSum(c, messages, dst, 5)
}

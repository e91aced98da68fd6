// The graph network that Decima and NetLLM look at jobs with.

package cjs

import (
	"math/rand/v2"

	"netllm/netllm"
	"netllm/ops"
	"netllm/tensor"
)

// layers are dense layers one after the other, with an activation between them.
type layers struct {
	dense []*netllm.Dense
	act   func(c *ops.Context, x tensor.Tensor) tensor.Tensor
	last  bool // whether the activation follows the last one, too
}

// newLayers returns random layers; sizes are those of the input, of what lies between, and of the output.
func newLayers(b ops.Backend, name string, rng *rand.Rand, act func(*ops.Context, tensor.Tensor) tensor.Tensor, last bool, sizes ...int) layers {
	l := layers{act: act, last: last}
	for i, out := range sizes[1:] {
		l.dense = append(l.dense, netllm.NewDense(b, name+"."+string(rune('0'+i)), out, sizes[i], rng))
	}
	return l
}

func (l *layers) forward(c *ops.Context, x tensor.Tensor) tensor.Tensor {
	for i, d := range l.dense {
		x = d.Forward(c, x)
		if i+1 < len(l.dense) || l.last {
			x = l.act(c, x)
		}
	}
	return x
}

func (l *layers) params() (list []*ops.Param) {
	for _, d := range l.dense {
		list = append(list, d.Params()...)
	}
	return list
}

func leaky(c *ops.Context, x tensor.Tensor) tensor.Tensor { return ops.LeakyReLU(c, x, slope) }

// graphEncoder describes stages, jobs and clusters by vectors of one length. What is known of a stage is put together
// from its features and the vectors of the stages after it (Mao et al. 2019).
type graphEncoder struct {
	features, width                 int
	prep, message, update, job, all layers
}

// newDecimaEncoder returns the shape of Decima's: three layers each, 32, 16 and 16 wide.
func newDecimaEncoder(b ops.Backend, features int, rng *rand.Rand) *graphEncoder {
	of := func(name string, in int) layers { return newLayers(b, name, rng, leaky, false, in, 32, 16, embedding) }
	return &graphEncoder{features, embedding, of("node.prep", features), of("node.msg", embedding), of("node.update", embedding), of("dag", features+embedding), of("glob", embedding)}
}

// newStateEncoder returns the shape of NetLLM's: one or two layers each, with a rectifier after the last, too.
func newStateEncoder(b ops.Backend, features, width int, rng *rand.Rand) *graphEncoder {
	of := func(name string, sizes ...int) layers {
		return newLayers(b, "encoder."+name, rng, leaky, true, sizes...)
	}
	return &graphEncoder{features, width, of("prep", features, width/2, width), of("message", width, width), of("update", width, width),
		of("job", features+width, width), of("all", width, width)}
}

func (e *graphEncoder) params() (list []*ops.Param) {
	for _, l := range []*layers{&e.prep, &e.message, &e.update, &e.job, &e.all} {
		list = append(list, l.params()...)
	}
	return list
}

// encoded is what a graph encoder knows: features and vectors of nodes, of jobs, and of observations.
type encoded struct{ features, nodes, jobs, all tensor.Tensor }

// forward encodes a graph. Later results of a node replace earlier ones: they are all kept, one behind the other, and the
// place of each node's latest is known.
func (e *graphEncoder) forward(c *ops.Context, g *graph) encoded {
	x := c.Float32s(g.features, g.nodes, e.features)
	ids := func(list []int32) tensor.Tensor { return c.Int32s(list, len(list)) }
	prep := e.prep.forward(c, x)

	latest := make([]int32, g.nodes) // the place of a node's vector in h
	var h tensor.Tensor
	rows := int32(0)
	grow := func(nodes []int32, more tensor.Tensor) {
		if len(nodes) == 0 {
			return
		}
		if rows == 0 {
			h = more
		} else {
			h = stack(c, h, more)
		}
		for _, n := range nodes {
			latest[n] = rows
			rows++
		}
	}
	if len(g.alone) > 0 {
		grow(g.alone, ops.Gather(c, prep, ids(g.alone)))
	}
	if len(g.leaves) > 0 {
		grow(g.leaves, e.update.forward(c, ops.Gather(c, prep, ids(g.leaves))))
	}
	for k := len(g.levels) - 1; k >= 0; k-- {
		l := &g.levels[k]
		at := make([]int32, len(l.targets))
		for i, n := range l.targets {
			at[i] = latest[n]
		}
		message := e.message.forward(c, ops.Gather(c, h, ids(at)))
		sum := ops.SegmentSum(c, ops.Gather(c, message, ids(l.from)), ids(l.to), len(l.sources))
		grow(l.sources, ops.Add(c, ops.Gather(c, prep, ids(l.sources)), e.update.forward(c, sum)))
	}
	h = ops.Gather(c, h, ids(latest))
	jobs := ops.SegmentSum(c, e.job.forward(c, beside(c, x, h)), ids(g.jobOf), len(g.ofJob))
	all := ops.SegmentSum(c, e.all.forward(c, jobs), ids(g.ofJob), int(g.ofJob[len(g.ofJob)-1])+1)
	return encoded{x, h, jobs, all}
}

// ofStages describes nodes by all that is known of each, its job and its cluster: [n, features + 3 width].
func (e *encoded) ofStages(c *ops.Context, g *graph, nodes []int32) tensor.Tensor {
	return beside(c, ops.Gather(c, e.features, c.Int32s(nodes, len(nodes))), ops.Gather(c, e.nodes, c.Int32s(nodes, len(nodes))), e.above(c, g, nodes))
}

// ofJobs describes the jobs that nodes belong to: [n, 3 + 2 width].
func (e *encoded) ofJobs(c *ops.Context, g *graph, nodes []int32) tensor.Tensor {
	first := make([]int32, len(nodes))
	for i, n := range nodes {
		first[i] = g.firstOf[g.jobOf[n]]
	}
	features := ops.Contiguous(c, e.features.Slice(1, 0, jobPart))
	return beside(c, ops.Gather(c, features, c.Int32s(first, len(first))), e.above(c, g, nodes))
}

// above are the vectors of the jobs and of the clusters that nodes belong to: [n, 2 width].
func (e *encoded) above(c *ops.Context, g *graph, nodes []int32) tensor.Tensor {
	jobs, all := make([]int32, len(nodes)), make([]int32, len(nodes))
	for i, n := range nodes {
		jobs[i] = g.jobOf[n]
		all[i] = g.ofJob[jobs[i]]
	}
	return beside(c, ops.Gather(c, e.jobs, c.Int32s(jobs, len(jobs))), ops.Gather(c, e.all, c.Int32s(all, len(all))))
}

// stack returns the rows of a and below them those of b.
func stack(c *ops.Context, a, b tensor.Tensor) tensor.Tensor {
	out := c.New(tensor.F32, a.Dim(0)+b.Dim(0), a.Dim(1))
	ops.CopyInto(c, out.Slice(0, 0, a.Dim(0)), a)
	ops.CopyInto(c, out.Slice(0, a.Dim(0), out.Dim(0)), b)
	return out
}

// beside returns the columns of all list, from left to right.
func beside(c *ops.Context, list ...tensor.Tensor) tensor.Tensor {
	width := 0
	for _, t := range list {
		width += t.Dim(1)
	}
	out := c.New(tensor.F32, list[0].Dim(0), width)
	width = 0
	for _, t := range list {
		ops.CopyInto(c, out.Slice(1, width, width+t.Dim(1)), t)
		width += t.Dim(1)
	}
	return out
}

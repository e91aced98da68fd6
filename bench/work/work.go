// Package work holds the computations that are measured, by the benchmarks and by
// the comparison with other programs: each is set up once and then done again and
// again.
package work

import (
	"fmt"
	"math/rand/v2"

	"netllm/bench/model"
	"netllm/ops"
	"netllm/tensor"
)

// Work is a computation ready to be done.
type Work struct {
	Do    func() error
	FLOP  float64 // multiplications and additions of one Do
	Bytes float64 // of weights that one Do reads at least once
	Unit  string  // what one Do gets done besides, such as "tokens"
	Units float64 // and how many of them

	Latency bool // how long one Do takes is worth knowing at its worst, too

	close []func()
}

// Close gives back what the work holds.
func (w *Work) Close() {
	for i := len(w.close) - 1; i >= 0; i-- {
		w.close[i]()
	}
	w.close = nil
}

// random returns an F32 tensor of numbers in [-0.5, 0.5).
func random(seed uint64, shape ...int) tensor.Tensor {
	t := tensor.New(tensor.F32, shape...)
	rng := rand.New(rand.NewPCG(seed, 1))
	for i := range t.Float32s() {
		t.Float32s()[i] = rng.Float32() - 0.5
	}
	return t
}

// Product is a product of matrices: [m, k] times [k, n], or, as layers of models
// have it, times the transpose of [n, k].
type Product struct {
	M, K, N    int
	Transposed bool

	// Weights is the type of the second operand. F32 weights are used as they
	// are unless Prepared is set; all others are always prepared.
	Weights  tensor.DType
	Prepared bool
}

// New returns the product as a work on b.
func (p Product) New(b ops.Backend) (*Work, error) {
	if p.Weights != tensor.F32 && !p.Transposed {
		return nil, fmt.Errorf("work: weights of type %v must be transposed", p.Weights)
	}
	x, out := random(1, p.M, p.K), tensor.New(tensor.F32, p.M, p.N)
	rows, cols := p.K, p.N
	if p.Transposed {
		rows, cols = p.N, p.K
	}
	w, err := model.Random(p.Weights, 2, 1, rows, cols)
	if err != nil {
		return nil, err
	}
	bytes := float64(p.Weights.Bytes(p.K * p.N))
	if p.Prepared || p.Weights != tensor.F32 {
		if w, err = b.Prepare(w); err != nil {
			return nil, err
		}
	}
	args := &ops.Args{T: [9]tensor.Tensor{out, x, w}, F: [8]float32{1}}
	if p.Transposed {
		args.I[0] = 1
	}
	return &Work{
		Do: func() error {
			b.Run(ops.OpMatMul, args)
			return b.Sync()
		},
		FLOP: 2 * float64(p.M) * float64(p.K) * float64(p.N), Bytes: bytes,
	}, nil
}

// Attention is causal attention of seq new tokens after past others.
type Attention struct {
	Batch, Seq, Past, Heads, KVHeads, HeadDim int
	Backward                                  bool
}

// New returns the attention as a work on b. With Backward one Do is forward and
// backward together, to queries, keys and values.
func (a Attention) New(b ops.Backend) (*Work, error) {
	c := ops.NewContext(b)
	param := func(seed uint64, shape ...int) *ops.Param {
		p := ops.NewParam(b, fmt.Sprint("p", seed), shape...)
		b.Upload(p.Value, random(seed, shape...).Bytes())
		return p
	}
	q := param(1, a.Batch, a.Seq, a.Heads, a.HeadDim)
	k := param(2, a.Batch, a.Past+a.Seq, a.KVHeads, a.HeadDim)
	v := param(3, a.Batch, a.Past+a.Seq, a.KVHeads, a.HeadDim)
	target := param(4, a.Batch, a.Seq, a.Heads, a.HeadDim)
	// Query t sees Past+t+1 keys: a product with each, and one with its value.
	pairs := float64(a.Batch*a.Heads) * float64(a.Seq) * (float64(a.Past) + float64(a.Seq+1)/2)
	flop := 4 * pairs * float64(a.HeadDim)
	bytes := 2 * 4 * float64(a.Batch*(a.Past+a.Seq)*a.KVHeads*a.HeadDim)
	if !a.Backward {
		return &Work{FLOP: flop, Bytes: bytes, Do: func() error {
			c.Reset()
			ops.Attention(c, q.Value, k.Value, v.Value, a.Past)
			return b.Sync()
		}}, nil
	}
	c.Tape = ops.NewTape()
	trained := []*ops.Param{q, k, v}
	return &Work{FLOP: 3.5 * flop, Bytes: bytes, Do: func() error { // backward: five products to the two of forward
		c.Reset()
		c.Tape.Watch(trained...)
		c.Tape.Backward(c, ops.MSE(c, ops.Attention(c, q.Value, k.Value, v.Value, a.Past), target.Value))
		ops.ZeroGrad(c, trained)
		return b.Sync()
	}}, nil
}

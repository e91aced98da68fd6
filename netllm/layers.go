package netllm

import (
	"math"
	"math/rand/v2"
	"unsafe"

	"netllm/ops"
	"netllm/tensor"
)

// Dense is a trained layer y = x · Wᵀ + b.
type Dense struct {
	Weight *ops.Param // [out, in]
	Bias   *ops.Param // [out]
}

// NewDense returns a layer with weights and biases uniform in +-1/sqrt(in), as
// PyTorch initialises one.
func NewDense(b ops.Backend, name string, out, in int, rng *rand.Rand) *Dense {
	bound := 1 / math.Sqrt(float64(in))
	return &Dense{
		Weight: uniform(b, name+".weight", bound, rng, out, in),
		Bias:   uniform(b, name+".bias", bound, rng, out),
	}
}

// Forward returns x · Wᵀ + b for x [..., in]: [..., out].
func (d *Dense) Forward(c *ops.Context, x tensor.Tensor) tensor.Tensor {
	c.Label(d.Weight.Name)
	return ops.AddRow(c, ops.Linear(c, x, d.Weight.Value), d.Bias.Value)
}

// Params returns weight and bias.
func (d *Dense) Params() []*ops.Param { return []*ops.Param{d.Weight, d.Bias} }

// Conv1D is a trained one-dimensional convolution over one channel, stride 1,
// without padding.
type Conv1D struct {
	Weight *ops.Param // [out, width]
	Bias   *ops.Param // [out]
}

// NewConv1D returns a layer initialised as [NewDense] does.
func NewConv1D(b ops.Backend, name string, out, width int, rng *rand.Rand) *Conv1D {
	d := NewDense(b, name, out, width, rng)
	return &Conv1D{Weight: d.Weight, Bias: d.Bias}
}

// Forward returns [batch, length-width+1, out] for x [batch, length].
func (v *Conv1D) Forward(c *ops.Context, x tensor.Tensor) tensor.Tensor {
	c.Label(v.Weight.Name)
	return ops.AddRow(c, ops.Conv1D(c, x, v.Weight.Value, v.Weight.Value.Dim(1)), v.Bias.Value)
}

// Params returns weight and bias.
func (v *Conv1D) Params() []*ops.Param { return []*ops.Param{v.Weight, v.Bias} }

// LayerNorm is a trained normalisation of rows.
type LayerNorm struct {
	Weight *ops.Param // [width]
	Bias   *ops.Param // [width]
}

const layerNormEps = 1e-5 // PyTorch's

// NewLayerNorm returns a layer with weights one and biases zero.
func NewLayerNorm(b ops.Backend, name string, width int) *LayerNorm {
	n := &LayerNorm{Weight: ops.NewParam(b, name+".weight", width), Bias: ops.NewParam(b, name+".bias", width)}
	ones := make([]float32, width)
	for i := range ones {
		ones[i] = 1
	}
	upload(b, n.Weight, ones)
	return n
}

// Forward normalises x [..., width].
func (n *LayerNorm) Forward(c *ops.Context, x tensor.Tensor) tensor.Tensor {
	c.Label(n.Weight.Name)
	return ops.LayerNorm(c, x, n.Weight.Value, n.Bias.Value, layerNormEps)
}

// Params returns weight and bias.
func (n *LayerNorm) Params() []*ops.Param { return []*ops.Param{n.Weight, n.Bias} }

// Table is a trained vector per index.
type Table struct {
	Weight *ops.Param // [rows, width]
}

// NewTable returns a table of standard normal numbers, as PyTorch initialises
// an embedding.
func NewTable(b ops.Backend, name string, rows, width int, rng *rand.Rand) *Table {
	p := ops.NewParam(b, name+".weight", rows, width)
	values := make([]float32, rows*width)
	for i := range values {
		values[i] = float32(rng.NormFloat64())
	}
	upload(b, p, values)
	return &Table{Weight: p}
}

// Forward returns the rows that ids (I32) name.
func (t *Table) Forward(c *ops.Context, ids tensor.Tensor) tensor.Tensor {
	c.Label(t.Weight.Name)
	return ops.Gather(c, t.Weight.Value, ids)
}

// Params returns the table.
func (t *Table) Params() []*ops.Param { return []*ops.Param{t.Weight} }

func uniform(b ops.Backend, name string, bound float64, rng *rand.Rand, shape ...int) *ops.Param {
	p := ops.NewParam(b, name, shape...)
	values := make([]float32, p.Value.Len())
	for i := range values {
		values[i] = float32((2*rng.Float64() - 1) * bound)
	}
	upload(b, p, values)
	return p
}

func upload(b ops.Backend, p *ops.Param, values []float32) {
	b.Upload(p.Value, unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), 4*len(values)))
}

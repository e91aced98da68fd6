package transformer

import (
	"fmt"
	"math"
	"math/rand/v2"

	"netllm/ops"
	"netllm/tensor"
)

// LoRA is a set of low-rank matrices beside linear layers (Hu et al. 2021):
// y = x·Wᵀ + (alpha/rank) (x·Aᵀ)·Bᵀ with A [rank, in] and B [out, rank].
type LoRA struct {
	Config LoRAConfig
	pairs  []*loraPair
	shape  *Config // of the model, if it says
}

// loraPair is A and B of one layer. The rows of B stand in the order of the
// layer's own rows.
type loraPair struct {
	layer   LinearInfo
	a, b    *ops.Param
	scale   float32
	dropout float32
}

// newPair returns matrices of zeros for a layer.
func newPair(b ops.Backend, layer LinearInfo, rank int, scale float64, dropout float32) *loraPair {
	return &loraPair{
		layer: layer, scale: float32(scale), dropout: dropout,
		a: ops.NewParam(b, layer.Name+loraA, rank, layer.In),
		b: ops.NewParam(b, layer.Name+loraB, layer.Out, rank),
	}
}

// shapeOf returns the shape of the model behind body, or nil if it does not say.
func shapeOf(body Adaptable) *Config {
	m, ok := body.(interface{ Shape() Config })
	if !ok {
		return nil
	}
	shape := m.Shape()
	return &shape
}

// NewLoRA returns matrices for every layer of body that a target names, in
// b's memory: A uniform in +-1/sqrt(in) (Kaiming's bound with slope sqrt 5, as
// PyTorch initialises a linear layer) drawn from seed, B zero. It fails if a
// target names no layer.
func NewLoRA(b ops.Backend, body Adaptable, config LoRAConfig, seed uint64) (*LoRA, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	layers := body.Linears()
	used := map[string]bool{}
	for _, info := range layers {
		used[matchTarget(info.Name, config.Targets)] = true
	}
	for _, t := range config.Targets {
		if !used[t] {
			return nil, unknownTarget(t)
		}
	}
	l := &LoRA{Config: config, shape: shapeOf(body)}
	rng := rand.New(rand.NewPCG(seed, 0x4c6f5241)) // the stream is LoRA's own
	for _, info := range layers {
		if matchTarget(info.Name, config.Targets) == "" {
			continue
		}
		rank, scale := config.sizes(info.Name)
		p := newPair(b, info, rank, scale, config.Dropout)
		bound := 1 / math.Sqrt(float64(info.In))
		values := make([]float32, rank*info.In)
		for i := range values {
			values[i] = float32((2*rng.Float64() - 1) * bound)
		}
		b.Upload(p.a.Value, floatBytes(values))
		l.pairs = append(l.pairs, p)
	}
	return l, nil
}

// Params returns all A and B, layer by layer.
func (l *LoRA) Params() []*ops.Param {
	var params []*ops.Param
	for _, p := range l.pairs {
		params = append(params, p.a, p.b)
	}
	return params
}

// Free gives the matrices back to b, which they were made in. Bodies that they are beside cannot be used any more; the body
// that those were made of can.
func (l *LoRA) Free(b ops.Backend) { ops.FreeParams(b, l.Params()) }

// add adds the update for x to y.
func (p *loraPair) add(c *ops.Context, y, x tensor.Tensor) {
	h := ops.Linear(c, ops.Dropout(c, x, p.dropout), p.a.Value)
	ops.LinearAdd(c, y, h, p.b.Value, p.scale)
}

// Linears describes all linear layers of a model of this shape, in order. RowHeads
// and RopeDim are those of matrices whose rows stand otherwise in GGUF files than
// in Hugging Face's. f must be valid.
func (f Config) Linears() []LinearInfo {
	var infos []LinearInfo
	for _, s := range slots(newNetwork(f)) {
		if s.linear == nil || len(s.Shape) != 2 {
			continue
		}
		info := LinearInfo{Name: s.linear.name, GGUF: s.linear.gguf, Out: s.Shape[0], In: s.Shape[1], RowHeads: s.RowHeads}
		if info.RowHeads > 0 {
			info.RopeDim = s.RopeDim
		}
		infos = append(infos, info)
	}
	return infos
}

// Linears implements [Adaptable].
func (m *decoder) Linears() []LinearInfo {
	var infos []LinearInfo
	for _, l := range linears(m.net) {
		info := LinearInfo{Name: l.name, GGUF: l.gguf, Out: l.weight.Dim(0), In: l.weight.Dim(1), RowHeads: l.heads}
		if l.heads > 0 {
			info.RopeDim = m.net.base().RopeDim
		}
		infos = append(infos, info)
	}
	return infos
}

// WithLoRA implements [Adaptable].
func (m *decoder) WithLoRA(l *LoRA) (Adaptable, error) {
	adapted := *m
	adapted.net = clone(m.net)
	layers := map[string]*linear{}
	for _, layer := range linears(adapted.net) {
		layers[layer.name] = layer
	}
	for _, p := range l.pairs {
		layer := layers[p.layer.Name]
		if layer == nil {
			return nil, fmt.Errorf("lora: the model has no linear layer %q", p.layer.Name)
		}
		if out, in := layer.weight.Dim(0), layer.weight.Dim(1); p.layer.Out != out || p.layer.In != in {
			return nil, fmt.Errorf("lora: layer %q: adapter for [%d %d], model has [%d %d]", p.layer.Name, p.layer.Out, p.layer.In, out, in)
		}
		layer.lora = p
	}
	return &adapted, nil
}

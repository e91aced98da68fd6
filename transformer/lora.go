package transformer

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"netllm/ops"
	"netllm/tensor"
)

// LoRAConfig says where low-rank matrices go and how large they are.
type LoRAConfig struct {
	Rank    int      `json:"rank"`
	Alpha   float64  `json:"alpha"`   // the update is scaled by Alpha/Rank
	Dropout float32  `json:"dropout"` // probability, on the update's input, in training
	Targets []string `json:"targets"` // layer names, whole or their last parts, such as "q_proj"
}

// Validate reports every field that makes no adapter.
func (f LoRAConfig) Validate() error {
	var errs []error
	if f.Rank <= 0 {
		errs = append(errs, fmt.Errorf("lora: rank is %d", f.Rank))
	}
	if !(f.Alpha > 0) || math.IsInf(f.Alpha, 0) {
		errs = append(errs, fmt.Errorf("lora: alpha is %v", f.Alpha))
	}
	if !(f.Dropout >= 0 && f.Dropout < 1) {
		errs = append(errs, fmt.Errorf("lora: dropout is %v", f.Dropout))
	}
	if len(f.Targets) == 0 {
		errs = append(errs, errors.New("lora: no target layers"))
	}
	return errors.Join(errs...)
}

// LoRA is a set of low-rank matrices beside linear layers (Hu et al. 2021):
// y = x·Wᵀ + (alpha/rank) (x·Aᵀ)·Bᵀ with A [rank, in] and B [out, rank].
type LoRA struct {
	Config LoRAConfig
	pairs  []*loraPair
}

// loraPair is A and B of one layer. The rows of B stand in the order of the
// layer's own rows.
type loraPair struct {
	layer   LinearInfo
	a, b    *ops.Param
	scale   float32
	dropout float32
}

// NewLoRA returns matrices for every layer of body that a target names, in
// b's memory: A uniform in +-1/sqrt(in) (Kaiming's bound with slope sqrt 5, as
// PyTorch initialises a linear layer) drawn from seed, B zero. It fails if a
// target names no layer.
func NewLoRA(b ops.Backend, body Adaptable, config LoRAConfig, seed uint64) (*LoRA, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	l := &LoRA{Config: config}
	used := map[string]bool{}
	rng := rand.New(rand.NewPCG(seed, 0x4c6f5241)) // the stream is LoRA's own
	for _, info := range body.Linears() {
		target := matchTarget(info.Name, config.Targets)
		if target == "" {
			continue
		}
		used[target] = true
		p := &loraPair{
			layer: info, dropout: config.Dropout,
			scale: float32(config.Alpha / float64(config.Rank)),
			a:     ops.NewParam(b, info.Name+".lora_A.weight", config.Rank, info.In),
			b:     ops.NewParam(b, info.Name+".lora_B.weight", info.Out, config.Rank),
		}
		bound := 1 / math.Sqrt(float64(info.In))
		values := make([]float32, config.Rank*info.In)
		for i := range values {
			values[i] = float32((2*rng.Float64() - 1) * bound)
		}
		b.Upload(p.a.Value, floatBytes(values))
		l.pairs = append(l.pairs, p)
	}
	for _, t := range config.Targets {
		if !used[t] {
			return nil, fmt.Errorf("lora: the model has no linear layer %q", t)
		}
	}
	return l, nil
}

// MatchesTarget reports whether one of the targets names the layer: in full, or
// by its last dotted parts.
func MatchesTarget(layer string, targets []string) bool { return matchTarget(layer, targets) != "" }

// matchTarget returns the target that names the layer: in full, or by its last
// dotted parts.
func matchTarget(layer string, targets []string) string {
	i := slices.IndexFunc(targets, func(t string) bool { return layer == t || strings.HasSuffix(layer, "."+t) })
	if i < 0 {
		return ""
	}
	return targets[i]
}

// Params returns all A and B, layer by layer.
func (l *LoRA) Params() []*ops.Param {
	var params []*ops.Param
	for _, p := range l.pairs {
		params = append(params, p.a, p.b)
	}
	return params
}

// add adds the update for x to y.
func (p *loraPair) add(c *ops.Context, y, x tensor.Tensor) {
	h := ops.Linear(c, ops.Dropout(c, x, p.dropout), p.a.Value)
	ops.LinearAdd(c, y, h, p.b.Value, p.scale)
}

// Linears implements [Adaptable].
func (m *Llama) Linears() []LinearInfo {
	var infos []LinearInfo
	for i := range m.Blocks {
		b := &m.Blocks[i]
		for _, l := range b.linears() {
			info := LinearInfo{Name: l.Name, Out: l.Weight.Dim(0), In: l.Weight.Dim(1)}
			if m.Style == ops.RoPEInterleaved {
				info.RowHeads, info.RopeDim = m.rowHeads(l), m.Config.RopeDim
			}
			infos = append(infos, info)
		}
	}
	return infos
}

func (b *LlamaBlock) linears() []*Linear {
	return []*Linear{&b.Q, &b.K, &b.V, &b.O, &b.Gate, &b.Up, &b.Down}
}

// WithLoRA implements [Adaptable].
func (m *Llama) WithLoRA(l *LoRA) (Adaptable, error) {
	adapted := *m
	adapted.Blocks = slices.Clone(m.Blocks)
	layers := map[string]*Linear{}
	for i := range adapted.Blocks {
		for _, layer := range adapted.Blocks[i].linears() {
			layers[layer.Name] = layer
		}
	}
	for _, p := range l.pairs {
		layer := layers[p.layer.Name]
		if layer == nil {
			return nil, fmt.Errorf("lora: the model has no linear layer %q", p.layer.Name)
		}
		if out, in := layer.Weight.Dim(0), layer.Weight.Dim(1); p.layer.Out != out || p.layer.In != in {
			return nil, fmt.Errorf("lora: layer %q: adapter for [%d %d], model has [%d %d]", p.layer.Name, p.layer.Out, p.layer.In, out, in)
		}
		layer.lora = p
	}
	return &adapted, nil
}

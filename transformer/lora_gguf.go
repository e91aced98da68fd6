// Adapters in GGUF files, as llama.cpp has them: general.type "adapter",
// adapter.type "lora", and for a matrix "blk.0.attn_q.weight" the tensors
// "blk.0.attn_q.weight.lora_a" [rank, in] and ".lora_b" [out, rank]. Rows of B
// stand as those of the matrix do in GGUF files.
//
// There is one alpha for all layers, and the scale is always alpha/rank, rank
// being the matrices' own; alpha 0 stands for a scale of 1. So the alpha of a
// rank-stabilised adapter, scaled by alpha/sqrt(rank), is written as
// alpha·sqrt(rank): copied as it is, the adapter would load without complaint and
// be too weak by sqrt(rank). Where layers have other scales than one alpha gives,
// the quotient goes into B.

package transformer

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"netllm/tensor"
	"netllm/tensor/gguf"
)

// Keys of GGUF adapters. The last two are this project's own: what PEFT's files
// had that GGUF has no place for, so that they can be made again as they were.
const (
	keyGeneralType  = "general.type"
	keyArchitecture = "general.architecture"
	keyBaseName     = "general.base_model.0.name"
	keyAdapterType  = "adapter.type"
	keyAlpha        = "adapter.lora.alpha"
	keyInvocation   = "adapter.alora.invocation_tokens"
	keyPEFTConfig   = "netllm.peft.config"
	keyPEFTNames    = "netllm.peft.names"
)

const ggufA, ggufB = ".lora_a", ".lora_b"

func openAdapterGGUF(path string, layers []LinearInfo, shape *Config) (*Adapter, error) {
	if shape == nil {
		return nil, fmt.Errorf("lora: %s: a GGUF adapter needs a model that tells its shape", path)
	}
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	a, err := adapterFromGGUF(f, layers, shape)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lora: %w", err), f.Close())
	}
	a.close = f.Close
	return a, nil
}

func adapterFromGGUF(f *gguf.File, layers []LinearInfo, shape *Config) (*Adapter, error) {
	for _, want := range [][2]string{{keyGeneralType, "adapter"}, {keyAdapterType, "lora"}, {keyArchitecture, shape.Arch}} {
		if got, err := f.String(want[0]); err != nil {
			return nil, err
		} else if got != want[1] {
			return nil, fmt.Errorf("%s: %s is %.60q, want %q", f.Path(), want[0], got, want[1])
		}
	}
	if f.Has(keyInvocation) {
		return nil, fmt.Errorf("%s: %s: an activated adapter, which works from certain tokens on only, is not supported", f.Path(), keyInvocation)
	}
	a := &Adapter{InGGUF: true}
	var alpha float64
	var err error
	if f.Has(keyAlpha) {
		if alpha, err = f.Float(keyAlpha); err != nil {
			return nil, err
		}
		if !(alpha >= 0) || math.IsInf(alpha, 0) {
			return nil, fmt.Errorf("%s: %s is %v", f.Path(), keyAlpha, alpha)
		}
	}
	if f.Has(keyBaseName) {
		if a.Base, err = f.String(keyBaseName); err != nil {
			return nil, err
		}
	}
	if err := a.placeGGUF(f, layers); err != nil {
		return nil, err
	}
	a.Config = a.describe(layers, alpha)
	for i := range a.Pairs {
		p := &a.Pairs[i]
		_, p.Scale = a.Config.sizes(p.Layer.Name)
	}
	return a, a.restore(f, layers, shape)
}

// placeGGUF finds the layers that the file has tensors for.
func (a *Adapter) placeGGUF(f *gguf.File, layers []LinearInfo) error {
	var bad misfits
	used := map[string]bool{}
	for _, layer := range layers {
		pair := AdapterPair{Layer: layer}
		name := layer.GGUF + ".weight"
		infoA, hasA := f.Info(name + ggufA)
		infoB, hasB := f.Info(name + ggufB)
		if !hasA && !hasB {
			continue
		}
		bad.tensors += 2
		used[name+ggufA], used[name+ggufB] = true, true
		switch {
		case !hasA:
			bad.missing = append(bad.missing, fmt.Sprintf("%q [rank %d]", name+ggufA, layer.In))
			continue
		case !hasB:
			bad.missing = append(bad.missing, fmt.Sprintf("%q [%d rank]", name+ggufB, layer.Out))
			continue
		case len(infoA.Shape) != 2 || infoA.Shape[1] != layer.In || infoA.Shape[0] < 1 || infoA.Shape[0] > maxRank:
			bad.wrong = append(bad.wrong, fmt.Sprintf("%q is %v, want [rank %d]", name+ggufA, infoA.Shape, layer.In))
			continue
		case !slices.Equal(infoB.Shape, []int{layer.Out, infoA.Shape[0]}):
			bad.wrong = append(bad.wrong, fmt.Sprintf("%q is %v, want %v", name+ggufB, infoB.Shape, []int{layer.Out, infoA.Shape[0]}))
			continue
		}
		for _, to := range []struct {
			t    *tensor.Tensor
			name string
		}{{&pair.A, name + ggufA}, {&pair.B, name + ggufB}} {
			t, err := f.Tensor(to.name)
			if err == nil && !t.DType().IsFloat() {
				err = fmt.Errorf("%q is of type %v, which is no weight's", to.name, t.DType())
			}
			if err != nil {
				bad.wrong = append(bad.wrong, err.Error())
			}
			*to.t = t
		}
		pair.NameA, pair.NameB = peftNames(layer.Name)
		a.Pairs = append(a.Pairs, pair)
	}
	for _, name := range f.Names() {
		if used[name] {
			continue
		}
		text := fmt.Sprintf("%.120q", name)
		if strings.HasPrefix(name, "token_embd.") || strings.HasPrefix(name, "output.") {
			text += " (adapters of embeddings and of the output matrix are not supported)"
		}
		bad.extra = append(bad.extra, text)
	}
	if err := bad.err(f.Path()); err != nil {
		return err
	}
	if len(a.Pairs) == 0 {
		return fmt.Errorf("%s: no tensors", f.Path())
	}
	return nil
}

// describe returns the config of the pairs, by names: last parts if these name no
// other layers, else whole ones.
func (a *Adapter) describe(layers []LinearInfo, alpha float64) LoRAConfig {
	counts := map[int]int{}
	var f LoRAConfig
	for i := range a.Pairs {
		r := a.Pairs[i].Rank()
		counts[r]++
		if f.Rank == 0 || counts[r] > counts[f.Rank] {
			f.Rank = r
		}
	}
	f.Alpha = alpha
	if alpha == 0 {
		f.Alpha = float64(f.Rank)
	}
	adapted := map[string]bool{}
	var whole []string
	for i := range a.Pairs {
		p := &a.Pairs[i]
		name := p.Layer.Name
		adapted[name] = true
		whole = append(whole, name)
		if last := name[strings.LastIndex(name, ".")+1:]; !slices.Contains(f.Targets, last) {
			f.Targets = append(f.Targets, last)
		}
		if alpha == 0 {
			f.setSizes(name, p.Rank(), float64(p.Rank()))
		} else {
			f.setSizes(name, p.Rank(), alpha)
		}
	}
	if slices.ContainsFunc(layers, func(l LinearInfo) bool { return MatchesTarget(l.Name, f.Targets) && !adapted[l.Name] }) {
		f.Targets = whole
	}
	return f
}

// restore takes what the file says of the PEFT files that it was made of, if it is
// still true: another program may have changed the rest.
func (a *Adapter) restore(f *gguf.File, layers []LinearInfo, shape *Config) error {
	if f.Has(keyPEFTConfig) {
		text, err := f.String(keyPEFTConfig)
		if err != nil {
			return err
		}
		if len(text) > maxConfig {
			return fmt.Errorf("%s: %s has %d bytes, at most %d", f.Path(), keyPEFTConfig, len(text), maxConfig)
		}
		if config, err := parsePEFTConfig([]byte(text)); err == nil {
			if chosen, err := config.choose(layers); err == nil && a.agrees(chosen) {
				a.text, a.Config, a.Base = []byte(text), config.summary(chosen), config.base
				for i := range a.Pairs {
					a.Pairs[i].Scale = chosen[i].scale
				}
			}
		}
	}
	if f.Has(keyPEFTNames) {
		names, err := f.Strings(keyPEFTNames)
		if err != nil {
			return err
		}
		a.rename(names, shape)
	}
	return nil
}

// agrees reports whether a config describes the pairs.
func (a *Adapter) agrees(chosen []choice) bool {
	return slices.EqualFunc(a.Pairs, chosen, func(p AdapterPair, c choice) bool {
		return p.Layer == c.layer && p.Rank() == c.rank && math.Abs(p.Scale-c.scale) <= 1e-6*c.scale
	})
}

// rename gives the pairs their names in PEFT's file, if the names are theirs.
func (a *Adapter) rename(names []string, shape *Config) {
	if len(names) != 2*len(a.Pairs) {
		return
	}
	for i := range a.Pairs {
		for j, part := range []string{"A", "B"} {
			if layer, p := parsePEFTName(names[2*i+j], shape); layer != a.Pairs[i].Layer.Name || p != part {
				return
			}
		}
	}
	for i := range a.Pairs {
		a.Pairs[i].NameA, a.Pairs[i].NameB = names[2*i], names[2*i+1]
	}
}

// alpha returns the alpha of a GGUF file, and by what B of each pair is multiplied
// so that alpha/rank is right: 1 wherever it can be.
func (a *Adapter) alpha() (alpha float64, factors []float64) {
	alpha = float64(a.Config.Rank) * scaleOf(a.Config.Rank, a.Config.Alpha, a.Config.RankStabilized)
	if own := func(p *AdapterPair) float64 { return p.Scale * float64(p.Rank()) }; len(a.Pairs) > 0 {
		first := own(&a.Pairs[0])
		if !slices.ContainsFunc(a.Pairs, func(p AdapterPair) bool { return math.Abs(own(&p)-first) > 1e-9*first }) {
			alpha = first
		}
	}
	for i := range a.Pairs {
		p := &a.Pairs[i]
		factor := p.Scale * float64(p.Rank()) / alpha
		if math.Abs(factor-1) < 1e-9 {
			factor = 1
		}
		factors = append(factors, factor)
	}
	return alpha, factors
}

// Uneven returns how many layers have a scale that a GGUF file's one alpha does not
// give, so that their B is changed when it is written to one.
func (a *Adapter) Uneven() int {
	_, factors := a.alpha()
	n := 0
	for _, f := range factors {
		if f != 1 {
			n++
		}
	}
	return n
}

// WriteGGUF writes a to a GGUF file as llama.cpp reads it. An old file is replaced
// only if replace is set. It fails if the model's family is not known.
func (a *Adapter) WriteGGUF(path string, replace bool) error {
	if a.arch == "" {
		return fmt.Errorf("lora: %s: the model did not tell its shape, which a GGUF adapter needs", path)
	}
	text, err := a.configText()
	if err != nil {
		return err
	}
	alpha, factors := a.alpha()
	values := []gguf.KeyValue{
		{Key: keyArchitecture, Value: a.arch}, {Key: keyGeneralType, Value: "adapter"},
		{Key: keyAdapterType, Value: "lora"}, {Key: keyAlpha, Value: float32(alpha)},
	}
	if a.Base != "" {
		values = append(values, gguf.KeyValue{Key: "general.base_model.count", Value: uint32(1)}, gguf.KeyValue{Key: keyBaseName, Value: a.Base})
	}
	values = append(values, gguf.KeyValue{Key: keyPEFTConfig, Value: string(text)})
	var entries []gguf.Entry
	var names []string
	usual := true
	for i := range a.Pairs {
		p := &a.Pairs[i]
		name := p.Layer.GGUF + ".weight"
		entries = append(entries, gguf.EntryOf(name+ggufA, p.A), gguf.EntryOf(name+ggufB, scaled(a.b(p, true), factors[i])))
		names = append(names, p.NameA, p.NameB)
		usualA, usualB := peftNames(p.Layer.Name)
		usual = usual && p.NameA == usualA && p.NameB == usualB
	}
	if !usual {
		values = append(values, gguf.KeyValue{Key: keyPEFTNames, Value: names})
	}
	if replace {
		return gguf.Replace(path, values, entries)
	}
	return gguf.Write(path, values, entries)
}

// scaled returns t times factor, of the same type.
func scaled(t tensor.Tensor, factor float64) tensor.Tensor {
	if factor == 1 {
		return t
	}
	values := toFloat32(t)
	for i, v := range values.Float32s() {
		values.Float32s()[i] = float32(float64(v) * factor)
	}
	out := tensor.New(t.DType(), t.Shape()...)
	tensor.Quantize(t.DType(), out.Bytes(), values.Float32s())
	return out
}

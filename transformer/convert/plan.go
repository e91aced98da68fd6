// Which tensors are written, of which types and in which form.

package convert

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"netllm/tensor"
	"netllm/tensor/gguf"
	"netllm/transformer"
)

// takeTensors makes a job of every tensor.
func (p *plan) takeTensors() error {
	if p.source.format == GGUF && p.to == GGUF {
		names := make([]string, len(p.source.tensors))
		for i, t := range p.source.tensors {
			names[i] = t.name
		}
		c := newChooser(p.kind, &p.options, names, p.sourceShape())
		p.kind = c.fileType
		for _, t := range p.source.tensors {
			if err := p.add(c, transformer.Weight{GGUF: t.name, Shape: t.shape}, t); err != nil {
				return err
			}
		}
		return nil
	}
	if !p.known {
		return fmt.Errorf("%s: no model", p.source.path)
	}
	config, weights, err := p.source.weights(p.config)
	if err != nil {
		return err
	}
	p.config = config
	names := make([]string, len(weights))
	for i, w := range weights {
		names[i] = w.GGUF
	}
	c := newChooser(p.kind, &p.options, names, shape{config.Arch, config.Layers, config.Heads, config.KVHeads})
	p.kind = c.fileType
	if p.to == HuggingFace {
		p.folder = p.folderType(weights)
	}
	for _, w := range weights {
		if p.to == HuggingFace && w.HF == "" {
			continue // config.json says it
		}
		if err := p.add(c, w.Weight, w.origin); err != nil {
			return err
		}
	}
	return nil
}

// sourceShape reads from a GGUF file's keys, if it has them, what the choice of
// types depends on.
func (p *plan) sourceShape() shape {
	var s shape
	number := func(key string) int {
		for _, kv := range p.source.values {
			if kv.Key == s.arch+"."+key {
				if n, ok := kv.Value.(uint32); ok {
					return int(n)
				}
			}
		}
		return 0
	}
	for _, kv := range p.source.values {
		if name, ok := kv.Value.(string); ok && kv.Key == "general.architecture" {
			s.arch = name
		}
	}
	p.config.Arch = s.arch
	s.layers, s.heads = number("block_count"), number("attention.head_count")
	if s.kvHeads = number("attention.head_count_kv"); s.kvHeads == 0 {
		s.kvHeads = s.heads
	}
	return s
}

// folderType is the one type of a folder: what was asked for, or that of most of
// the source's matrices; of blocks it is F16.
func (p *plan) folderType(weights []weight) tensor.DType {
	if p.kind.dtype != tensor.Invalid {
		return p.kind.dtype
	}
	elements := map[tensor.DType]int{}
	for _, w := range weights {
		kind := w.dtype
		if kind.IsBlock() {
			kind = tensor.F16
		}
		if quantizable(w.GGUF, w.Shape) {
			elements[kind] += w.Shape[0] * w.Shape[1]
		}
	}
	best := tensor.F32
	for _, kind := range []tensor.DType{tensor.F16, tensor.BF16} {
		if elements[kind] > elements[best] {
			best = kind
		}
	}
	return best
}

// add makes a job of the weight w, which lies at t.
func (p *plan) add(c *chooser, w transformer.Weight, t origin) error {
	j := job{name: w.GGUF, shape: w.Shape, rows: rows{src: t.data, from: t.dtype, discard: t.discard}}
	var note string
	j.to, note = p.typeOf(c, w, t)
	if p.to == HuggingFace {
		j.name = w.HF
	}
	if (p.source.format == HuggingFace) != (p.to == HuggingFace) {
		j.heads, j.dim, j.halves = w.RowHeads, w.RopeDim, p.to == HuggingFace
		j.transposed = w.Transposed
	}
	if w.Transposed && p.to == HuggingFace {
		j.shape = []int{w.Shape[1], w.Shape[0]}
	}
	j.width = 1
	if n := len(j.shape); n > 0 {
		j.width = j.shape[n-1]
	}
	if len(j.shape) == 1 && j.heads > 0 {
		j.width = 1 // one number for each row
	}
	j.count = 1
	for _, d := range j.shape {
		j.count *= d
	}
	if j.count > 0 {
		j.count /= j.width
	}
	changed := j.from != j.to || j.heads > 0 || j.transposed
	switch {
	case changed && !(j.from.IsFloat() && j.to.IsFloat()):
		return fmt.Errorf("%s: tensor %q: no conversion from %v to %v", p.source.path, t.name, j.from, j.to)
	case j.from != j.to && j.from.IsBlock() && j.to.IsBlock() && !p.options.Requantize:
		return fmt.Errorf("%s: tensor %q: from %v to %v: what is quantised already loses twice; --allow-requantize does it all the same",
			p.source.path, t.name, j.from, j.to)
	case changed && !j.transposed && j.width%j.from.BlockLen() != 0:
		return fmt.Errorf("%s: tensor %q: rows of %v cannot change places", p.source.path, t.name, j.from)
	}
	p.jobs = append(p.jobs, j)
	p.result.Tensors = append(p.result.Tensors, Tensor{
		Name: j.name, Shape: j.shape, From: j.from.String(), To: j.to.String(), Bytes: int64(j.to.Bytes(j.count * j.width)), Note: note,
	})
	return nil
}

// typeOf is the type that w gets.
func (p *plan) typeOf(c *chooser, w transformer.Weight, t origin) (to tensor.DType, note string) {
	switch {
	case p.to == HuggingFace && p.source.format == HuggingFace && p.kind.dtype == tensor.Invalid:
		return t.dtype, ""
	case p.to == HuggingFace:
		return p.folder, ""
	case quantizable(w.GGUF, w.Shape):
		return c.choose(w.GGUF, w.Shape, t.dtype)
	case !t.dtype.IsFloat(): // numbers of tokens and the like
		return t.dtype, ""
	case p.source.format != GGUF, p.kind.dtype == tensor.F32, t.dtype.IsBlock() && p.kind.dtype != tensor.Invalid && !p.kind.dtype.IsBlock():
		return tensor.F32, ""
	}
	return t.dtype, ""
}

// Keys that this package sets, or drops because they are about the old files.
const (
	keyType    = "general.file_type"
	keyVersion = "general.quantization_version"

	quantizationVersion = 2 // GGML_QNT_VERSION
)

// takeValues decides the keys of a GGUF file.
func (p *plan) takeValues() {
	number, numbered := p.kind.number, p.kind.dtype != tensor.Invalid
	elements := map[tensor.DType]int{}
	for _, j := range p.jobs {
		if quantizable(j.name, j.shape) {
			elements[j.to] += j.count * j.width
		}
	}
	if !numbered { // that of most elements
		most := 0
		for _, t := range fileTypes {
			if n := elements[t.dtype]; n > most {
				most = n
				number, numbered = numberOf(t.dtype)
			}
		}
	}
	var own []gguf.KeyValue
	if len(p.jobs) > 0 && numbered {
		own = []gguf.KeyValue{{Key: keyType, Value: number}, {Key: keyVersion, Value: uint32(quantizationVersion)}}
	}
	if p.source.format == GGUF {
		p.values = p.changed(own)
		return
	}
	name := p.options.Name
	if name == "" {
		name = nameOf(p.source.path)
	}
	values := []gguf.KeyValue{{Key: "general.architecture", Value: p.vocabArch()}}
	if p.known {
		values = p.config.KeyValues()
	}
	head := append([]gguf.KeyValue{values[0], {Key: "general.type", Value: "model"}, {Key: "general.name", Value: name}}, own...)
	p.values = append(head, values[1:]...)
	if p.vocab != nil {
		p.values = append(p.values, p.vocab.KeyValues()...)
	}
}

// vocabArch is the architecture of a file that has only a vocabulary: GGUF's name
// of its tokenizer is that of a model that has it.
func (p *plan) vocabArch() string {
	if p.vocab == nil {
		return ""
	}
	return p.vocab.Model
}

// changed returns the source's keys with own in them.
func (p *plan) changed(own []gguf.KeyValue) []gguf.KeyValue {
	auto := p.kind.dtype == tensor.Invalid && !p.options.VocabOnly
	var list []gguf.KeyValue
	for _, kv := range p.source.values {
		switch {
		case strings.HasPrefix(kv.Key, "split."):
			continue
		case p.options.Vocab != "" && strings.HasPrefix(kv.Key, "tokenizer."):
			continue
		case kv.Key == "general.name" && p.options.Name != "":
			kv.Value = p.options.Name
		case (kv.Key == keyType || kv.Key == keyVersion) && !auto:
			i := slices.IndexFunc(own, func(o gguf.KeyValue) bool { return o.Key == kv.Key })
			if i < 0 {
				continue
			}
			kv = own[i]
			own = slices.Delete(own, i, i+1)
		}
		list = append(list, kv)
	}
	if !auto {
		list = append(list, own...)
	}
	if p.options.Vocab != "" {
		list = append(list, p.vocab.KeyValues()...)
	}
	return list
}

// nameOf is the last part of a path, without the ending of a file of llama2.c.
func nameOf(path string) string {
	if whole, err := filepath.Abs(path); err == nil {
		path = whole
	}
	return strings.TrimSuffix(filepath.Base(path), ".bin")
}

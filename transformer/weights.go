package transformer

import (
	"reflect"
	"strconv"

	"netllm/tensor"
)

// weight is one tensor of a model: where it is kept, its names, and its shape.
type weight struct {
	tensor   *tensor.Tensor
	linear   *Linear // that the tensor belongs to, or nil
	gguf, hf string  // names in files, without ".weight"
	tied     bool    // may be missing: the embedding serves
	residual bool    // writes to the residual stream
	shape    func(*Config) []int
}

// weightShapes gives each field's shape.
var weightShapes = map[string]func(f *Config) []int{
	"Embed":    func(f *Config) []int { return []int{f.Vocab, f.Width} },
	"Output":   func(f *Config) []int { return []int{f.Vocab, f.Width} },
	"Norm":     func(f *Config) []int { return []int{f.Width} },
	"AttnNorm": func(f *Config) []int { return []int{f.Width} },
	"FFNNorm":  func(f *Config) []int { return []int{f.Width} },
	"Q":        func(f *Config) []int { return []int{f.Heads * f.HeadDim, f.Width} },
	"K":        func(f *Config) []int { return []int{f.KVHeads * f.HeadDim, f.Width} },
	"V":        func(f *Config) []int { return []int{f.KVHeads * f.HeadDim, f.Width} },
	"O":        func(f *Config) []int { return []int{f.Width, f.Heads * f.HeadDim} },
	"Gate":     func(f *Config) []int { return []int{f.FFN, f.Width} },
	"Up":       func(f *Config) []int { return []int{f.FFN, f.Width} },
	"Down":     func(f *Config) []int { return []int{f.Width, f.FFN} },
}

// weights lists the model's tensors in the order of its fields. A tied output
// is not listed. m.Blocks must have its length.
func (m *Llama) weights() []weight {
	var list []weight
	collect(&list, reflect.ValueOf(m).Elem(), "", "")
	if m.Config.Tied {
		for i, w := range list {
			if w.tied {
				return append(list[:i], list[i+1:]...)
			}
		}
	}
	return list
}

// collect walks the fields of a struct that have names in files.
func collect(list *[]weight, v reflect.Value, gguf, hf string) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		g, ok := field.Tag.Lookup("gguf")
		if !ok {
			continue
		}
		g, h := gguf+g, hf+field.Tag.Get("hf")
		_, tied := field.Tag.Lookup("tied")
		w := weight{gguf: g, hf: h, tied: tied, shape: weightShapes[field.Name],
			residual: field.Name == "O" || field.Name == "Down"}
		switch p := v.Field(i).Addr().Interface().(type) {
		case *tensor.Tensor:
			w.tensor = p
			*list = append(*list, w)
		case *Linear:
			w.tensor, w.linear = &p.Weight, p
			*list = append(*list, w)
		case *[]LlamaBlock:
			for j := range *p {
				n := "." + strconv.Itoa(j) + "."
				collect(list, reflect.ValueOf(&(*p)[j]).Elem(), g+n, h+n)
			}
		}
	}
}

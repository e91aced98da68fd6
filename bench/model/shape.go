// Package model writes Llama files of random weights, for measuring: the shapes
// of well-known models, in every type that package tensor has.
//
//	path, err := model.Cached("", "1.1b", "Q4_0")
//	...
//	m, err := transformer.Load(backend, path)
//
// The same shape, type and seed give the same bytes. Weights of block types are
// random blocks and not the quantisation of any matrix: right for measuring time
// and memory, with finite results, and a file of 7 billion weights is written in
// seconds. The vocabulary is valid, so that other programs read the files too.
package model

import (
	"fmt"
	"strings"

	"netllm/tensor"
)

// Shape is what shapes a model.
type Shape struct {
	Name                                               string
	Layers, Width, Heads, KVHeads, FFN, Vocab, Context int
}

// shapes are those of Karpathy's two small stories models, TinyLlama and Llama 2;
// "lora" is the body whose training step is measured, with hardly a vocabulary.
var shapes = []Shape{
	{"15m", 6, 288, 6, 6, 768, 32000, 256},
	{"110m", 12, 768, 12, 12, 2048, 32000, 1024},
	{"1.1b", 22, 2048, 32, 4, 5632, 32000, 2048},
	{"7b", 32, 4096, 32, 32, 11008, 32000, 4096},
	{"lora", 8, 512, 8, 8, 1376, 320, 256},
}

// ShapeOf returns the shape of that name, in any case. An unknown name is an
// error that lists the known ones.
func ShapeOf(name string) (Shape, error) {
	var known []string
	for _, s := range shapes {
		if strings.EqualFold(s.Name, name) {
			return s, nil
		}
		known = append(known, s.Name)
	}
	return Shape{}, fmt.Errorf("model: unknown shape %q, known: %s", name, strings.Join(known, ", "))
}

// Types returns the names of all types that weights can have, in the order of
// package tensor's: every one that converts to float32.
func Types() []string {
	var names []string
	for d := range tensor.DType(255) {
		if d.IsFloat() {
			names = append(names, d.String())
		}
	}
	return names
}

// typeOf returns the type of that name, in any case.
func typeOf(name string) (tensor.DType, error) {
	for d := range tensor.DType(255) {
		if d.IsFloat() && strings.EqualFold(d.String(), name) {
			return d, nil
		}
	}
	return tensor.Invalid, fmt.Errorf("model: unknown type %q, known: %s and Q4_K_M", name, strings.Join(Types(), ", "))
}

// A matrix is one tensor of a model.
type matrix struct {
	name       string
	rows, cols int     // cols is 0 for a vector
	std        float64 // of the elements, about 1 for a vector
	dtype      tensor.DType
}

// matrices lists the tensors of s in the order of the file. typ is a type's name,
// or Q4_K_M: llama.cpp's mixture of Q4_K with Q6_K for the output, and for the
// value and down projections of every other layer. The deviations are about those
// of trained models, so that no activation grows out of bounds.
func (s Shape) matrices(typ string) ([]matrix, error) {
	mixed := strings.EqualFold(typ, "Q4_K_M")
	if mixed {
		typ = "Q4_K"
	}
	main, err := typeOf(typ)
	if err != nil {
		return nil, err
	}
	more := main
	if mixed {
		if more, err = typeOf("Q6_K"); err != nil {
			return nil, err
		}
	}
	kv := s.Width / s.Heads * s.KVHeads
	d, f := invSqrt(s.Width), invSqrt(s.FFN)
	list := []matrix{{"token_embd", s.Vocab, s.Width, 1, main}}
	for i := range s.Layers {
		some := main
		if i%2 == 0 {
			some = more
		}
		p := fmt.Sprintf("blk.%d.", i)
		list = append(list,
			matrix{p + "attn_norm", s.Width, 0, 0.1, tensor.F32},
			matrix{p + "attn_q", s.Width, s.Width, 1.6 * d, main},
			matrix{p + "attn_k", kv, s.Width, 1.6 * d, main},
			matrix{p + "attn_v", kv, s.Width, d, some},
			matrix{p + "attn_output", s.Width, s.Width, d, main},
			matrix{p + "ffn_norm", s.Width, 0, 0.1, tensor.F32},
			matrix{p + "ffn_gate", s.FFN, s.Width, d, main},
			matrix{p + "ffn_up", s.FFN, s.Width, d, main},
			matrix{p + "ffn_down", s.Width, s.FFN, f, some})
	}
	list = append(list,
		matrix{"output_norm", s.Width, 0, 0.1, tensor.F32},
		matrix{"output", s.Vocab, s.Width, 1.5 * d, more})
	for _, m := range list {
		if block := m.dtype.BlockLen(); m.cols%block != 0 {
			return nil, fmt.Errorf("model: shape %s as %s: %s has rows of %d, which are no whole blocks of %d", s.Name, typ, m.name, m.cols, block)
		}
	}
	return list, nil
}

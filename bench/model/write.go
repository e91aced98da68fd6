// Writing a model's file, and keeping it for the next time.

package model

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"

	"netllm/tensor"
	"netllm/tensor/gguf"
)

// Write writes the model of shape s to a GGUF file, with weights of the named type
// (see [Types], and Q4_K_M) drawn from seed. Memory is that of the largest matrix.
// It fails if the file exists, if there is no such type, or if rows are no whole
// blocks of it.
func Write(path string, s Shape, typ string, seed uint64) error {
	list, err := s.matrices(typ)
	if err != nil {
		return err
	}
	var buffer []byte
	entries := make([]gguf.Entry, len(list))
	for i, m := range list {
		shape := []int{m.rows, m.cols}
		if m.cols == 0 {
			shape = shape[:1]
		}
		entries[i] = gguf.Entry{Name: m.name + ".weight", DType: m.dtype, Shape: shape, Load: func() (tensor.Tensor, error) {
			n := m.dtype.Bytes(m.rows * max(m.cols, 1))
			if len(buffer) < n {
				buffer = make([]byte, n)
			}
			return m.random(buffer[:n], shape, seed)
		}}
	}
	return gguf.Write(path, s.values(typ), entries)
}

// random returns the tensor with elements in b.
func (m matrix) random(b []byte, shape []int, seed uint64) (tensor.Tensor, error) {
	src := newSource(seed, m.name)
	if err := src.fill(m.dtype, b, m.std); err != nil {
		return tensor.Tensor{}, fmt.Errorf("tensor %q: %w", m.name, err)
	}
	if m.cols == 0 { // the weights of a norm are near one
		for i := 0; i < len(b); i += 4 {
			x := 1 + math.Float32frombits(binary.LittleEndian.Uint32(b[i:]))
			binary.LittleEndian.PutUint32(b[i:], math.Float32bits(x))
		}
	}
	return tensor.Of(tensor.HostBytes(b), m.dtype, shape...), nil
}

// fileTypes are the numbers of general.file_type (docs/gguf.md of the ggml project).
var fileTypes = map[string]uint32{
	"F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q8_0": 7, "Q5_0": 8, "Q5_1": 9,
	"Q4_K": 14, "Q4_K_M": 15, "Q5_K": 16, "Q6_K": 18, "BF16": 32,
	"Q2_K": 10, "Q3_K": 11, "IQ4_NL": 25, "IQ4_XS": 30,
}

func (s Shape) values(typ string) []gguf.KeyValue {
	u := func(n int) uint32 { return uint32(n) }
	tokens, scores, kinds := vocabulary(s.Vocab)
	values := []gguf.KeyValue{
		{Key: "general.architecture", Value: "llama"},
		{Key: "general.name", Value: "random " + s.Name},
		{Key: "general.quantization_version", Value: uint32(2)},
		{Key: "llama.context_length", Value: u(s.Context)},
		{Key: "llama.embedding_length", Value: u(s.Width)},
		{Key: "llama.block_count", Value: u(s.Layers)},
		{Key: "llama.feed_forward_length", Value: u(s.FFN)},
		{Key: "llama.rope.dimension_count", Value: u(s.Width / s.Heads)},
		{Key: "llama.rope.freq_base", Value: float32(10000)},
		{Key: "llama.attention.head_count", Value: u(s.Heads)},
		{Key: "llama.attention.head_count_kv", Value: u(s.KVHeads)},
		{Key: "llama.attention.layer_norm_rms_epsilon", Value: float32(1e-5)},
		{Key: "llama.vocab_size", Value: u(s.Vocab)},
		{Key: "tokenizer.ggml.model", Value: "llama"},
		{Key: "tokenizer.ggml.tokens", Value: tokens},
		{Key: "tokenizer.ggml.scores", Value: scores},
		{Key: "tokenizer.ggml.token_type", Value: kinds},
		{Key: "tokenizer.ggml.bos_token_id", Value: uint32(1)},
		{Key: "tokenizer.ggml.eos_token_id", Value: uint32(2)},
		{Key: "tokenizer.ggml.unknown_token_id", Value: uint32(0)},
	}
	if n, ok := fileTypes[strings.ToUpper(typ)]; ok {
		values = append(values, gguf.KeyValue{Key: "general.file_type", Value: n})
	}
	return values
}

// vocabulary returns n pieces of text as SentencePiece has them: three control
// tokens, the 256 bytes, and made-up words, with their scores and kinds.
func vocabulary(n int) (tokens []string, scores []float32, kinds []int32) {
	const unknown, control, ordinary, single = 2, 3, 1, 6
	add := func(token string, score float32, kind int32) {
		if len(tokens) < n {
			tokens, scores, kinds = append(tokens, token), append(scores, score), append(kinds, kind)
		}
	}
	add("<unk>", 0, unknown)
	add("<s>", 0, control)
	add("</s>", 0, control)
	for i := range 256 {
		add(fmt.Sprintf("<0x%02X>", i), 0, single)
	}
	for i := 0; len(tokens) < n; i++ {
		add(word(i), -float32(i), ordinary)
	}
	return tokens, scores, kinds
}

// word returns the i'th piece: the blank, then letters as the digits of i.
func word(i int) string {
	const blank = "\u2581"
	letters := ""
	for ; i > 0; i = (i - 1) / 26 {
		letters = string(rune('a'+(i-1)%26)) + letters
	}
	return blank + letters
}

// Cached returns the file of the named shape and type, seed 1, in dir. It is
// written if it is not there. An empty dir stands for netllm-bench in the system's
// folder of temporary files.
func Cached(dir, shape, typ string) (string, error) {
	s, err := ShapeOf(shape)
	if err != nil {
		return "", err
	}
	if dir == "" {
		dir = filepath.Join(os.TempDir(), "netllm-bench")
	}
	path := filepath.Join(dir, strings.ToLower(s.Name+"-"+typ)+".gguf")
	if _, err := os.Stat(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return path, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("model: %w", err)
	}
	// Another process may have written the same bytes meanwhile.
	if err := Write(path, s, typ, 1); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return path, nil
}

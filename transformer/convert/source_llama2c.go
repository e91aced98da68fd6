// Checkpoints of llama2.c in its first format, which has no version: seven int32
// and then float32 matrices without padding, all layers of a kind together. The
// rows of queries and keys stand in the order of ops.RoPEInterleaved, as in GGUF.

package convert

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"netllm/tensor"
	"netllm/transformer"
	"netllm/transformer/tokenizer"
)

const llama2cHeader = 7 * 4

func openLlama2C(path string) (*source, error) {
	m, err := tensor.MapFile(path)
	if err != nil {
		return nil, err
	}
	config, tensors, err := parseLlama2C(m.Bytes())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), m.Close())
	}
	for i := range tensors {
		tensors[i].discard = m.Discard
	}
	return &source{
		close:   m.Close,
		config:  func() (transformer.Config, error) { return config, nil },
		find:    func(_ transformer.Config, name string) (string, bool) { return name, true },
		tensors: tensors,
		vocab: func() (*tokenizer.Vocab, error) {
			file, err := besideLlama2C(path)
			if err != nil {
				return nil, err
			}
			return readVocab(file)
		},
	}, nil
}

// besideLlama2C finds the vocabulary beside a checkpoint: tokenizer.bin, or the
// only file tok*.bin, or tokenizer.model, or the only tok*.model.
func besideLlama2C(path string) (string, error) {
	dir := filepath.Dir(path)
	for _, end := range []string{".bin", ".model"} {
		found, err := filepath.Glob(filepath.Join(dir, "tok*"+end))
		if err != nil {
			return "", err
		}
		found = slices.DeleteFunc(found, func(f string) bool { return f == path })
		whole := filepath.Join(dir, "tokenizer"+end)
		switch {
		case slices.Contains(found, whole):
			return whole, nil
		case len(found) == 1:
			return found[0], nil
		case len(found) > 1:
			return "", fmt.Errorf("%s: several vocabularies: %s", dir, strings.Join(found, ", "))
		}
	}
	return "", fmt.Errorf("%s: %w: neither tokenizer.bin nor tok*.bin", dir, tokenizer.ErrNone)
}

func parseLlama2C(data []byte) (f transformer.Config, list []origin, err error) {
	if len(data) < llama2cHeader {
		return f, nil, fmt.Errorf("%d bytes are no checkpoint of llama2.c", len(data))
	}
	number := func(i int) int { return int(int32(binary.LittleEndian.Uint32(data[4*i:]))) }
	f = transformer.Config{
		Arch: "llama", Width: number(0), FFN: number(1), Layers: number(2), Heads: number(3), KVHeads: number(4),
		Vocab: number(5), MaxPositions: number(6), NormEps: 1e-5, RopeTheta: 10000,
	}
	f.Tied = f.Vocab > 0 // a negative number says that the output matrix follows
	f.Vocab = max(f.Vocab, -f.Vocab)
	if f.Heads > 0 {
		f.HeadDim = f.Width / f.Heads
		f.RopeDim = f.HeadDim
	}
	if err := f.Validate(); err != nil {
		return f, nil, fmt.Errorf("no checkpoint of llama2.c: %w", err)
	}
	if f.HeadDim*f.Heads != f.Width {
		return f, nil, fmt.Errorf("no checkpoint of llama2.c: a width of %d for %d heads", f.Width, f.Heads)
	}
	at := llama2cHeader
	short := false
	take := func(shape ...int) []byte {
		n := 4
		for _, d := range shape {
			n *= d
		}
		if short || n > len(data)-at { // sizes are bounded by Validate: no overflow
			short = true
			return nil
		}
		at += n
		return data[at-n : at]
	}
	put := func(name string, shape ...int) {
		list = append(list, origin{name: name, dtype: tensor.F32, shape: shape, data: take(shape...)})
	}
	layers := func(part string, shape ...int) {
		for i := 0; i < f.Layers && !short; i++ {
			put(fmt.Sprintf("blk.%d.%s.weight", i, part), shape...)
		}
	}
	kv := f.KVHeads * f.HeadDim
	put(embeddingName, f.Vocab, f.Width)
	layers("attn_norm", f.Width)
	layers("attn_q", f.Width, f.Width)
	layers("attn_k", kv, f.Width)
	layers("attn_v", kv, f.Width)
	layers("attn_output", f.Width, f.Width)
	layers("ffn_norm", f.Width)
	layers("ffn_gate", f.FFN, f.Width)
	layers("ffn_down", f.Width, f.FFN)
	layers("ffn_up", f.FFN, f.Width)
	put("output_norm.weight", f.Width)
	take(f.MaxPositions, f.HeadDim) // cosines and sines, which are computed
	if !f.Tied {
		put(outputName, f.Vocab, f.Width)
	}
	if short || at != len(data) {
		return f, nil, fmt.Errorf("%d bytes do not fit a checkpoint of llama2.c of width %d, %d layers and a vocabulary of %d", len(data), f.Width, f.Layers, f.Vocab)
	}
	return f, list, nil
}

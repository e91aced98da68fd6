package pretrain

import (
	"fmt"

	"netllm/ops"
	"netllm/tensor"
	"netllm/tensor/gguf"
	"netllm/transformer"
)

// Write writes a trained model to a GGUF file with F16 matrices and the byte
// vocabulary, which other programs read as a SentencePiece one without merges.
func Write(b ops.Backend, path string, m transformer.Model, replace bool) error {
	if n := m.Shape().Vocab; n != Vocab {
		return fmt.Errorf("pretrain: a vocabulary of %d, bytes need %d", n, Vocab)
	}
	const unknown, control, byteToken = 2, 3, 6 // token types of docs/gguf.md
	tokens, types := []string{"<unk>", "<s>", "</s>"}, []int32{unknown, control, control}
	for i := range 256 {
		tokens, types = append(tokens, fmt.Sprintf("<0x%02X>", i)), append(types, byteToken)
	}
	return m.WriteGGUF(b, path, tensor.F16, []gguf.KeyValue{
		{Key: "general.name", Value: "netllm bytes"},
		{Key: "general.file_type", Value: uint32(1)}, // mostly F16
		{Key: "tokenizer.ggml.model", Value: "llama"},
		{Key: "tokenizer.ggml.tokens", Value: tokens},
		{Key: "tokenizer.ggml.scores", Value: make([]float32, Vocab)},
		{Key: "tokenizer.ggml.token_type", Value: types},
		{Key: "tokenizer.ggml.bos_token_id", Value: uint32(TokenBegin)},
		{Key: "tokenizer.ggml.eos_token_id", Value: uint32(TokenEnd)},
		{Key: "tokenizer.ggml.unknown_token_id", Value: uint32(TokenUnknown)},
		{Key: "tokenizer.ggml.add_space_prefix", Value: false},
	}, replace)
}

// Encode returns the tokens of text: its bytes, after the begin token.
func Encode(text string) []int32 {
	ids := []int32{TokenBegin}
	for _, b := range []byte(text) {
		ids = append(ids, FirstByte+int32(b))
	}
	return ids
}

// Decode returns the bytes that the tokens stand for; special tokens stand for
// none.
func Decode(ids []int32) []byte {
	var text []byte
	for _, id := range ids {
		if id >= FirstByte && id < Vocab {
			text = append(text, byte(id-FirstByte))
		}
	}
	return text
}

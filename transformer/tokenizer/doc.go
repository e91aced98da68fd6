// Package tokenizer turns text into the token ids of a language model, and
// back.
//
// A [Vocab] is read from a GGUF file, a Hugging Face folder or llama2.c's table,
// and written to the first two. [New] makes a [Tokenizer] of it:
//
//	v, err := tokenizer.ReadHF("model")
//	...
//	t, err := tokenizer.New(v)
//	...
//	ids := t.EncodePrompt("Once upon a time", false)
//	text := t.Decode(ids)
//
// Two kinds of byte-pair encoding are known. SentencePiece's (Llama 1 and 2,
// Mistral) merges characters by the score of what they make, and falls back to
// bytes. Byte-level encoding (GPT-2, OPT, Llama 3, Qwen2) cuts text into words
// and merges their bytes by a list. Other kinds, pre-tokenizers and
// normalizations are refused by name.
package tokenizer

package tokenizer

// Vocabularies in GGUF files: the keys tokenizer.ggml.*, as llama.cpp writes
// and reads them.

import (
	"errors"
	"fmt"
	"math"

	"netllm/tensor/gguf"
)

const (
	keyModel        = "tokenizer.ggml.model"
	keyPre          = "tokenizer.ggml.pre"
	keyTokens       = "tokenizer.ggml.tokens"
	keyScores       = "tokenizer.ggml.scores"
	keyTypes        = "tokenizer.ggml.token_type"
	keyMerges       = "tokenizer.ggml.merges"
	keyBOS          = "tokenizer.ggml.bos_token_id"
	keyEOS          = "tokenizer.ggml.eos_token_id"
	keyUnknown      = "tokenizer.ggml.unknown_token_id"
	keyPad          = "tokenizer.ggml.padding_token_id"
	keyAddBOS       = "tokenizer.ggml.add_bos_token"
	keyAddEOS       = "tokenizer.ggml.add_eos_token"
	keyAddSpace     = "tokenizer.ggml.add_space_prefix"
	keyTrimSpaces   = "tokenizer.ggml.remove_extra_whitespaces"
	keyChatTemplate = "tokenizer.chat_template"

	// Not llama.cpp's: what its files cannot say.
	keyMetaspace    = "netllm.tokenizer.metaspace"
	keyListed       = "netllm.tokenizer.merges" // of SentencePiece: files of old have keyMerges too, and llama.cpp does not look
	keyIgnoreMerges = "netllm.tokenizer.ignore_merges"
)

// noToken is an id that no vocabulary has. It is written where a missing key
// would mean a default, which llama.cpp then falls back to.
const noToken = math.MaxUint32

// defaults returns what the absence of keys means, after llama.cpp.
func defaults(model, pre string, tokens int) *Vocab {
	v := &Vocab{Model: model, Pre: pre, BOS: -1, EOS: -1, Unknown: -1, Pad: -1}
	switch model {
	case SentencePiece:
		for i, id := range []*int32{&v.Unknown, &v.BOS, &v.EOS} {
			if i < tokens {
				*id = int32(i)
			}
		}
		v.AddBOS, v.AddSpacePrefix = v.BOS >= 0, true
	case ByteLevel:
		if pre == "" {
			v.Pre = preGPT2
		}
		if p, err := preOf(v.Pre); err == nil && p == preLlama3 {
			v.IgnoreMerges, v.AddBOS = true, true
		}
	}
	return v
}

// mergesKey returns where a model's merges are.
func mergesKey(model string) string {
	if model == SentencePiece {
		return keyListed
	}
	return keyMerges
}

// FromGGUF reads the vocabulary of a file. A file that has none gives an error
// that is [ErrNone]. Keys that are missing mean what they mean to llama.cpp, but
// byte-level encoding without a pre-tokenizer is GPT-2's.
func FromGGUF(f *gguf.File) (*Vocab, error) {
	v, err := fromGGUF(f)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %s: %w", f.Path(), err)
	}
	return v, nil
}

func fromGGUF(f *gguf.File) (*Vocab, error) {
	if !f.Has(keyModel) {
		return nil, fmt.Errorf("%w: no key %q", ErrNone, keyModel)
	}
	r := ggufReader{f: f}
	var model, pre string
	r.string(&model, keyModel)
	r.string(&pre, keyPre)
	if model == "none" || model == "no_vocab" {
		return nil, fmt.Errorf("%w: tokenizer model %q", ErrNone, model)
	}
	var tokens []string
	if r.err == nil {
		tokens, r.err = f.Strings(keyTokens)
	}
	v := defaults(model, pre, len(tokens))
	v.Tokens = tokens
	r.types(&v.Types)
	r.scores(&v.Scores)
	if key := mergesKey(model); r.has(key) {
		v.Merges, r.err = f.Strings(key)
	}
	r.id(&v.BOS, keyBOS)
	r.id(&v.EOS, keyEOS)
	r.id(&v.Unknown, keyUnknown)
	r.id(&v.Pad, keyPad)
	if v.BOS < 0 {
		v.AddBOS = false
	}
	r.bool(&v.AddBOS, keyAddBOS)
	r.bool(&v.AddEOS, keyAddEOS)
	r.bool(&v.AddSpacePrefix, keyAddSpace)
	r.bool(&v.TrimSpaces, keyTrimSpaces)
	r.bool(&v.IgnoreMerges, keyIgnoreMerges)
	r.string(&v.Metaspace, keyMetaspace)
	r.string(&v.ChatTemplate, keyChatTemplate)
	if r.err != nil {
		return nil, r.err
	}
	if model == ByteLevel && v.Merges == nil {
		return nil, fmt.Errorf("no key %q", keyMerges)
	}
	if _, err := v.check(); err != nil {
		return nil, err
	}
	return v, nil
}

// ggufReader reads values that may be missing, until the first error.
type ggufReader struct {
	f   *gguf.File
	err error
}

func (r *ggufReader) has(key string) bool { return r.err == nil && r.f.Has(key) }

func (r *ggufReader) string(to *string, key string) {
	if r.has(key) {
		*to, r.err = r.f.String(key)
	}
}

func (r *ggufReader) bool(to *bool, key string) {
	if r.has(key) {
		*to, r.err = r.f.Bool(key)
	}
}

func (r *ggufReader) id(to *int32, key string) {
	if !r.has(key) {
		return
	}
	var n uint64
	if n, r.err = r.f.Uint(key); r.err != nil {
		return
	}
	switch {
	case n == noToken:
		*to = -1
	case n > math.MaxInt32:
		r.err = fmt.Errorf("key %q is %d, which is no token", key, n)
	default:
		*to = int32(n)
	}
}

func (r *ggufReader) types(to *[]TokenType) {
	if !r.has(keyTypes) {
		return
	}
	var list []int
	if list, r.err = r.f.Ints(keyTypes); r.err != nil {
		return
	}
	*to = make([]TokenType, len(list))
	for i, t := range list {
		if t < 0 || t > int(Byte) {
			r.err = fmt.Errorf("key %q: token %d has type %d, want %d to %d", keyTypes, i, t, Normal, Byte)
			return
		}
		(*to)[i] = max(TokenType(t), Normal) // 0 is undefined, which no reader tells from normal
	}
}

// scores reads floats, or integers, which llama.cpp takes too.
func (r *ggufReader) scores(to *[]float32) {
	if !r.has(keyScores) {
		return
	}
	list, err := r.f.Float32s(keyScores)
	if err != nil {
		whole, intErr := r.f.Ints(keyScores)
		if intErr != nil {
			r.err = errors.Join(err, intErr)
			return
		}
		list = make([]float32, len(whole))
		for i, n := range whole {
			list[i] = float32(n)
		}
	}
	*to = list
}

// KeyValues returns the vocabulary as the values of a GGUF file, which
// [FromGGUF] reads as the same vocabulary. llama.cpp encodes with them as this
// package does, but that it knows nothing of Metaspace, of merges in a
// SentencePiece vocabulary, of TrimSpaces, and of IgnoreMerges other than by Pre.
func (v *Vocab) KeyValues() []gguf.KeyValue {
	var list []gguf.KeyValue
	add := func(key string, value any) { list = append(list, gguf.KeyValue{Key: key, Value: value}) }
	add(keyModel, v.Model)
	if v.Pre != "" {
		add(keyPre, v.Pre)
	}
	add(keyTokens, v.Tokens)
	if v.Scores != nil {
		add(keyScores, v.Scores)
	}
	if v.Types != nil {
		types := make([]int32, len(v.Types))
		for i, t := range v.Types {
			types[i] = int32(t)
		}
		add(keyTypes, types)
	}
	if v.Merges != nil {
		add(mergesKey(v.Model), v.Merges)
	}
	missing := defaults(v.Model, v.Pre, len(v.Tokens))
	id := func(key string, id, missing int32) {
		switch {
		case id >= 0:
			add(key, uint32(id))
		case missing >= 0:
			add(key, uint32(noToken))
		}
	}
	id(keyBOS, v.BOS, missing.BOS)
	id(keyEOS, v.EOS, missing.EOS)
	id(keyUnknown, v.Unknown, missing.Unknown)
	id(keyPad, v.Pad, missing.Pad)
	add(keyAddBOS, v.AddBOS)
	add(keyAddEOS, v.AddEOS)
	if v.Model == SentencePiece || v.AddSpacePrefix {
		add(keyAddSpace, v.AddSpacePrefix)
	}
	if v.TrimSpaces {
		add(keyTrimSpaces, true)
	}
	if v.IgnoreMerges != missing.IgnoreMerges {
		add(keyIgnoreMerges, v.IgnoreMerges)
	}
	if v.Metaspace != "" {
		add(keyMetaspace, v.Metaspace)
	}
	if v.ChatTemplate != "" {
		add(keyChatTemplate, v.ChatTemplate)
	}
	return list
}

package tokenizer

// Writing a vocabulary as the files of a Hugging Face folder.

import (
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"
)

// HF returns the files of a Hugging Face folder, content by name:
// tokenizer.json, tokenizer_config.json and, for SentencePiece's scores,
// tokenizer.model. Tokens that [Vocab.PadTo] made are left out.
//
// [ReadHF] encodes with these files as v does, but for two things that Hugging
// Face's list of merges cannot say: of tokens with equal scores the first to
// merge is the one listed first, not the one further left; and a character that
// is no token by itself does not merge.
func (v *Vocab) HF() (map[string][]byte, error) {
	t, err := v.check()
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	for id, token := range v.Tokens {
		if !utf8.ValidString(token) {
			return nil, fmt.Errorf("tokenizer: token %d %q is not UTF-8: tokenizer.json cannot have it", id, token)
		}
	}
	files := map[string][]byte{fileTokenizer: v.tokenizerJSON(t), fileConfig: v.tokenizerConfig()}
	if v.Model == SentencePiece && v.Merges == nil {
		files[fileModel] = v.model()
	}
	return files, nil
}

// jsonWriter puts JSON together. Values of an object or array are written after
// next or key.
type jsonWriter struct {
	b     []byte
	depth int
	some  bool // something is written where we are
}

func (w *jsonWriter) line() {
	w.b = append(w.b, '\n')
	for range w.depth {
		w.b = append(w.b, "  "...)
	}
}

// next begins an item.
func (w *jsonWriter) next() {
	if w.some {
		w.b = append(w.b, ',')
	}
	w.line()
	w.some = true
}

// key begins a member.
func (w *jsonWriter) key(name string) *jsonWriter {
	w.next()
	w.str(name)
	w.b = append(w.b, ": "...)
	return w
}

// in writes an object or array around what f writes.
func (w *jsonWriter) in(brackets string, f func()) {
	w.b = append(w.b, brackets[0])
	w.depth++
	w.some = false
	f()
	w.depth--
	if w.some {
		w.line()
	}
	w.b = append(w.b, brackets[1])
	w.some = true
}

// raw writes a value that is JSON already.
func (w *jsonWriter) raw(value string) { w.b = append(w.b, value...) }

func (w *jsonWriter) bool(value bool) { w.b = strconv.AppendBool(w.b, value) }

func (w *jsonWriter) str(s string) {
	w.b = append(w.b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			w.b = append(w.b, '\\', c)
		case c == '\n':
			w.b = append(w.b, `\n`...)
		case c < ' ':
			w.b = fmt.Appendf(w.b, `\u%04x`, c)
		default:
			w.b = append(w.b, c)
		}
	}
	w.b = append(w.b, '"')
}

// token writes a token's text, or null for -1 and for one that is left out.
func (w *jsonWriter) token(v *Vocab, id int32) {
	if id < 0 || v.isPadding(int(id)) {
		w.raw("null")
		return
	}
	w.str(v.Tokens[id])
}

// tokenizerJSON returns tokenizer.json.
func (v *Vocab) tokenizerJSON(t *table) []byte {
	w := &jsonWriter{}
	w.in("{}", func() {
		w.key("version").raw(`"1.0"`)
		w.key("truncation").raw("null")
		w.key("padding").raw("null")
		w.key("added_tokens").in("[]", func() {
			for id := range v.Tokens {
				if v.isAdded(id) {
					w.next()
					w.in("{}", func() {
						w.key("id").raw(strconv.Itoa(id))
						w.addedToken(v, id)
					})
				}
			}
		})
		w.steps(v)
		w.key("model").in("{}", func() {
			w.key("type").raw(`"BPE"`)
			w.key("dropout").raw("null")
			w.key("unk_token").token(v, v.Unknown)
			w.key("continuing_subword_prefix").raw("null")
			w.key("end_of_word_suffix").raw("null")
			w.key("fuse_unk").bool(v.Model == SentencePiece)
			w.key("byte_fallback").bool(v.Model == SentencePiece && slices.Contains(v.Types, Byte))
			w.key("ignore_merges").bool(v.Model == ByteLevel && v.IgnoreMerges)
			w.key("vocab").in("{}", func() {
				for id, token := range v.Tokens {
					if token != "" && !v.isPadding(id) {
						w.key(token).raw(strconv.Itoa(id))
					}
				}
			})
			w.key("merges").in("[]", func() {
				for _, m := range v.listMerges(t) {
					w.next()
					w.str(m)
				}
			})
		})
	})
	return append(w.b, '\n')
}

// isAdded reports whether a token is one that is recognised in text.
func (v *Vocab) isAdded(id int) bool {
	switch v.Type(id) {
	case Control, Unknown, UserDefined:
		return v.Tokens[id] != ""
	}
	return false
}

// addedToken writes the members of an added token but its id.
func (w *jsonWriter) addedToken(v *Vocab, id int) {
	w.key("content").str(v.Tokens[id])
	for _, name := range []string{"single_word", "lstrip", "rstrip", "normalized"} {
		w.key(name).bool(false)
	}
	w.key("special").bool(v.Type(id) != UserDefined)
}

// steps writes what is done to text before and after the model.
func (w *jsonWriter) steps(v *Vocab) {
	if v.Model == ByteLevel {
		if v.Pre == preQwen2 {
			w.key("normalizer").raw(`{"type": "NFC"}`)
		} else {
			w.key("normalizer").raw("null")
		}
		w.key("pre_tokenizer")
		pre, _ := preOf(v.Pre)
		byteLevel := func(regex bool) string {
			return `{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": ` + strconv.FormatBool(regex) + `}`
		}
		if pre == preGPT2 {
			w.raw(byteLevel(true))
		} else {
			w.raw(`{"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": `)
			w.str(patterns[pre])
			w.raw(`}, "behavior": "Isolated", "invert": false}, ` + byteLevel(false) + `]}`)
		}
		w.key("post_processor")
		if v.AddBOS || v.AddEOS {
			w.raw(`{"type": "Sequence", "processors": [` + byteLevel(true) + `, `)
			w.template(v)
			w.raw(`]}`)
		} else {
			w.raw(byteLevel(true))
		}
		w.key("decoder").raw(byteLevel(true))
		return
	}
	blanks := `{"type": "Replace", "pattern": {"String": " "}, "content": "▁"}`
	trim := ""
	if v.TrimSpaces {
		trim = `{"type": "Strip", "strip_left": true, "strip_right": true}, {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}`
	}
	w.key("normalizer")
	scheme := ""
	switch {
	case v.Metaspace == "" && v.AddSpacePrefix && trim != "":
		w.raw(`{"type": "Sequence", "normalizers": [` + trim + `, {"type": "Prepend", "prepend": "▁"}, ` + blanks + `]}`)
	case v.Metaspace == "" && v.AddSpacePrefix:
		w.raw(`{"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, ` + blanks + `]}`)
	case v.Metaspace == "" && trim != "":
		w.raw(`{"type": "Sequence", "normalizers": [` + trim + `, ` + blanks + `]}`)
	case v.Metaspace == "":
		w.raw(blanks)
	default:
		if scheme = v.Metaspace; !v.AddSpacePrefix {
			scheme = "never"
		}
		if trim == "" {
			w.raw("null")
		} else {
			w.raw(`{"type": "Sequence", "normalizers": [` + trim + `]}`)
		}
	}
	w.key("pre_tokenizer")
	if scheme == "" {
		w.raw("null")
	} else {
		w.raw(`{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "` + scheme + `", "split": false}`)
	}
	w.key("post_processor")
	if v.AddBOS || v.AddEOS {
		w.template(v)
	} else {
		w.raw("null")
	}
	w.key("decoder").raw(`{"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}`)
	if v.AddSpacePrefix {
		w.raw(`, {"type": "Strip", "content": " ", "start": 1, "stop": 0}`)
	}
	w.raw(`]}`)
}

// template writes which tokens go round one text, and round two.
func (w *jsonWriter) template(v *Vocab) {
	special := func(id int32, kind string) {
		w.raw(`{"SpecialToken": {"id": `)
		w.token(v, id)
		w.raw(`, "type_id": ` + kind + `}}`)
	}
	sequence := func(name, kind string) {
		if v.AddBOS {
			special(v.BOS, kind)
			w.raw(", ")
		}
		w.raw(`{"Sequence": {"id": "` + name + `", "type_id": ` + kind + `}}`)
		if v.AddEOS {
			w.raw(", ")
			special(v.EOS, kind)
		}
	}
	w.raw(`{"type": "TemplateProcessing", "single": [`)
	sequence("A", "0")
	w.raw(`], "pair": [`)
	sequence("A", "0")
	w.raw(", ")
	sequence("B", "1")
	w.raw(`], "special_tokens": {`)
	some := false
	for _, s := range []struct {
		on bool
		id int32
	}{{v.AddBOS, v.BOS}, {v.AddEOS && !(v.AddBOS && v.EOS == v.BOS), v.EOS}} {
		if !s.on {
			continue
		}
		if some {
			w.raw(", ")
		}
		some = true
		w.token(v, s.id)
		w.raw(`: {"id": `)
		w.token(v, s.id)
		w.raw(`, "ids": [` + strconv.Itoa(int(s.id)) + `], "tokens": [`)
		w.token(v, s.id)
		w.raw(`]}`)
	}
	w.raw(`}}`)
}

// listMerges returns the merges, for SentencePiece those that scores mean: all
// pairs of tokens that make a token, in the order of scores, those of one token
// with the longest left part first.
func (v *Vocab) listMerges(t *table) []string {
	if v.Merges != nil {
		return v.Merges
	}
	type split struct{ left, right, into int32 }
	var list []split
	n := int32(len(v.Tokens))
	v.splits(t, v.characters(), func(left, right, into int32) bool {
		if left < n && right < n {
			list = append(list, split{left, right, into})
		}
		return true
	})
	ranks := v.ranks()
	slices.SortFunc(list, func(a, b split) int {
		if a.into != b.into {
			if d := ranks[a.into] - ranks[b.into]; d != 0 {
				return int(d)
			}
			return int(a.into - b.into)
		}
		return len(v.Tokens[b.left]) - len(v.Tokens[a.left])
	})
	merges := make([]string, len(list))
	for i, s := range list {
		merges[i] = v.Tokens[s.left] + " " + v.Tokens[s.right]
	}
	return merges
}

// classes are the names of transformers' tokenizers by pre-tokenizer.
var classes = map[string]string{preGPT2: "GPT2Tokenizer", preQwen2: "Qwen2Tokenizer", preLlama3: "PreTrainedTokenizerFast"}

// tokenizerConfig returns tokenizer_config.json.
func (v *Vocab) tokenizerConfig() []byte {
	w := &jsonWriter{}
	w.in("{}", func() {
		w.key("add_bos_token").bool(v.AddBOS)
		w.key("add_eos_token").bool(v.AddEOS)
		if v.Model == SentencePiece {
			w.key("add_prefix_space").bool(v.AddSpacePrefix)
		}
		w.key("added_tokens_decoder").in("{}", func() {
			for id := range v.Tokens {
				if v.isAdded(id) {
					w.key(strconv.Itoa(id)).in("{}", func() { w.addedToken(v, id) })
				}
			}
		})
		w.key("bos_token").token(v, v.BOS)
		if v.ChatTemplate != "" {
			w.key("chat_template").str(v.ChatTemplate)
		}
		w.key("clean_up_tokenization_spaces").bool(false)
		w.key("eos_token").token(v, v.EOS)
		if v.Model == SentencePiece {
			w.key("legacy").bool(v.Metaspace == "")
		}
		w.key("pad_token").token(v, v.Pad)
		if v.Model == SentencePiece {
			w.key("tokenizer_class").str("LlamaTokenizer")
		} else {
			pre, _ := preOf(v.Pre)
			w.key("tokenizer_class").str(classes[pre])
		}
		w.key("unk_token").token(v, v.Unknown)
	})
	return append(w.b, '\n')
}

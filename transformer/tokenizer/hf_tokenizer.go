package tokenizer

// tokenizer.json, the file of Hugging Face's tokenizers library.

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxGap is how many ids between tokens may be taken up by none.
const maxGap = 4096

// added is a token beside the model's own, or one of those that is special.
type added struct {
	id      int32
	content string
	special bool
}

// tokenizerJSON is what such a file says.
type tokenizerJSON struct {
	v        *Vocab
	added    []added
	unknown  string
	fallback bool // characters without a token are bytes
	fused    bool // unknown characters side by side are one

	normalizer, pre, post *node
}

// parseTokenizerJSON reads a tokenizer.json. What it does otherwise than a
// [Vocab] can say is an error that names it.
func parseTokenizerJSON(data []byte) (*Vocab, error) {
	r := &jsonReader{data: data}
	h := tokenizerJSON{v: &Vocab{BOS: -1, EOS: -1, Unknown: -1, Pad: -1}}
	model := false
	r.object(func(key []byte) {
		switch string(key) {
		case "added_tokens":
			h.added = r.added()
		case "normalizer":
			h.normalizer = r.tree()
		case "pre_tokenizer":
			h.pre = r.tree()
		case "post_processor":
			h.post = r.tree()
		case "model":
			if model {
				r.fail("a second model")
			}
			model = true
			h.model(r)
		default:
			r.skip()
		}
	})
	if err := r.end(); err != nil {
		return nil, err
	}
	if !model {
		return nil, errors.New("no model")
	}
	if err := h.add(); err != nil {
		return nil, err
	}
	if err := h.text(); err != nil {
		return nil, err
	}
	if err := h.template(); err != nil {
		return nil, fmt.Errorf("post_processor: %w", err)
	}
	t, err := h.v.check()
	if err != nil {
		return nil, err
	}
	return h.v, h.v.settle(t)
}

// added reads the list of added tokens.
func (r *jsonReader) added() []added {
	count, start, depth := 0, r.pos, r.depth
	r.array(func() { count++; r.skip() })
	r.pos, r.depth = start, depth
	list := make([]added, 0, count)
	if r.err != nil {
		return nil
	}
	r.array(func() { list = append(list, r.addedToken(-1)) })
	return list
}

// addedToken reads one; its id may stand outside.
func (r *jsonReader) addedToken(id int32) added {
	a := added{id: id}
	r.object(func(key []byte) {
		switch string(key) {
		case "id":
			a.id = r.int32()
		case "content":
			a.content = string(r.str())
		case "special":
			a.special = r.bool()
		case "lstrip", "rstrip", "single_word":
			name := string(key)
			if r.bool() {
				r.fail("added token %d %q: %s is not supported", a.id, a.content, name)
			}
		default:
			r.skip()
		}
	})
	if r.err == nil && (a.id < 0 || a.content == "") {
		r.fail("an added token without id or content")
	}
	return a
}

// model reads the model, whose members come in any order.
func (h *tokenizerJSON) model(r *jsonReader) {
	v := h.v
	kind := ""
	r.object(func(key []byte) {
		if r.peek() == 'n' && r.null() {
			return
		}
		switch string(key) {
		case "type":
			if kind = string(r.str()); r.err == nil && kind != "BPE" {
				r.fail("a model of type %.40q is not supported, want \"BPE\" (%w)", kind, errors.ErrUnsupported)
			}
		case "vocab":
			v.Tokens = r.vocab()
		case "merges":
			v.Merges = r.merges()
		case "unk_token":
			h.unknown = string(r.str())
		case "byte_fallback":
			h.fallback = r.bool()
		case "fuse_unk":
			h.fused = r.bool()
		case "ignore_merges":
			v.IgnoreMerges = r.bool()
		case "continuing_subword_prefix", "end_of_word_suffix":
			name := string(key)
			if s := r.str(); len(s) > 0 {
				r.fail("%s %.40q is not supported (%w)", name, s, errors.ErrUnsupported)
			}
		case "dropout":
			if w := r.scalar(); strings.Trim(string(w), "0.") != "" {
				r.fail("dropout %.40q is not supported (%w)", w, errors.ErrUnsupported)
			}
		default:
			r.skip()
		}
	})
	if v.Merges == nil {
		v.Merges = []string{}
	}
}

// vocab reads an object of ids by token.
func (r *jsonReader) vocab() []string {
	count, size, last, start, depth := 0, 0, int32(-1), r.pos, r.depth
	r.object(func(key []byte) {
		size += len(key)
		count++
		last = max(last, r.int32())
	})
	if r.err == nil && int(last) >= count+maxGap {
		r.fail("token id %d among %d tokens", last, count)
	}
	if r.err != nil {
		return nil
	}
	r.pos, r.depth = start, depth
	tokens := make([]string, last+1)
	var text strings.Builder
	text.Grow(size)
	r.object(func(key []byte) {
		from := text.Len()
		text.Write(key)
		switch id := r.int32(); {
		case r.err != nil:
		case id < 0:
			r.fail("token id %d", id)
		case text.Len() == from:
			r.fail("token %d is empty", id)
		case tokens[id] != "":
			r.fail("token id %d is both %.40q and %.40q", id, tokens[id], text.String()[from:])
		default:
			tokens[id] = text.String()[from:]
		}
	})
	return tokens
}

// merges reads an array of "left right" or ["left", "right"].
func (r *jsonReader) merges() []string {
	count, size, start, depth := 0, 0, r.pos, r.depth
	r.array(func() {
		before := size
		if r.peek() == '[' {
			size++
			r.array(func() { size += len(r.str()) })
		} else {
			size += len(r.str())
		}
		if size < before+len("a b") {
			r.fail("merge %d is not two tokens", count)
		}
		count++
	})
	if r.err != nil {
		return nil
	}
	r.pos, r.depth = start, depth
	merges := make([]string, 0, count)
	var text strings.Builder
	text.Grow(size)
	r.array(func() {
		from := text.Len()
		if r.peek() == '[' {
			parts, blanks := 0, 0
			r.array(func() {
				if parts++; parts == 2 {
					text.WriteByte(' ')
				}
				s := r.str()
				blanks += bytes.Count(s, []byte(" "))
				text.Write(s)
			})
			if parts != 2 || blanks > 0 {
				r.fail("merge %d is not two tokens without blanks", len(merges))
			}
		} else {
			text.Write(r.str())
		}
		merges = append(merges, text.String()[from:])
	})
	return merges
}

// add puts the added tokens into the vocabulary and types all of it.
func (h *tokenizerJSON) add() error {
	v := h.v
	n := len(v.Tokens)
	for _, a := range h.added {
		n = max(n, int(a.id)+1)
	}
	if n > len(v.Tokens)+len(h.added)+maxGap {
		return fmt.Errorf("added token id %d after %d tokens", n-1, len(v.Tokens))
	}
	v.Tokens = append(slices.Grow(v.Tokens, n-len(v.Tokens)), make([]string, n-len(v.Tokens))...)
	v.Types = make([]TokenType, n)
	for i, t := range v.Tokens {
		v.Types[i] = Normal
		if _, ok := byteOf(t); ok && h.fallback {
			v.Types[i] = Byte
		}
		if t == h.unknown && t != "" {
			v.Types[i], v.Unknown = Unknown, int32(i)
		}
	}
	for _, a := range h.added {
		if t := v.Tokens[a.id]; t != "" && t != a.content {
			return fmt.Errorf("token id %d is both %.40q and %.40q", a.id, t, a.content)
		}
		v.Tokens[a.id] = a.content
		switch {
		case a.content == h.unknown:
			v.Types[a.id], v.Unknown = Unknown, a.id
		case a.special:
			v.Types[a.id] = Control
		default:
			v.Types[a.id] = UserDefined
		}
	}
	for i, t := range v.Tokens {
		if t == "" {
			v.Tokens[i], v.Types[i] = padding(i), Unused
		}
	}
	return nil
}

// settle finds what merges say of scores. With SentencePiece they are dropped
// where scores say the same.
func (v *Vocab) settle(t *table) error {
	p, err := ofMerges(v.Merges, t)
	if err != nil || v.Model == ByteLevel {
		return err
	}
	scores, equal := v.scoresOf(t, p, len(v.Merges))
	if v.Scores = scores; equal {
		v.Merges = nil
	}
	return nil
}

package tokenizer

// Vocabularies in Hugging Face folders: which files there are, and how they go
// together.

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
)

const (
	fileTokenizer = "tokenizer.json"
	fileModel     = "tokenizer.model"
	fileVocab     = "vocab.json"
	fileMerges    = "merges.txt"
	fileAdded     = "added_tokens.json"
	fileConfig    = "tokenizer_config.json"
	fileSpecial   = "special_tokens_map.json"
	fileTemplate  = "chat_template.jinja"
	fileNetwork   = "config.json"
)

// ReadHF reads the vocabulary of a Hugging Face folder: tokenizer.json, or
// tokenizer.model, or vocab.json with merges.txt, with what
// tokenizer_config.json, special_tokens_map.json, added_tokens.json and
// config.json say beside. Where there are tokenizer.json and tokenizer.model,
// the first says how to encode and the second gives scores and types.
//
// A folder without any of these gives an error that is [ErrNone]. Encoding goes
// as llama.cpp does in two ways that differ from Hugging Face's: text is not
// brought to Unicode's form C, even if a normalizer says so (Qwen2's does), and
// added tokens are looked for in the text as it is written, even if they are
// marked as normalized.
func ReadHF(dir string) (*Vocab, error) {
	v, err := readHF(dir)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	return v, nil
}

func readHF(dir string) (*Vocab, error) {
	h := folder{dir: dir}
	names := map[string]string{} // bos_token and so on
	h.each(fileConfig, func(r *jsonReader) { h.config(r, names) })
	h.each(fileSpecial, func(r *jsonReader) { r.object(func(key []byte) { r.special(key, names) }) })
	h.each(fileAdded, func(r *jsonReader) {
		r.object(func(key []byte) {
			a := added{content: string(key)}
			a.id = r.int32()
			h.added = append(h.added, a)
		})
	})
	h.each(fileNetwork, func(r *jsonReader) { h.network(r) })
	if template := h.read(fileTemplate); template != nil {
		h.template = string(template)
	}
	var v *Vocab
	switch {
	case h.err != nil:
	case h.has(fileTokenizer):
		v = h.tokenizerJSON()
	case h.has(fileModel):
		v = h.parse(fileModel, parseModel)
		h.merge(v)
		if h.err == nil && h.addSpace != nil {
			v.AddSpacePrefix = *h.addSpace
		}
	case h.has(fileVocab) && h.has(fileMerges):
		v = h.vocabAndMerges(names)
	default:
		return nil, fmt.Errorf("%s: %w: neither %s, %s nor %s with %s", dir, ErrNone, fileTokenizer, fileModel, fileVocab, fileMerges)
	}
	if h.err != nil {
		return nil, h.err
	}
	if err := h.settle(v, names); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return v, nil
}

// folder is what the small files say.
type folder struct {
	dir string
	err error

	added          []added
	addBOS, addEOS *bool
	addSpace       *bool
	class          string // tokenizer_class
	modelType      string // model_type
	ids            map[string]int32
	template       string
}

func (h *folder) path(name string) string { return filepath.Join(h.dir, name) }

func (h *folder) has(name string) bool {
	info, err := os.Stat(h.path(name))
	return err == nil && info.Mode().IsRegular()
}

// read returns a file's content, or nil if it is not there.
func (h *folder) read(name string) []byte {
	if h.err != nil {
		return nil
	}
	data, err := os.ReadFile(h.path(name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		h.err = err
	}
	return data
}

// each reads a JSON file that may be missing.
func (h *folder) each(name string, read func(r *jsonReader)) {
	data := h.read(name)
	if data == nil {
		return
	}
	r := &jsonReader{data: data}
	read(r)
	if err := r.end(); err != nil {
		h.err = fmt.Errorf("%s: %w", h.path(name), err)
	}
}

// parse reads a file that is there.
func (h *folder) parse(name string, parse func([]byte) (*Vocab, error)) *Vocab {
	data := h.read(name)
	if h.err != nil {
		return nil
	}
	v, err := parse(data)
	if err != nil {
		h.err = fmt.Errorf("%s: %w", h.path(name), err)
	}
	return v
}

// tokenizerJSON reads tokenizer.json, and the scores of tokenizer.model.
func (h *folder) tokenizerJSON() *Vocab {
	v := h.parse(fileTokenizer, parseTokenizerJSON)
	if h.err != nil || v.Model != SentencePiece || !h.has(fileModel) {
		return v
	}
	m := h.parse(fileModel, parseModel)
	if h.err != nil || len(m.Tokens) > len(v.Tokens) {
		return v
	}
	for i, t := range m.Tokens {
		if t != v.Tokens[i] {
			return v
		}
	}
	// Its scores hold if tokenizer.json's merges say no more than they do.
	if v.Merges == nil && m.sameOrder(v) {
		copy(v.Scores, m.Scores)
		for i, kind := range m.Types {
			if v.Types[i] == Normal {
				v.Types[i] = kind
			}
		}
	}
	return v
}

// sameOrder reports whether the scores of m, whose tokens v has too, order the
// tokens that merges make as those of v do. Tokens may have equal scores in m:
// Llama 2's runs of blanks do.
func (m *Vocab) sameOrder(v *Vocab) bool {
	t, _ := newTable(v.Tokens)
	var made []int32
	v.splits(t, v.characters(), func(_, _, into int32) bool {
		if n := len(made); n == 0 || made[n-1] != into {
			made = append(made, into)
		}
		return true
	})
	order := v.ranks()
	byRank := make([]int32, len(v.Tokens)+1)
	for _, id := range made {
		byRank[order[id]] = id + 1
	}
	last := int32(-1)
	for _, id := range byRank {
		if id--; id < 0 {
			continue
		}
		if int(id) >= len(m.Tokens) || last >= 0 && m.Scores[last] < m.Scores[id] {
			return false
		}
		last = id
	}
	return true
}

// vocabAndMerges reads vocab.json and merges.txt, byte-level.
func (h *folder) vocabAndMerges(names map[string]string) *Vocab {
	v := h.parse(fileVocab, func(data []byte) (*Vocab, error) {
		r := &jsonReader{data: data}
		v := &Vocab{Model: ByteLevel, Pre: preGPT2, BOS: -1, EOS: -1, Unknown: -1, Pad: -1, Tokens: r.vocab()}
		return v, r.end()
	})
	merges := h.read(fileMerges)
	if h.err != nil {
		return nil
	}
	if v.Merges, h.err = parseMerges(merges); h.err != nil {
		h.err = fmt.Errorf("%s: %w", h.path(fileMerges), h.err)
		return nil
	}
	if strings.HasPrefix(h.class, "Qwen2") || h.class == "" && h.modelType == "qwen2" {
		v.Pre = preQwen2
	}
	v.Types = make([]TokenType, len(v.Tokens))
	for i := range v.Types {
		v.Types[i] = Normal
		if v.Tokens[i] == "" {
			v.Tokens[i], v.Types[i] = padding(i), Unused
		}
	}
	h.merge(v)
	if h.err != nil {
		return nil
	}
	t, err := v.check()
	if err == nil {
		for _, name := range names {
			if id := t.find(name); id >= 0 {
				v.Types[id] = Control
			}
		}
		for _, id := range h.ids {
			if id >= 0 && int(id) < len(v.Types) {
				v.Types[id] = Control
			}
		}
		_, err = ofMerges(v.Merges, t)
	}
	if err != nil {
		h.err = fmt.Errorf("%s: %w", h.path(fileMerges), err)
	}
	return v
}

// parseMerges returns the lines of merges.txt but for its heading.
func parseMerges(data []byte) ([]string, error) {
	text := string(data)
	count := 0
	for line := range mergeLines(text) {
		if len(line) < len("a b") {
			return nil, fmt.Errorf("merge %d: %q is not two tokens with a blank between", count, line)
		}
		count++
	}
	merges := make([]string, 0, count)
	for line := range mergeLines(text) {
		merges = append(merges, line)
	}
	return merges, nil
}

// mergeLines yields the lines that have merges.
func mergeLines(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for line := range strings.Lines(text) {
			line = strings.TrimRight(line, "\r\n")
			if line != "" && !strings.HasPrefix(line, "#version") && !yield(line) {
				return
			}
		}
	}
}

// merge puts the added tokens behind those of v.
func (h *folder) merge(v *Vocab) {
	if h.err != nil {
		return
	}
	n := len(v.Tokens)
	for _, a := range h.added {
		if a.id < 0 || int(a.id) >= len(v.Tokens)+len(h.added)+maxGap {
			h.err = fmt.Errorf("%s: added token %q has id %d after %d tokens", h.dir, a.content, a.id, len(v.Tokens))
			return
		}
		n = max(n, int(a.id)+1)
	}
	v.PadTo(n)
	for _, a := range h.added {
		t := &v.Tokens[a.id]
		switch {
		case *t == a.content && v.Type(int(a.id)) != Normal:
			continue
		case *t != a.content && !v.isPadding(int(a.id)):
			h.err = fmt.Errorf("%s: token id %d is both %q and %q", h.dir, a.id, *t, a.content)
			return
		}
		*t = a.content
		if v.Types[a.id] = UserDefined; a.special {
			v.Types[a.id] = Control
		}
	}
}

// settle brings what the small files say into v.
func (h *folder) settle(v *Vocab, names map[string]string) error {
	t, _ := newTable(v.Tokens)
	set := func(to *int32, name, id string, keep bool) {
		if keep && *to >= 0 {
			return
		}
		if found := t.find(names[name]); names[name] != "" && found >= 0 {
			*to = found
		} else if found, ok := h.ids[id]; ok && *to < 0 && int(found) < len(v.Tokens) {
			*to = found
		}
	}
	set(&v.BOS, "bos_token", "bos_token_id", v.AddBOS && h.has(fileTokenizer))
	set(&v.EOS, "eos_token", "eos_token_id", v.AddEOS && h.has(fileTokenizer))
	set(&v.Unknown, "unk_token", "", true)
	set(&v.Pad, "pad_token", "pad_token_id", false)
	for _, id := range []int32{v.BOS, v.EOS, v.Pad} {
		if id >= 0 && v.Type(int(id)) == UserDefined {
			v.Types[id] = Control
		}
	}
	// What these classes do unless they are told otherwise.
	switch {
	case v.Model == SentencePiece && strings.Contains(h.class, "LlamaTokenizer"), v.Model == ByteLevel && h.modelType == "opt":
		v.AddBOS = v.BOS >= 0
	}
	if h.addBOS != nil {
		v.AddBOS = *h.addBOS && v.BOS >= 0
	}
	if h.addEOS != nil {
		v.AddEOS = *h.addEOS && v.EOS >= 0
	}
	v.ChatTemplate = h.template
	_, err := v.check()
	return err
}

package tokenizer

// What a tokenizer.json does to text before and after the model: the steps that
// are known, and which vocabulary they mean.

import (
	"errors"
	"fmt"
	"slices"
)

// text finds out from the normalizer and the pre-tokenizer what the model is
// and how text is brought to it.
func (h *tokenizerJSON) text() error {
	steps := flatten(h.pre, "pretokenizers")
	for _, s := range steps {
		if s.str("type") == "ByteLevel" {
			return h.byteLevel(steps)
		}
	}
	return h.sentencePiece(steps)
}

// flatten returns the steps of a sequence, or the one step there is.
func flatten(n *node, key string) []*node {
	if n == nil || n.kind != '{' {
		return nil
	}
	if n.str("type") != "Sequence" {
		return []*node{n}
	}
	var steps []*node
	items := n.list(key)
	for i := range items {
		steps = append(steps, flatten(&items[i], key)...)
	}
	return steps
}

// refuse is the error for a step that a Vocab cannot say.
func refuse(what string, n *node, why string) error {
	return fmt.Errorf("%s %.40q%s is not supported (%w)", what, n.str("type"), why, errors.ErrUnsupported)
}

// The patterns by which tokenizer.json cuts text, by pre-tokenizer.
var patterns = map[string]string{
	preGPT2:   `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`,
	preLlama3: `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
	preQwen2:  `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
}

func (h *tokenizerJSON) byteLevel(steps []*node) error {
	v := h.v
	v.Model = ByteLevel
	if h.fallback {
		return fmt.Errorf("byte_fallback with a ByteLevel pre_tokenizer is not supported (%w)", errors.ErrUnsupported)
	}
	for _, s := range flatten(h.normalizer, "normalizers") {
		if s.str("type") != "NFC" { // text is taken as it is, as llama.cpp does
			return refuse("normalizer", s, "")
		}
	}
	pattern := ""
	for _, s := range steps {
		switch s.str("type") {
		case "ByteLevel":
			if s.is("add_prefix_space", true) {
				return refuse("pre_tokenizer", s, " with add_prefix_space")
			}
			if s.is("use_regex", true) && (pattern != "" || len(steps) > 1) {
				return refuse("pre_tokenizer", s, " with use_regex after another")
			} else if s.is("use_regex", true) {
				pattern = patterns[preGPT2]
			}
		case "Split":
			p := s.get("pattern").str("Regex")
			if pattern != "" || p == "" || s.str("behavior") != "Isolated" || s.is("invert", false) {
				return refuse("pre_tokenizer", s, fmt.Sprintf(" by %.80q", p))
			}
			pattern = p
		default:
			return refuse("pre_tokenizer", s, "")
		}
	}
	for name, p := range patterns {
		if p == pattern {
			v.Pre = name
			return nil
		}
	}
	return fmt.Errorf("pre_tokenizer: splitting by %.300q is not supported, but as %q, %q and %q do it (%w)", pattern, preGPT2, preLlama3, preQwen2, errors.ErrUnsupported)
}

// space is SentencePiece's mark for a blank.
const space = "▁"

func (h *tokenizerJSON) sentencePiece(steps []*node) error {
	v := h.v
	v.Model = SentencePiece
	if v.IgnoreMerges {
		return fmt.Errorf("ignore_merges without a ByteLevel pre_tokenizer is not supported (%w)", errors.ErrUnsupported)
	}
	replaced, strip, collapse := false, false, false
	for _, s := range flatten(h.normalizer, "normalizers") {
		pattern := s.get("pattern")
		switch kind := s.str("type"); {
		case kind == "Prepend" && s.str("prepend") == space && !replaced:
			v.AddSpacePrefix = true
		case kind == "Replace" && pattern.str("String") == " " && s.str("content") == space:
			replaced = true
		case kind == "Replace" && pattern.str("Regex") == " {2,}" && s.str("content") == " " && !v.AddSpacePrefix && !replaced:
			collapse = true
		case kind == "Strip" && s.is("strip_left", false) && s.is("strip_right", false) && !v.AddSpacePrefix && !replaced:
			strip = true
		default:
			return refuse("normalizer", s, " in this place")
		}
	}
	if v.TrimSpaces = strip && collapse; strip != collapse {
		return fmt.Errorf("normalizer: only one of \"Strip\" and a \"Replace\" of blanks is not supported (%w)", errors.ErrUnsupported)
	}
	for _, s := range steps {
		if s.str("type") != "Metaspace" || len(steps) > 1 || replaced || s.str("replacement") != space {
			return refuse("pre_tokenizer", s, "")
		}
		if s.is("split", true) {
			return refuse("pre_tokenizer", s, " that splits words")
		}
		scheme := s.str("prepend_scheme")
		if scheme == "" && s.is("add_prefix_space", true) {
			scheme = "always"
		}
		switch scheme {
		case "first", "always":
			v.AddSpacePrefix, v.Metaspace = true, scheme
		case "", "never":
		default:
			return refuse("pre_tokenizer", s, fmt.Sprintf(" with prepend_scheme %.40q", scheme))
		}
		replaced = true
	}
	if !replaced {
		return fmt.Errorf("neither a ByteLevel pre_tokenizer nor blanks replaced by %q: this is not supported (%w)", space, errors.ErrUnsupported)
	}
	if !h.fused && !v.allBytes() {
		return fmt.Errorf("a model without fuse_unk and without all bytes is not supported (%w)", errors.ErrUnsupported)
	}
	return nil
}

// allBytes reports whether every byte has a token.
func (v *Vocab) allBytes() bool {
	var has [256]bool
	count := 0
	for i, t := range v.Tokens {
		if b, ok := byteOf(t); ok && v.Type(i) == Byte && !has[b] {
			has[b] = true
			count++
		}
	}
	return count == 256
}

// template reads which tokens go round a text.
func (h *tokenizerJSON) template() error {
	v := h.v
	for _, s := range flatten(h.post, "processors") {
		switch s.str("type") {
		case "ByteLevel":
			continue
		case "TemplateProcessing":
		default:
			return refuse("type", s, "")
		}
		text := false
		single := s.list("single")
		for i := range single {
			if single[i].get("Sequence") != nil {
				text = true
				continue
			}
			name := single[i].get("SpecialToken").str("id")
			id := int32(slices.Index(v.Tokens, name))
			switch {
			case id < 0 || name == "":
				return fmt.Errorf("%.40q is no token", name)
			case !text && !v.AddBOS:
				v.AddBOS, v.BOS = true, id
			case text && !v.AddEOS:
				v.AddEOS, v.EOS = true, id
			default:
				return fmt.Errorf("%.40q beside other tokens is not supported (%w)", name, errors.ErrUnsupported)
			}
		}
	}
	return nil
}

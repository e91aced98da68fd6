package tokenizer

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// llama3Text is a tokenizer.json in the form of Llama 3's: added tokens behind
// the vocabulary, and merges as arrays.
func llama3Text(pattern string) []byte {
	v := byteVocab(preLlama3, "h e", "Ġ t", "Ġt he")
	w := &jsonWriter{}
	w.in("{}", func() {
		for i, token := range v.Tokens[:len(v.Tokens)-1] {
			w.key(token).raw(fmt.Sprint(i))
		}
	})
	n := len(v.Tokens) - 1
	quoted := &jsonWriter{}
	quoted.str(pattern)
	return fmt.Appendf(nil, `{"added_tokens": [{"id": %d, "content": "<|begin|>", "special": true}, {"id": %d, "content": "<|eot|>", "special": true}, {"id": %d, "content": "<tool>", "special": false}],
		"normalizer": null,
		"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": %s}, "behavior": "Isolated", "invert": false}, {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]},
		"post_processor": {"type": "Sequence", "processors": [{"type": "ByteLevel"}, {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<|begin|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]}]},
		"model": {"type": "BPE", "dropout": null, "unk_token": null, "ignore_merges": true, "vocab": %s, "merges": [["h", "e"], ["Ġ", "t"], ["Ġt", "he"]]}}`, n, n+1, n+3, quoted.b, w.b)
}

func TestReadHF(t *testing.T) {
	sp := spVocab("▁", "a", "b", "ab", "▁a").model()
	const (
		opt    = `{"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "h": 4, "e": 5, "he": 6, "Ġ": 7}`
		merges = "#version: 0.2\r\nh e\r\n"
	)
	tests := []struct {
		name  string
		files map[string]string
		text  string
		want  []string // of EncodePrompt
		check func(v *Vocab) bool
	}{
		{"llama 3", map[string]string{fileTokenizer: string(llama3Text(patterns[preLlama3])), fileConfig: `{"bos_token": "<|begin|>", "eos_token": "<|eot|>", "chat_template": "x"}`, fileNetwork: `{"eos_token_id": [1, 2]}`},
			"he the1234<tool>", []string{"<|begin|>", "he", "Ġthe", "1", "2", "3", "4", "<tool>"},
			func(v *Vocab) bool {
				return v.Pre == preLlama3 && v.IgnoreMerges && v.ChatTemplate == "x" && v.Tokens[v.EOS] == "<|eot|>" && v.isPadding(len(v.Tokens)-2)
			}},
		{"qwen 2", map[string]string{fileTokenizer: string(llama3Text(patterns[preQwen2])), fileConfig: `{"add_bos_token": false, "bos_token": null, "pad_token": {"content": "<|eot|>", "lstrip": false}}`},
			"he", []string{"he"}, func(v *Vocab) bool { return v.Pre == preQwen2 && v.Tokens[v.Pad] == "<|eot|>" }},
		{"opt", map[string]string{fileVocab: opt, fileMerges: merges, fileNetwork: `{"model_type": "opt", "bos_token_id": 2, "eos_token_id": 2, "pad_token_id": 1}`},
			"hehe", []string{"</s>", "he", "he"}, func(v *Vocab) bool { return v.BOS == 2 && v.EOS == 2 && v.Pad == 1 && v.Type(2) == Control }},
		{"opt as configured", map[string]string{fileVocab: opt, fileMerges: merges, fileConfig: `{"add_bos_token": true, "bos_token": {"content": "</s>"}, "eos_token": "</s>", "unk_token": "</s>"}`},
			"he", []string{"</s>", "he"}, func(v *Vocab) bool { return v.Unknown == 2 }},
		{"gpt-2", map[string]string{fileVocab: opt, fileMerges: merges, fileSpecial: `{"bos_token": "</s>"}`}, "he he", []string{"he", "Ġ", "he"}, func(v *Vocab) bool { return v.BOS == 2 && v.Pre == preGPT2 }},
		{"qwen 2 by its class", map[string]string{fileVocab: opt, fileMerges: merges, fileConfig: `{"tokenizer_class": "Qwen2Tokenizer"}`}, "he", []string{"he"}, func(v *Vocab) bool { return v.Pre == preQwen2 }},
		{"sentencepiece", map[string]string{fileModel: string(sp), fileAdded: `{"<x>": 264}`, fileConfig: `{"bos_token": "<s>", "add_eos_token": true, "added_tokens_decoder": {"266": {"content": "<y>", "special": true}}}`},
			"ab<x>", []string{"<s>", "▁", "ab", "<x>", "</s>"}, func(v *Vocab) bool {
				return len(v.Tokens) == 267 && v.Type(264) == UserDefined && v.Type(265) == Unused && v.Type(266) == Control
			}},
		{"no blank", map[string]string{fileModel: string(sp), fileConfig: `{"add_prefix_space": false, "add_bos_token": false}`}, "ab", []string{"ab"}, func(v *Vocab) bool { return !v.AddSpacePrefix }},
		{"templates", map[string]string{fileModel: string(sp), fileConfig: `{"chat_template": [{"name": "tool", "template": "a"}, {"name": "default", "template": "b"}]}`}, "", []string{"<s>"}, func(v *Vocab) bool { return v.ChatTemplate == "b" }},
		{"template of its own", map[string]string{fileModel: string(sp), fileConfig: `{"chat_template": "a"}`, fileTemplate: "c"}, "", []string{"<s>"}, func(v *Vocab) bool { return v.ChatTemplate == "c" }},
		{"llava", map[string]string{fileModel: string(sp), fileNetwork: `{"model_type": "llava", "pad_token_id": 263, "text_config": {"model_type": "llama", "pad_token_id": 262}}`}, "", []string{"<s>"}, func(v *Vocab) bool { return v.Pad == 262 }},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			files := map[string][]byte{}
			for name, text := range c.files {
				files[name] = []byte(text)
			}
			v, err := ReadHF(writeFiles(t, files))
			tok := mustNew(t, v, err)
			var got []string
			for _, id := range tok.EncodePrompt(c.text, false) {
				got = append(got, v.Tokens[id])
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("EncodePrompt(%q, false): got %q, want %q", c.text, got, c.want)
			}
			if !c.check(v) {
				t.Errorf("got %+v", *v)
			}
			sameEncoding(t, v, throughHF(t, v), texts(30, 8))
			sameEncoding(t, v, throughGGUF(t, v), texts(30, 8))
		})
	}
}

// Merges that say what scores can say are dropped, others are kept.
func TestMergesAndScores(t *testing.T) {
	base := `"unk_token": "<unk>", "vocab": {"<unk>": 0, "▁": 1, "a": 2, "b": 3, "c": 4, "ab": 5, "bc": 6, "abc": 7}, "merges": `
	tests := []struct {
		name, merges string
		keep         bool
		scores       []float32
	}{
		{"by id", `["a b", "b c", "a bc", "ab c"]`, false, []float32{0, 0, -1, -2, -3, -4, -5, -6}},
		{"another order", `["b c", "a b", "a bc", "ab c"]`, false, []float32{0, -3, -4, -5, -6, -1, 0, -2}},
		{"one unlisted", `["a b", "b c", "ab c"]`, true, nil},
		{"apart", `["a bc", "a b", "b c", "ab c"]`, true, nil},
		{"none", `[]`, true, nil},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			v, err := parseTokenizerJSON([]byte(tokenizerText(replace, "null", "null", base+c.merges)))
			if err != nil {
				t.Fatal(err)
			}
			if (v.Merges != nil) != c.keep {
				t.Errorf("merges: got %q, want them kept: %v", v.Merges, c.keep)
			}
			if c.scores != nil && !slices.Equal(v.Scores, c.scores) {
				t.Errorf("scores: got %v, want %v", v.Scores, c.scores)
			}
			// As the list says, whatever the vocabulary holds.
			list := *v
			if err := jsonMerges(c.merges, &list.Merges); err != nil {
				t.Fatal(err)
			}
			sameEncoding(t, &list, v, []string{"abc", "abcabc", "aabbcc", "cba", "bcabcab abc"})
		})
	}
}

func jsonMerges(text string, to *[]string) error {
	r := &jsonReader{data: []byte(text)}
	*to = r.merges()
	return r.end()
}

// What a folder says of characters that JSON escapes arrives.
func TestEscapes(t *testing.T) {
	text := `{"a\n\t\"\\\/\b\f\r\u0041\u00e9\ud83d\ude00é": 0}`
	r := &jsonReader{data: []byte(text)}
	got := r.vocab()
	if want := "a\n\t\"\\/\b\f\rAé😀é"; r.err != nil || len(got) != 1 || got[0] != want {
		t.Errorf("got %q, %v, want %q", got, r.err, want)
	}
	w := &jsonWriter{}
	w.in("{}", func() { w.key(got[0] + "\x01\x1f\u2028").raw("0") })
	r = &jsonReader{data: w.b}
	if again := r.vocab(); r.err != nil || again[0] != got[0]+"\x01\x1f\u2028" {
		t.Errorf("written again: got %q, %v", again, r.err)
	}
	if strings.ContainsAny(string(w.b), "\x01\x1f\b\f\r\t") {
		t.Errorf("got %q, with bytes that JSON does not allow", w.b)
	}
}

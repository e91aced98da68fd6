package main

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	gold "netllm/internal/golden"
)

func TestLogits(t *testing.T) {
	var want struct {
		Cases []struct {
			IDs   []int32       `json:"ids"`
			Top10 [][][]float64 `json:"exact_top10"`
		} `json:"cases"`
	}
	readJSON(t, gold.Spec(t, "llama_golden/tiny/tiny-f32.json"), &want)
	for _, model := range []string{"llama_golden/tiny/tiny-f32.gguf", "llama_golden/tiny"} {
		for i, c := range want.Cases {
			for _, threads := range []string{"1", "2"} {
				stdout, _ := succeed(t, "logits", "--model", gold.Spec(t, model), "--tokens", formatTokens(c.IDs), "--threads", threads, "--json", "-")
				var got logitsResult
				decode(t, stdout, &got)
				if formatTokens(got.Tokens) != formatTokens(c.IDs) || len(got.Positions) != len(c.IDs) {
					t.Fatalf("case %d: got %d positions of tokens %v, want %v", i, len(got.Positions), got.Tokens, c.IDs)
				}
				for pos, p := range got.Positions {
					if p.Pos != pos || len(p.Top) != 10 {
						t.Fatalf("case %d: position %d: got %+v", i, pos, p)
					}
					for j, top := range p.Top {
						// Of two close logits either may be first.
						if d := math.Abs(float64(top.Logit) - c.Top10[pos][j][1]); !(d <= 2e-4) {
							t.Errorf("case %d: position %d: place %d: got %+v, want %v", i, pos, j, top, c.Top10[pos][j])
						}
					}
				}
			}
		}
	}
	gold.Cases(t, 2*len(want.Cases))
	stdout, stderr := succeed(t, "logits", "--model", gold.Spec(t, "llama_golden/tiny"), "--tokens", "1,2", "--top", "2")
	if !strings.HasPrefix(stdout, "pos") || strings.Count(stdout, "\n") != 3 || !strings.Contains(stderr, "threads") {
		t.Errorf("table: got %q, stderr %q", stdout, stderr)
	}
}

func TestGenerate(t *testing.T) {
	var want struct {
		Prompt    []int32 `json:"prompt_ids"`
		Generated []int32 `json:"generated_ids"`
	}
	readJSON(t, gold.Data(t, "models/stories260k/golden_once_upon_a_time.json"), &want)
	model := gold.Data(t, "models/stories260k/stories260k-f32.gguf")
	if len(want.Generated) < 64 {
		t.Fatalf("golden file: %d tokens", len(want.Generated))
	}
	text := formatTokens(want.Generated[:64])
	for _, threads := range []string{"1", "2"} {
		stdout, _ := succeed(t, "generate", "--model", model, "--tokens", formatTokens(want.Prompt), "-n", "64", "--threads", threads)
		if stdout != text+"\n" {
			t.Errorf("%s threads: got %s, want %s", threads, stdout, text)
		}
	}
	gold.Cases(t, 1)

	stdout, _ := succeed(t, "generate", "--model", model, "--tokens", formatTokens(want.Prompt), "-n", "64", "--json")
	var got generateResult
	decode(t, stdout, &got)
	if formatTokens(got.Generated) != text || formatTokens(got.Tokens) != formatTokens(want.Prompt) || got.Device != "cpu" {
		t.Errorf("JSON: got %+v", got)
	}

	stopped, _ := succeed(t, "generate", "--model", model, "--tokens", formatTokens(want.Prompt), "--stop-tokens", formatTokens(want.Generated[2:3]))
	if stopped != formatTokens(want.Generated[:3])+"\n" {
		t.Errorf("--stop-tokens: got %s, want %s", stopped, formatTokens(want.Generated[:3]))
	}

	draw := func(seed string) string {
		stdout, _ := succeed(t, "generate", "--model", model, "--tokens", "1", "-n", "32", "--temp", "1", "--seed", seed)
		return stdout
	}
	if a, b := draw("1"), draw("1"); a != b {
		t.Errorf("one seed, two texts: %s and %s", a, b)
	}
	if a, b := draw("1"), draw("2"); a == b {
		t.Errorf("two seeds, one text: %s", a)
	}

	for name, args := range map[string][]string{
		"vocabulary has": {"--tokens", "1,512"},
	} {
		code, stdout, stderr := command(t, append([]string{"generate", "--model", model}, args...)...)
		if code != 1 || stdout != "" || !strings.Contains(stderr, name) {
			t.Errorf("%v: got exit code %d, stdout %q, stderr %q", args, code, stdout, stderr)
		}
	}
}

// TestGenerateText continues text by the model's own tokenizer, from every kind of file.
func TestGenerateText(t *testing.T) {
	for _, c := range []struct{ golden, model string }{
		{"models/stories260k/golden_once_upon_a_time.json", "models/stories260k/stories260k-f32.gguf"},
		{"models/tinystories656k/golden_once_upon_a_time.json", "models/tinystories656k"},
		{"models/tinystories3m-chat-gpt2/golden_once_upon_a_time.json", "models/tinystories3m-chat-gpt2"},
		{"models/tinystories3m-chat-gpt2/golden_once_upon_a_time.json", "models/tinystories3m-chat-gpt2/tinystories3m-chat-gpt2-f32.gguf"},
	} {
		var want struct {
			Prompt    string  `json:"prompt"`
			PromptIDs []int32 `json:"prompt_ids"`
			Generated []int32 `json:"generated_ids"`
		}
		readJSON(t, gold.Data(t, c.golden), &want)
		model := gold.Data(t, c.model)
		stdout, stderr := succeed(t, "generate", "--model", model, "--prompt", want.Prompt, "-n", "64", "--json")
		var got generateResult
		decode(t, stdout, &got)
		if formatTokens(got.Tokens) != formatTokens(want.PromptIDs) || formatTokens(got.Generated) != formatTokens(want.Generated[:64]) {
			t.Errorf("%s: got %v after %v, want %v after %v", c.model, got.Generated, got.Tokens, want.Generated[:64], want.PromptIDs)
		}
		// What the stream printed is the text, and the text ends before the stop word.
		if !strings.Contains(stderr, got.Text) || !strings.Contains(stderr, "tokens/s") {
			t.Errorf("%s: printed %q, want %q in it", c.model, stderr, got.Text)
		}
		before, _, found := strings.Cut(got.Text, "little")
		if !found {
			t.Fatalf("%s: got %q, want it to say little", c.model, got.Text)
		}
		stopped, stderr := succeed(t, "generate", "--model", model, "--prompt", want.Prompt, "-n", "64", "--stop", "never said", "--stop", "little")
		if stopped != before+"\n" || !strings.Contains(stderr, "ended: stop") {
			t.Errorf("%s: got %q, %q, want %q", c.model, stopped, stderr, before)
		}
	}
	gold.Cases(t, 4)
}

func TestGenerateEndsTheText(t *testing.T) {
	model := gold.Data(t, "models/stories260k/stories260k-f32.gguf")
	prompt := "Once upon a time"
	end := []string{"generate", "--model", model, "--prompt", prompt, "-n", "500"}
	stdout, stderr := succeed(t, end...)
	if !strings.Contains(stderr, "ended: end") || strings.Contains(stdout, "<s>") {
		t.Errorf("got %q, %q, want the model's own end", stdout, stderr)
	}
	longer, stderr := succeed(t, append(end, "--ignore-eos")...)
	if !strings.HasPrefix(longer, strings.TrimSpace(stdout)) || len(longer) <= len(stdout) || strings.Contains(stderr, "ended: end") {
		t.Errorf("--ignore-eos: got %q, %q after %q", longer, stderr, stdout)
	}
	var plain, special generateResult
	for flags, result := range map[string]*generateResult{"": &plain, "--special": &special} {
		out, _ := succeed(t, append([]string{"generate", "--model", model, "--prompt", "<s>a", "-n", "1", "--json"}, strings.Fields(flags)...)...)
		decode(t, out, result)
	}
	if len(special.Tokens) >= len(plain.Tokens) || special.Tokens[1] != 1 {
		t.Errorf("--special: got %v, without it %v", special.Tokens, plain.Tokens)
	}
	code, _, stderr := command(t, "generate", "--model", gold.Spec(t, "llama_golden/tiny"), "--prompt", "x")
	if code != 1 || !strings.Contains(stderr, "no vocabulary") {
		t.Errorf("a model without words: got exit code %d and %q", code, stderr)
	}
}

// TestEmbeddedModel continues text without being given a model.
func TestEmbeddedModel(t *testing.T) {
	continued := func(args ...string) string {
		stdout, _ := succeed(t, append([]string{"generate", "--prompt", "Package json implements encoding and decoding of", "-n", "40"}, args...)...)
		return stdout
	}
	text := continued("--threads", "1")
	if again := continued("--threads", "2"); text != again {
		t.Errorf("1 and 2 threads: got %q and %q", text, again)
	}
	if len(text) != 41 || len(strings.Fields(text)) < 4 {
		t.Errorf("got %q, want 40 letters that look like words", text)
	}
	if drawn := continued("--temp", "1", "--seed", "3"); drawn == text || drawn != continued("--temp", "1", "--seed", "3") {
		t.Errorf("drawn with one seed: got %q", drawn)
	}
}

// closedPipe fails at every write.
type closedPipe struct{}

func (closedPipe) Write([]byte) (int, error) { return 0, errors.New("pipe is closed") }

func TestGenerateToAClosedPipe(t *testing.T) {
	var stderr bytes.Buffer
	code := run(t.Context(), []string{"generate", "--model", gold.Spec(t, "llama_golden/tiny/tiny-f32.gguf"), "--tokens", "1", "-n", "1000000"}, closedPipe{}, &stderr)
	if code != 1 || !strings.HasSuffix(stderr.String(), "netllm generate: pipe is closed\n") {
		t.Errorf("got exit code %d and %q", code, stderr.String())
	}
}

func TestGenerateEndsWithTheModel(t *testing.T) {
	model := gold.Spec(t, "llama_golden/tiny/tiny-f32.gguf")
	stdout, stderr := succeed(t, "generate", "--model", model, "--tokens", "1,2,3", "-n", "100000")
	if !strings.Contains(stderr, "ended early: the model takes") || strings.Count(stdout, ",") < 10 {
		t.Errorf("got %q and %q", stdout, stderr)
	}
}

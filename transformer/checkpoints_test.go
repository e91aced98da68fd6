package transformer

import (
	"math"
	"path/filepath"
	"strings"
	"testing"

	"netllm/internal/golden"
	"netllm/ops"
	"netllm/tensor"
)

// checkpointGolden is what a golden file of a pretrained model says.
type checkpointGolden struct {
	Prompt    []int32     `json:"prompt_ids"`
	Generated []int32     `json:"generated_ids"`
	Last      []float64   `json:"last_logits"`
	Hidden    [][]float64 `json:"final_hidden"`
}

// checkpoints are the pretrained models and their golden files. greedy: all 64
// tokens are decided clearly enough for float32 and for the weights' type, as
// llama.cpp shows (the READMEs of the models say where it does not).
var checkpoints = []struct {
	file, golden string
	greedy       bool
}{
	{"stories260k/stories260k-f32.gguf", "golden_once_upon_a_time.json", true},
	{"stories260k", "golden_once_upon_a_time.json", true},
	{"stories260k/stories260k-f16.gguf", "golden_f16.json", true},
	{"stories260k/stories260k-q8_0.gguf", "golden_q8_0.json", true},
	{"stories260k/stories260k-q4_0.gguf", "golden_q4_0.json", false},
	{"tinystories656k/tinystories656k-f32.gguf", "golden_once_upon_a_time.json", true},
	{"tinystories656k", "golden_once_upon_a_time.json", true}, // its tied matrix is lm_head's
	{"tinystories656k/tinystories656k-f16.gguf", "golden_f16.json", true},
	{"tinystories656k/tinystories656k-q8_0.gguf", "golden_q8_0.json", false},
	{"tinystories656k/tinystories656k-q4_0.gguf", "golden_q4_0.json", false},
	{"babyllama105", "golden_once_upon_a_time.json", true},
	{"tinystories3m-chat-gpt2/tinystories3m-chat-gpt2-f32.gguf", "golden_once_upon_a_time.json", true},
	{"tinystories3m-chat-gpt2", "golden_once_upon_a_time.json", true},
	{"tinystories3m-chat-gpt2/tinystories3m-chat-gpt2-f32.gguf", "golden_summary_story.json", true},
	{"tinystories3m-chat-gpt2", "golden_summary_story.json", true},
}

// rounding is how far the logits of a backend that rounds activations may be from
// the exact ones, in their own root mean square: the bounds of llama_golden for
// its models in the same types, whose logits have one of about 1.4.
func rounding(b ops.Backend, m Model) (largest, rms float64, rounds bool) {
	for _, l := range linears(m.(*decoder).net) {
		switch t := l.weight.DType(); {
		case !ops.RoundsActivations(b, t) && !ops.RoundsToHalf(b, t):
		case t == tensor.Q4_0:
			return 2 * 0.1512 / 1.4, 1.5 * 0.0242 / 1.4, true
		case t == tensor.Q8_0:
			return 2 * 0.1012 / 1.4, 1.5 * 0.0218 / 1.4, true
		}
	}
	return 0, 0, false
}

// TestCheckpoints compares logits and features after a prompt, and a greedy
// continuation, of all pretrained models.
func TestCheckpoints(t *testing.T) {
	dir := golden.Data(t, "models")
	eachBackend(t, func(t *testing.T, b ops.Backend) {
		tokens, compared := 0, 0
		for i, m := range checkpoints {
			if i > 0 && slow(t) && filepath.Ext(m.file) == "" && filepath.Dir(checkpoints[i-1].file) == m.file {
				continue // the same numbers as in the GGUF file before
			}
			compared++
			t.Run(m.file+" "+m.golden, func(t *testing.T) {
				path := filepath.Join(dir, m.file)
				folder := path
				if filepath.Ext(path) == ".gguf" {
					folder = filepath.Dir(path)
				}
				var want checkpointGolden
				readJSON(t, filepath.Join(folder, m.golden), &want)
				model, err := Load(b, path)
				if err != nil {
					t.Fatal(err)
				}
				defer model.Close()
				comparePrompt(t, b, model, &want)
				if m.greedy {
					tokens += compareGreedy(t, b, model, &want)
				}
			})
		}
		t.Logf("%d greedy tokens equal", tokens)
		golden.Cases(t, compared)
	})
}

// slow reports whether the backend of a test is slow where it is tested: the
// kernels without assembly, and a GPU that is emulated.
func slow(t *testing.T) bool {
	return strings.Contains(t.Name(), "generic") || strings.Contains(t.Name(), "vulkan")
}

// comparePrompt compares features and logits after the prompt.
func comparePrompt(t *testing.T, b ops.Backend, m Model, want *checkpointGolden) {
	t.Helper()
	c := ops.NewContext(b)
	defer c.Arena.Free()
	n, vocab := len(want.Prompt), m.Shape().Vocab
	x := m.Forward(c, m.EmbedTokens(c, c.Int32s(want.Prompt, 1, n)), nil)
	hidden, err := c.Floats(x)
	if err != nil {
		t.Fatal(err)
	}
	logits, err := c.Floats(m.Logits(c, x.Slice(1, n-1, n)).Reshape(vocab))
	if err != nil {
		t.Fatal(err)
	}
	var squares, errors float64
	for i, w := range want.Last {
		squares += w * w
		errors += math.Pow(float64(logits[i])-w, 2)
	}
	scale := math.Sqrt(squares / float64(vocab))
	largest, rms, rounds := rounding(b, m)
	if rounds {
		largest, rms = largest*scale, rms*scale
	} else {
		largest, rms = logitTolerance, logitTolerance
		for i, row := range want.Hidden {
			if d := farthest(hidden[i*m.Width():(i+1)*m.Width()], row); !(d <= logitTolerance) {
				t.Errorf("features of position %d: got a difference of %.2g, want at most %.2g", i, d, logitTolerance)
			}
		}
	}
	if d := farthest(logits, want.Last); !(d <= largest) {
		t.Errorf("logits: got a largest difference of %.2g, want at most %.2g", d, largest)
	}
	if d := math.Sqrt(errors / float64(vocab)); !(d <= rms) {
		t.Errorf("logits: got a root mean square difference of %.2g, want at most %.2g", d, rms)
	}
}

// compareGreedy compares the greedy continuation, and less of it where every token
// takes long. It returns the number of tokens.
func compareGreedy(t *testing.T, b ops.Backend, m Model, want *checkpointGolden) int {
	t.Helper()
	tokens := want.Generated
	if slow(t) {
		tokens = tokens[:16]
	}
	c := ops.NewContext(b)
	defer c.Arena.Free()
	cache := m.NewCache(b, 1, len(want.Prompt)+len(tokens))
	defer cache.Free()
	got, err := Generate(c, m, want.Prompt, cache, Greedy(len(tokens)))
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range tokens {
		if got[i] != id {
			t.Fatalf("token %d: got %d, want %d", i, got[i], id)
		}
	}
	return len(tokens)
}

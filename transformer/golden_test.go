package transformer

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"netllm/internal/golden"
	"netllm/ops"
)

// eachBackend runs a test on every kind of hardware there is here.
func eachBackend(t *testing.T, f func(t *testing.T, b ops.Backend)) {
	for name, open := range backends {
		t.Run(name, func(t *testing.T) {
			b := open()
			t.Cleanup(func() {
				if n := b.Counters().HostFallbacks; n != 0 {
					t.Errorf("host fallbacks: got %d, want 0", n)
				}
				if err := b.Close(); err != nil {
					t.Error(err)
				}
			})
			f(t, b)
		})
	}
}

// llamaGolden is a case file of llama_golden.
type llamaGolden struct {
	Cases []struct {
		IDs         []int32       `json:"ids"`
		ExactLast   []float64     `json:"exact_last"`
		ExactTop10  [][][]float64 `json:"exact_top10"`
		GreedyExact []int32       `json:"greedy_exact"`
		GreedyGaps  []float64     `json:"greedy_gaps"`
	} `json:"cases"`
}

const logitTolerance = 2e-4 // of llama_golden's README, for f32 with dequantised weights

func readJSON(t *testing.T, path string, v any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func TestLlamaGolden(t *testing.T) {
	dir := golden.Spec(t, "llama_golden")
	models := []struct{ name, model, cases string }{
		{"f32", "tiny/tiny-f32.gguf", "tiny/tiny-f32.json"},
		{"f16", "tiny/tiny-f16.gguf", "tiny/tiny-f16.json"},
		{"bf16", "tiny/tiny-bf16.gguf", "tiny/tiny-bf16.json"},
		{"q8_0", "tiny/tiny-q8_0.gguf", "tiny/tiny-q8_0.json"},
		{"q4_0", "tiny/tiny-q4_0.gguf", "tiny/tiny-q4_0.json"},
		{"safetensors", "tiny", "tiny/tiny-f32.json"},
		{"tied f32", "tinytied/tinytied-f32.gguf", "tinytied/tinytied-f32.json"},
		{"tied q8_0", "tinytied/tinytied-q8_0.gguf", "tinytied/tinytied-q8_0.json"},
	}
	eachBackend(t, func(t *testing.T, b ops.Backend) {
		compared := 0
		for _, m := range models {
			t.Run(m.name, func(t *testing.T) {
				model, err := Load(b, filepath.Join(dir, m.model))
				if err != nil {
					t.Fatal(err)
				}
				defer model.Close()
				var want llamaGolden
				readJSON(t, filepath.Join(dir, m.cases), &want)
				for i, k := range want.Cases {
					c := ops.NewContext(b)
					prefill, err := TokenLogits(c, model, k.IDs)
					if err != nil {
						t.Fatal(err)
					}
					got, err := c.Floats(prefill)
					if err != nil {
						t.Fatal(err)
					}
					compareLogits(t, i, "prefill", got, k.ExactLast, k.ExactTop10, model.Config.Vocab)
					compareLogits(t, i, "decode", decodeLogits(t, c, model, k.IDs), k.ExactLast, k.ExactTop10, model.Config.Vocab)
					checkGreedy(t, c, model, i, k.IDs, k.GreedyExact, k.GreedyGaps)
					compared++
				}
			})
		}
		golden.Cases(t, compared)
	})
}

// decodeLogits feeds ids one by one through a cache.
func decodeLogits(t *testing.T, c *ops.Context, m *Llama, ids []int32) []float32 {
	t.Helper()
	cache := m.NewCache(c.Backend, 1, len(ids))
	defer cache.Free()
	var all []float32
	for _, id := range ids {
		c.Reset()
		x := m.Forward(c, m.EmbedTokens(c, c.Int32s([]int32{id}, 1, 1)), cache)
		logits, err := c.Floats(m.Logits(c, x))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, logits...)
	}
	return all
}

func compareLogits(t *testing.T, i int, how string, got []float32, last []float64, top [][][]float64, vocab int) {
	t.Helper()
	var worst float64
	tail := got[len(got)-vocab:]
	if len(last) != vocab || len(top) != len(got)/vocab {
		t.Fatalf("case %d: %d logits and %d positions in the golden file, %d and %d here", i, len(last), len(top), vocab, len(got)/vocab)
	}
	for j, want := range last {
		worst = max(worst, math.Abs(float64(tail[j])-want))
	}
	for pos, list := range top {
		for _, entry := range list {
			worst = max(worst, math.Abs(float64(got[pos*vocab+int(entry[0])])-entry[1]))
		}
	}
	if !(worst <= logitTolerance) {
		t.Errorf("case %d, %s: largest difference: got %.2e, want at most %.0e", i, how, worst, logitTolerance)
	}
}

// checkGreedy compares a greedy continuation up to the first choice that is
// closer than the tolerance.
func checkGreedy(t *testing.T, c *ops.Context, m *Llama, i int, ids, want []int32, gaps []float64) {
	t.Helper()
	cache := m.NewCache(c.Backend, 1, len(ids)+len(want))
	defer cache.Free()
	got, err := Generate(c, m, ids, cache, Greedy(len(want)))
	if err != nil {
		t.Fatal(err)
	}
	for j := range want {
		if gaps[j] < 2*logitTolerance {
			return
		}
		if got[j] != want[j] {
			t.Errorf("case %d: token %d: got %d, want %d (gap %g)", i, j, got[j], want[j], gaps[j])
			return
		}
	}
}

func TestStories260K(t *testing.T) {
	dir := golden.Data(t, "models/stories260k")
	var want struct {
		Prompt    []int32   `json:"prompt_ids"`
		Generated []int32   `json:"generated_ids"`
		Last      []float64 `json:"last_logits"`
	}
	eachBackend(t, func(t *testing.T, b ops.Backend) {
		var f32 []float32 // of the F32 GGUF file, which the safetensors form must equal
		for _, m := range []struct{ file, golden string }{
			{"stories260k-f32.gguf", "golden_once_upon_a_time.json"},
			{"stories260k-f16.gguf", "golden_f16.json"},
			{"stories260k-q8_0.gguf", "golden_q8_0.json"},
			{".", "golden_once_upon_a_time.json"}, // safetensors
		} {
			t.Run(m.file, func(t *testing.T) {
				readJSON(t, filepath.Join(dir, m.golden), &want)
				model, err := Load(b, filepath.Join(dir, m.file))
				if err != nil {
					t.Fatal(err)
				}
				defer model.Close()
				c := ops.NewContext(b)
				cache := model.NewCache(b, 1, 128)
				defer cache.Free()
				got, err := Generate(c, model, want.Prompt, cache, Greedy(len(want.Generated)))
				if err != nil {
					t.Fatal(err)
				}
				for i := range want.Generated {
					if got[i] != want.Generated[i] {
						t.Fatalf("token %d: got %d, want %d", i, got[i], want.Generated[i])
					}
				}
				t.Logf("%d of %d greedy tokens equal", len(want.Generated), len(want.Generated))
				c.Reset()
				all, err := TokenLogits(c, model, want.Prompt)
				if err != nil {
					t.Fatal(err)
				}
				logits, err := c.Floats(all.Slice(0, len(want.Prompt)-1, len(want.Prompt)))
				if err != nil {
					t.Fatal(err)
				}
				switch m.file {
				case "stories260k-f32.gguf":
					f32 = logits
				case ".":
					if d := largest(logits, f32); d > 1e-5 {
						t.Errorf("logits differ by %g from those of the GGUF file", d)
					}
				}
				for i, w := range want.Last {
					if d := math.Abs(float64(logits[i]) - w); !(d <= logitTolerance) {
						t.Fatalf("logit %d: got %v, want %v", i, logits[i], w)
					}
				}
			})
		}
		golden.Cases(t, 4)
	})
}

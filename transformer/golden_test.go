package transformer

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"netllm/internal/golden"
	"netllm/ops"
	"netllm/tensor/gguf"
)

// llamaGolden is a case file of llama_golden.
type llamaGolden struct {
	Info struct {
		Types  map[string]gguf.Type `json:"tensor_types"`
		MaxAbs float64              `json:"max_abs_llamacpp_minus_exact"`
	} `json:"info"`
	Cases []llamaCase `json:"cases"`
}

type llamaCase struct {
	IDs         []int32       `json:"ids"`
	ExactLast   []float64     `json:"exact_last"`
	ExactTop10  [][][]float64 `json:"exact_top10"`
	RMS         float64       `json:"rms_llamacpp_minus_exact"`
	GreedyExact []int32       `json:"greedy_exact"`
	GreedyGaps  []float64     `json:"greedy_gaps"`
}

// tolerance is how far logits may be from the exact ones: each of them, and those
// of the last position in root mean square.
type tolerance struct{ each, rms float64 }

// logitTolerance is that of llama_golden's README for float32 with dequantised
// weights.
const logitTolerance = 2e-4

// tolerance returns what the README allows in case i: for a backend that rounds
// activations where the file has weights of a block type, twice and one and a
// half times the differences of llama.cpp, which rounds them too.
func (g *llamaGolden) tolerance(b ops.Backend, i int) tolerance {
	for _, typ := range g.Info.Types {
		if ops.RoundsActivations(b, typ.DType()) || ops.RoundsToHalf(b, typ.DType()) {
			return tolerance{2 * g.Info.MaxAbs, 1.5 * g.Cases[i].RMS}
		}
	}
	return tolerance{logitTolerance, logitTolerance}
}

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
		{"q4_1", "tiny/tiny-q4_1.gguf", "tiny/tiny-q4_1.json"},
		{"q5_0", "tiny/tiny-q5_0.gguf", "tiny/tiny-q5_0.json"},
		{"q5_1", "tiny/tiny-q5_1.gguf", "tiny/tiny-q5_1.json"},
		{"safetensors", "tiny", "tiny/tiny-f32.json"},
		{"tied f32", "tinytied/tinytied-f32.gguf", "tinytied/tinytied-f32.json"},
		{"tied q8_0", "tinytied/tinytied-q8_0.gguf", "tinytied/tinytied-q8_0.json"},
		{"k q4_k", "tinyk/tinyk-q4_k.gguf", "tinyk/tinyk-q4_k.json"},
		{"k q5_k", "tinyk/tinyk-q5_k.gguf", "tinyk/tinyk-q5_k.json"},
		{"k q6_k", "tinyk/tinyk-q6_k.gguf", "tinyk/tinyk-q6_k.json"},
		{"k q4_k_m", "tinyk/tinyk-q4_k_m.gguf", "tinyk/tinyk-q4_k_m.json"},
		{"k q8_0", "tinyk/tinyk-q8_0.gguf", "tinyk/tinyk-q8_0.json"},
		{"k q4_0", "tinyk/tinyk-q4_0.gguf", "tinyk/tinyk-q4_0.json"},
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
					tol := want.tolerance(b, i)
					c := ops.NewContext(b)
					prefill, err := TokenLogits(c, model, k.IDs)
					if err != nil {
						t.Fatal(err)
					}
					got, err := c.Floats(prefill)
					if err != nil {
						t.Fatal(err)
					}
					compareLogits(t, i, "prefill", got, &k, model.Shape().Vocab, tol)
					compareLogits(t, i, "decode", decodeLogits(t, c, model, k.IDs), &k, model.Shape().Vocab, tol)
					checkGreedy(t, c, model, i, &k, tol)
					compared++
				}
			})
		}
		golden.Cases(t, compared)
	})
}

// decodeLogits feeds ids one by one through a cache.
func decodeLogits(t *testing.T, c *ops.Context, m Model, ids []int32) []float32 {
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

func compareLogits(t *testing.T, i int, how string, got []float32, want *llamaCase, vocab int, tol tolerance) {
	t.Helper()
	var worst, squares float64
	last, top := want.ExactLast, want.ExactTop10
	tail := got[len(got)-vocab:]
	if len(last) != vocab || len(top) != len(got)/vocab {
		t.Fatalf("case %d: %d logits and %d positions in the golden file, %d and %d here", i, len(last), len(top), vocab, len(got)/vocab)
	}
	for j, want := range last {
		e := float64(tail[j]) - want
		worst = max(worst, math.Abs(e))
		squares += e * e
	}
	for pos, list := range top {
		for _, entry := range list {
			worst = max(worst, math.Abs(float64(got[pos*vocab+int(entry[0])])-entry[1]))
		}
	}
	if !(worst <= tol.each) {
		t.Errorf("case %d, %s: largest difference: got %.2e, want at most %.2e", i, how, worst, tol.each)
	}
	if rms := math.Sqrt(squares / float64(vocab)); !(rms <= tol.rms) {
		t.Errorf("case %d, %s: root mean square difference: got %.2e, want at most %.2e", i, how, rms, tol.rms)
	}
}

// checkGreedy compares a greedy continuation up to the first choice that is
// closer than the tolerance.
func checkGreedy(t *testing.T, c *ops.Context, m Model, i int, k *llamaCase, tol tolerance) {
	t.Helper()
	ids, want, gaps := k.IDs, k.GreedyExact, k.GreedyGaps
	cache := m.NewCache(c.Backend, 1, len(ids)+len(want))
	defer cache.Free()
	got, err := Generate(c, m, ids, cache, Greedy(len(want)))
	if err != nil {
		t.Fatal(err)
	}
	for j := range want {
		if gaps[j] < 2*tol.each {
			return
		}
		if got[j] != want[j] {
			t.Errorf("case %d: token %d: got %d, want %d (gap %g)", i, j, got[j], want[j], gaps[j])
			return
		}
	}
}

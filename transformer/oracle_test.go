package transformer

import (
	"math"
	"path/filepath"
	"testing"

	"netllm/internal/golden"
	"netllm/ops"
	"netllm/tensor"
)

// oracleGolden is what testdata/oracle/oracle.py says of a model.
type oracleGolden struct {
	IDs      []int32     `json:"ids"`
	Features [][]float64 `json:"features"`
	Logits   [][]float64 `json:"logits"`
}

// oracleModels are the folders in testdata.
var oracleModels = []string{"qwen2", "mistral", "llama3", "linear", "yarn", "bias", "opt", "optpost", "llava", "gpt2"}

func TestOracle(t *testing.T) {
	eachBackend(t, func(t *testing.T, b ops.Backend) {
		for _, name := range oracleModels {
			t.Run(name, func(t *testing.T) {
				dir := filepath.Join("testdata", name)
				var want oracleGolden
				readJSON(t, filepath.Join(dir, "golden.json"), &want)
				model, err := Load(b, dir)
				if err != nil {
					t.Fatal(err)
				}
				defer model.Close()
				compareOracle(t, b, model, &want)

				path := filepath.Join(t.TempDir(), "model.gguf")
				if err := model.WriteGGUF(b, path, tensor.F32, nil, false); err != nil {
					t.Fatal(err)
				}
				again, err := Load(b, path)
				if err != nil {
					t.Fatal(err)
				}
				defer again.Close()
				compareOracle(t, b, again, &want)
			})
		}
		golden.Cases(t, 2*len(oracleModels))
	})
}

// compareOracle compares features and logits of every position, computed in one
// pass and token by token through a cache.
func compareOracle(t *testing.T, b ops.Backend, m Model, want *oracleGolden) {
	t.Helper()
	c := ops.NewContext(b)
	defer c.Arena.Free()
	cache := m.NewCache(b, 1, len(want.IDs))
	defer cache.Free()
	pass := func(from, to int, cache *Cache) {
		c.Reset()
		x := m.EmbedTokens(c, c.Int32s(want.IDs[from:to], 1, to-from))
		x = m.Forward(c, x, cache)
		for _, part := range []struct {
			what string
			got  tensor.Tensor
			want [][]float64
		}{{"features", x, want.Features}, {"logits", m.Logits(c, x), want.Logits}} {
			got, err := c.Floats(part.got)
			if err != nil {
				t.Fatal(err)
			}
			width := part.got.Dim(2)
			for i, row := range part.want[from:to] {
				if d := farthest(got[i*width:(i+1)*width], row); !(d <= logitTolerance/10) {
					t.Fatalf("%s of position %d, in a pass from %d to %d: got a difference of %.2g, want at most %.2g",
						part.what, from+i, from, to, d, logitTolerance/10)
				}
			}
		}
	}
	pass(0, len(want.IDs), nil)
	pass(0, 7, cache)
	for i := 7; i < len(want.IDs); i++ {
		pass(i, i+1, cache)
	}
}

func farthest(got []float32, want []float64) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	var d float64
	for i, w := range want {
		if e := math.Abs(float64(got[i]) - w); !(e <= d) {
			d = e
		}
	}
	return d
}

package abr

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"netllm/internal/golden"
	"netllm/ops"
	"netllm/tensor"
	"netllm/tensor/safetensors"
	"netllm/transformer"
)

// prefixMean is the golden's stand-in for a language model:
// y_i = x_i + mean(x_0..x_i). Attention with equal scores is the mean.
type prefixMean struct{ width int }

func (m prefixMean) Width() int        { return m.width }
func (m prefixMean) MaxPositions() int { return 1 << 10 }

func (m prefixMean) NewCache(b ops.Backend, batch, positions int) *transformer.Cache {
	return transformer.NewKVCache(b, 1, batch, positions, 1, m.width)
}

func (m prefixMean) Forward(c *ops.Context, x tensor.Tensor, cache *transformer.Cache) tensor.Tensor {
	batch, seq := x.Dim(0), x.Dim(1)
	past := 0
	v := x.Reshape(batch, seq, 1, m.width)
	k := v
	if cache != nil {
		past = cache.Len
		k, v = cache.Extend(c, 0, v, v)
		cache.Len += seq
	}
	zero := make([]float32, batch*seq*m.width)
	mean := ops.Attention(c, c.Float32s(zero, batch, seq, 1, m.width), k, v, past)
	return ops.Add(c, x, mean.Reshape(batch, seq, m.width))
}

type policyGolden struct {
	F, E, W   int
	States    [][][]float64
	Qualities []int32
	Returns   []float32
	Timesteps []int32
	Tokens    [][]float64
	Logits    [][]float64
	Loss      float64
	GradNorms map[string]float64 `json:"grad_norms"`
	Rollout   []struct {
		Timestep int
		Target   float64 `json:"target_return"`
		State    int     `json:"state_of_genet_vector"`
		Tokens   int     `json:"context_tokens"`
		Logits   []float64
		Greedy   int `json:"greedy_quality"`
	}
}

func readPolicyGolden(t *testing.T, b ops.Backend) (*policyGolden, *Network) {
	t.Helper()
	var g policyGolden
	data, err := os.ReadFile(golden.Spec(t, "abr_policy_golden.json"))
	if err == nil {
		err = json.Unmarshal(data, &g)
	}
	if err != nil {
		t.Fatal(err)
	}
	n, err := NewNetwork(b, prefixMean{g.E}, NetworkConfig{Features: g.F, Window: g.W, Timesteps: Decisions + 1}, 1)
	if err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.Open(golden.Spec(t, "abr_policy_golden.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range n.Params() {
		w, err := f.Tensor(p.Name)
		if err != nil {
			t.Fatal(err)
		}
		if w.Len() != p.Value.Len() {
			t.Fatalf("%s: got %v, golden file has %v", p.Name, p.Value, w)
		}
		b.Upload(p.Value, w.Bytes())
	}
	if got, want := len(n.Params()), len(f.Names()); got != want {
		t.Fatalf("parameters: got %d, want %d", got, want)
	}
	return &g, n
}

// TestPolicyGolden checks tokens, logits, loss and gradient norms of the tiny
// policy.
func TestPolicyGolden(t *testing.T) {
	eachBackend(t, func(t *testing.T, b ops.Backend) {
		g, n := readPolicyGolden(t, b)
		s := Steps{Batch: 1, Returns: g.Returns, Actions: g.Qualities, Timesteps: g.Timesteps}
		for _, state := range g.States {
			for _, row := range state {
				for _, v := range row {
					s.States = append(s.States, float32(v))
				}
			}
		}
		c := ops.NewContext(b)
		c.Tape, c.Training = ops.NewTape(), true
		c.Tape.Watch(n.Params()...)
		compared := 0
		compare := func(what string, got tensor.Tensor, want [][]float64) {
			t.Helper()
			values, err := c.Floats(got)
			if err != nil {
				t.Fatal(err)
			}
			for i, row := range want {
				for j, w := range row {
					if v := float64(values[i*len(row)+j]); !(math.Abs(v-w) <= 2e-5+1e-5*math.Abs(w)) {
						t.Fatalf("%s [%d %d]: got %v, want %v", what, i, j, v, w)
					}
					compared++
				}
			}
		}
		compare("tokens", n.Encoder.Tokens(c, s), g.Tokens)
		logits := n.Logits(c, s)
		compare("logits", logits, g.Logits)
		loss := ops.CrossEntropy(c, logits, c.Int32s(g.Qualities, len(g.Qualities)))
		compare("loss", loss, [][]float64{{g.Loss}})
		c.Tape.Backward(c, loss)
		for _, p := range n.Params() {
			values, err := c.Floats(p.Grad)
			if err != nil {
				t.Fatal(err)
			}
			var sum float64
			for _, v := range values {
				sum += float64(v) * float64(v)
			}
			if got, want := math.Sqrt(sum), g.GradNorms[p.Name]; !(math.Abs(got-want) <= 1e-4*want) {
				t.Errorf("gradient norm of %s: got %v, want %v", p.Name, got, want)
			}
			compared++
		}
		golden.Cases(t, compared)
	})
}

// TestRolloutGolden checks the policy's questions one by one, the first with
// an empty context, the last after the oldest step has left it.
func TestRolloutGolden(t *testing.T) {
	var vectors struct {
		Genet struct {
			Vectors []struct{ State [][]float64 }
		} `json:"genet_vectors"`
	}
	data, err := os.ReadFile(golden.Spec(t, "abr_golden.json"))
	if err == nil {
		err = json.Unmarshal(data, &vectors)
	}
	if err != nil {
		t.Fatal(err)
	}
	eachBackend(t, func(t *testing.T, b ops.Backend) {
		g, n := readPolicyGolden(t, b)
		p := NewLearned(ops.NewContext(b), n, Conditioning{MaxReward: 1, Gamma: 1, Scale: 1}, 0)
		p.Reset()
		for i, r := range g.Rollout {
			var o Observation
			for f, row := range vectors.Genet.Vectors[r.State].State {
				copy(o.State[f][:], row)
			}
			p.target, p.wanted = r.Target, r.Target // the reward so far is 0: nothing is taken off
			got, err := p.Decide(&o)
			if err != nil {
				t.Fatal(err)
			}
			if got != r.Greedy {
				t.Errorf("question %d: got %d, want %d", i, got, r.Greedy)
			}
			if tokens := p.cache.Len; tokens != r.Tokens {
				t.Errorf("question %d: context of %d tokens, want %d", i, tokens, r.Tokens)
			}
			for q, want := range r.Logits {
				if got := float64(p.Logits()[q]); !(math.Abs(got-want) <= 2e-5+1e-5*math.Abs(want)) {
					t.Errorf("question %d: logit %d: got %v, want %v", i, q, got, want)
				}
			}
		}
		golden.Cases(t, len(g.Rollout))
	})
}

package vp

import (
	"math"
	"strings"
	"testing"

	"netllm/internal/deferred"
	"netllm/internal/golden"
	"netllm/netllm"
	"netllm/ops"
	"netllm/tensor"
	"netllm/transformer"
)

// runningMeanBody is the golden's stand-in for a language model: the feature at a token is the mean of
// the tokens up to it. Attention with equal scores is the mean.
type runningMeanBody struct{ width int }

func (m runningMeanBody) Width() int        { return m.width }
func (m runningMeanBody) MaxPositions() int { return 64 }

func (m runningMeanBody) NewCache(b ops.Backend, batch, positions int) *transformer.Cache {
	return transformer.NewKVCache(b, 1, batch, positions, 1, m.width)
}

func (m runningMeanBody) Forward(c *ops.Context, x tensor.Tensor, cache *transformer.Cache) tensor.Tensor {
	batch, seq, past := x.Dim(0), x.Dim(1), 0
	v := x.Reshape(batch, seq, 1, m.width)
	k := v
	if cache != nil {
		past = cache.Len
		k, v = cache.Extend(c, 0, v, v)
		cache.Len += seq
	}
	zero := make([]float32, batch*seq*m.width)
	return ops.Attention(c, c.Float32s(zero, batch, seq, 1, m.width), k, v, past).Reshape(batch, seq, m.width)
}

// hashWeights are the numbers of the golden files' rule for tensor number j.
func hashWeights(j, n int, base, scale float64) []float32 {
	values := make([]float32, n)
	for i := range values {
		z := uint64(j)<<32 + uint64(i) + 0x9E3779B97F4A7C15
		z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
		z = (z ^ z>>27) * 0x94D049BB133111EB
		z ^= z >> 31
		values[i] = float32(base + scale*(2*float64(z>>40)/(1<<24)-1))
	}
	return values
}

func TestGoldenWeightRule(t *testing.T) {
	var file struct {
		Check map[string][]float64 `json:"weight_rule_check"`
	}
	readJSON(t, "vp_golden.json", &file)
	for name, want := range file.Check {
		j := 0
		if strings.HasPrefix(name, "j=3") {
			j = 3
		}
		for i, v := range hashWeights(j, len(want), 0, 0.1) {
			if float64(v) != want[i] && math.Abs(float64(v)-want[i]) > 1e-9 {
				t.Errorf("%s, %d: got %v, want %v", name, i, v, want[i])
			}
		}
	}
	golden.Cases(t, len(file.Check))
}

// sineImage is the golden's picture feature.
type sineImage struct{}

func (sineImage) Size() int    { return 768 }
func (sineImage) Name() string { return "sine" }
func (sineImage) Features(ws []Window) ([][]float32, error) {
	var list [][]float32
	for range ws {
		f := make([]float32, 768)
		for k := range f {
			f[k] = float32(math.Sin(0.05 * float64(k)))
		}
		list = append(list, f)
	}
	return list, nil
}

type pipelineGolden struct {
	Window  int `json:"window_index"`
	Embed   int
	Tensors [][2]any
	Before  [][]float64 `json:"tokens_before_layernorm"`
	After   [][]float64 `json:"tokens_after_layernorm"`
	Rollout [][]float64 `json:"autoregressive_pred_normalised"`
	Teacher [][]float64 `json:"teacher_forcing_pred_normalised"`
	Train   map[string]struct {
		Loss  float64
		Norm  map[string]*float64 `json:"grad_l2"`
		First map[string]*float64 `json:"grad_first"`
	} `json:"training"`
}

// eachBackend runs f on the host's backend and on one whose memory the host cannot address.
func eachBackend(t *testing.T, f func(t *testing.T, b ops.Backend)) {
	for _, b := range []ops.Backend{ops.NewCPU(1), deferred.New()} {
		t.Run(b.Name(), func(t *testing.T) {
			defer b.Close()
			f(t, b)
		})
	}
}

// TestGoldenPipeline checks tokens, predictions, losses and gradients of the tiny network, with
// and without a picture.
func TestGoldenPipeline(t *testing.T) {
	var file struct {
		Windows []goldenWindow
		Plain   pipelineGolden `json:"pipeline_small"`
		Picture pipelineGolden `json:"pipeline_small_with_image_token"`
	}
	readJSON(t, "vp_golden.json", &file)
	eachBackend(t, func(t *testing.T, b ops.Backend) {
		compared := 0
		for name, g := range map[string]pipelineGolden{"plain": file.Plain, "picture": file.Picture} {
			t.Run(name, func(t *testing.T) {
				var images Images
				f := NetworkConfig{Kind: PublishedKind, Features: 256, FrozenConv: true}
				if name == "picture" {
					images, f.Image = sineImage{}, 768
				}
				net, err := NewNetwork(b, runningMeanBody{g.Embed}, f, images, 1)
				if err != nil {
					t.Fatal(err)
				}
				n := net.(*Published)
				ws := []Window{file.Windows[g.Window].window()}
				names := map[*ops.Param]string{}
				params := paramsOf(n.conv, n.embed, n.norm, n.head)
				at := []int{0, 1, 2, 3, 6, 7, 8, 9}
				if n.image != nil {
					params, at = n.Params(), []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
				}
				for i, p := range params {
					base, scale := 0.0, 0.3
					names[p] = g.Tensors[at[i]][0].(string)
					if names[p] == "ln_w" {
						base, scale = 1, 0.1
					}
					if err := netllm.Restore(b, []*ops.Param{p}, [][]float32{hashWeights(at[i], p.Value.Len(), base, scale)}); err != nil {
						t.Fatal(err)
					}
				}
				c := ops.NewContext(b)
				compare := func(what string, got tensor.Tensor, want [][]float64, skip int) {
					t.Helper()
					values, err := c.Floats(got)
					if err != nil {
						t.Fatal(err)
					}
					for i, row := range want[skip:] {
						for j, w := range row {
							if v := float64(values[i*len(row)+j]); !(math.Abs(v-w) <= 1e-5+1e-4*math.Abs(w)) {
								t.Fatalf("%s [%d %d]: got %v, want %v", what, i+skip, j, v, w)
							}
							compared++
						}
					}
				}
				rows := c.Float32s(positions(ws, Window.Past), 1, ws[0].History, len(ends))
				compare("tokens", n.tokens(c, rows), g.Before, len(g.Before)-ws[0].History)
				sequence, err := n.sequence(c, ws, rows)
				if err != nil {
					t.Fatal(err)
				}
				compare("normalised tokens", sequence, g.After, 0)

				// Answers, with and without a cache.
				for _, cache := range []*transformer.Cache{nil, n.body.NewCache(b, 1, n.Positions(ws[0].History, ws[0].Horizon))} {
					c.Reset()
					dst := [][]Angles{make([]Angles, ws[0].Horizon)}
					if err := n.Predict(c, dst, ws, cache); err != nil {
						t.Fatal(err)
					}
					for k, row := range g.Rollout {
						for axis, w := range row {
							if v := float64(normalise(dst[0][k][axis], axis)); !(math.Abs(v-w) <= 1e-5+1e-4*math.Abs(w)) {
								t.Fatalf("answer %d: got %v, want %v", k, v, w)
							}
						}
					}
				}

				c.Tape, c.Training = ops.NewTape(), true
				for way, want := range g.Train {
					c.Reset()
					c.Tape.Watch(n.Params()...)
					ops.ZeroGrad(c, n.Params())
					predict, answers := n.Teacher, g.Teacher
					if way == "autoregressive" {
						predict, answers = n.Rollout, g.Rollout
					}
					y, err := predict(c, ws)
					if err != nil {
						t.Fatal(err)
					}
					compare(way, y, answers, 0)
					loss, err := n.Loss(c, ws, way == "autoregressive")
					if err != nil {
						t.Fatal(err)
					}
					compare(way+" loss", loss, [][]float64{{want.Loss}}, 0)
					c.Tape.Backward(c, loss)
					for _, p := range params {
						values, err := c.Floats(p.Grad)
						if err != nil {
							t.Fatal(err)
						}
						var sum float64
						for _, v := range values {
							sum += float64(v) * float64(v)
						}
						norm, first := *want.Norm[names[p]], *want.First[names[p]]
						if got := math.Sqrt(sum); !(math.Abs(got-norm) <= 1e-4*norm) {
							t.Errorf("%s: gradient norm of %s: got %v, want %v", way, names[p], got, norm)
						}
						if got := float64(values[0]); !(math.Abs(got-first) <= 1e-4*math.Abs(first)+1e-6*norm) {
							t.Errorf("%s: gradient of %s: got %v, want %v", way, names[p], got, first)
						}
						compared += 2
					}
				}
			})
		}
		golden.Cases(t, compared)
	})
}

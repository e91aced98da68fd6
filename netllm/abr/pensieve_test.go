// The published agents against the reference's vectors, seeds and pool; their
// files, whole and damaged.

package abr

import (
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netllm/internal/golden"
	"netllm/tensor"
	"netllm/tensor/safetensors"
)

// madeUp makes a policy without the published data: agents have weights made
// here.
func madeUp(t testing.TB, name string) Factory {
	t.Helper()
	dir := t.TempDir()
	for _, a := range agents {
		if err := testActor().Write(filepath.Join(dir, a.file), false); err != nil {
			t.Fatal(err)
		}
	}
	f, err := NewFactory(name, PolicyConfig{Seed: 100003, Weights: dir})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func readAgent(t testing.TB, file string) *Actor {
	t.Helper()
	a, err := ReadActor(golden.Data(t, "abr/genet/"+file))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestAgentVectors compares logits, probabilities and values with those that
// the reference computed in float64.
func TestAgentVectors(t *testing.T) {
	t.Parallel()
	var file struct {
		Genet struct {
			Vectors []struct {
				State  [Features][History]float64
				Logits []float64
				Probs  []float64
				Value  float64   `json:"critic_value"`
				Real   []float64 `json:"logits_udr_real"`
				Three  []float64 `json:"logits_udr_3"`
			}
		} `json:"genet_vectors"`
	}
	readJSON(t, "abr_golden.json", &file)
	genet, real, three := readAgent(t, "genet.safetensors"), readAgent(t, "udr_real.safetensors"), readAgent(t, "udr_3.safetensors")
	cases := 0
	check := func(what string, got []float32, want []float64) {
		t.Helper()
		if len(got) != len(want) {
			t.Fatalf("%s: got %d values, want %d", what, len(got), len(want))
		}
		for i, w := range want {
			// The inputs are the same float32 values; float32 sums over 768 terms
			// of the critic's size are good to a few parts in 10^7.
			if d := math.Abs(float64(got[i]) - w); !(d <= 1e-5*max(1, math.Abs(w)/10)) {
				t.Errorf("%s %d: got %v, want %v", what, i, got[i], w)
			}
			cases++
		}
	}
	for _, v := range file.Genet.Vectors {
		o := &Observation{State: v.State}
		logits, realLogits, threeLogits := genet.Logits(o), real.Logits(o), three.Logits(o)
		probs := MoveProbabilities(logits)
		check("genet", logits[:], v.Logits)
		check("probabilities", probs[:], v.Probs)
		check("value", []float32{genet.Value(o)}, []float64{v.Value})
		check("udr-real", realLogits[:], v.Real)
		check("udr3", threeLogits[:], v.Three)
	}
	golden.Cases(t, cases)
}

// TestGenetSeeds plays the reference's ten seeds of the sampled agent.
func TestGenetSeeds(t *testing.T) {
	t.Parallel()
	dir := dataRoot(t)
	var ref struct {
		Multi struct {
			Seeds  []uint64
			Scores []float64 `json:"mean_qoe"`
			Mean   float64
			Std    float64 `json:"std_population"`
		} `json:"video1_visible_multi_seed"`
	}
	readJSON(t, "abr_reference.json", &ref)
	sessions, err := openTraces(t, dir, "fcc-test").Sessions(Plan{Start: StartIndex})
	if err != nil {
		t.Fatal(err)
	}
	var mean, square float64
	for i, seed := range ref.Multi.Seeds {
		r, err := Evaluate(t.Context(), seededFactory(t, "genet-sampled", seed), openVideo(t, dir, "video1"), sessions, EvalOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if !close9(r.Mean, ref.Multi.Scores[i]) {
			t.Errorf("seed %d: got %.12f, want %.9f", seed, r.Mean, ref.Multi.Scores[i])
		}
		mean += r.Mean / float64(len(ref.Multi.Seeds))
		square += r.Mean * r.Mean / float64(len(ref.Multi.Seeds))
	}
	if std := math.Sqrt(square - mean*mean); !close9(mean, ref.Multi.Mean) || !close9(std, ref.Multi.Std) {
		t.Errorf("got %.12f +- %.12f, want %.9f +- %.9f", mean, std, ref.Multi.Mean, ref.Multi.Std)
	}
	golden.Cases(t, len(ref.Multi.Seeds)+2)
}

// TestGenetPool collects the reference's deterministic pool.
func TestGenetPool(t *testing.T) {
	t.Parallel()
	dir := dataRoot(t)
	var ref struct {
		Pool struct {
			Det struct {
				N, Episodes int
				Mean        float64 `json:"mean_reward"`
				Min         float64 `json:"min_reward"`
				Max         float64 `json:"max_reward"`
				Hist        []int   `json:"action_hist"`
			}
		} `json:"experience_pool"`
	}
	readJSON(t, "abr_reference.json", &ref)
	want := ref.Pool.Det
	golden.Data(t, "abr/traces/fcc-train")
	sessions, err := openTraces(t, dir, "fcc-train").Sessions(Plan{Start: StartRow1})
	if err != nil {
		t.Fatal(err)
	}
	got, err := Collect(t.Context(), factory(t, "genet-sampled"), openVideo(t, dir, "video1"), sessions, CollectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	mean, hist := 0.0, make([]int, Qualities)
	for i, r := range got.Rewards {
		mean += r / float64(got.Len())
		hist[got.Actions[i]]++
	}
	if got.Len() != want.N || len(sessions) != want.Episodes || !slices.Equal(hist, want.Hist) {
		t.Errorf("got %d transitions in %d episodes, qualities %v, want %d, %d, %v", got.Len(), len(sessions), hist, want.N, want.Episodes, want.Hist)
	}
	if low, high := slices.Min(got.Rewards), slices.Max(got.Rewards); !close9(mean, want.Mean) || !close9(low, want.Min) || !close9(high, want.Max) {
		t.Errorf("rewards: got mean %v, %v to %v, want %v, %v to %v", mean, low, high, want.Mean, want.Min, want.Max)
	}
	golden.Cases(t, 5+len(hist))
}

// testActor is an agent whose weights are all different.
func testActor() *Actor {
	a := NewActor()
	rng := NewMT19937(5)
	for _, t := range a.Tensors() {
		for i := range t.Data {
			t.Data[i] = float32(rng.Uniform(-0.1, 0.1))
		}
	}
	return a
}

func TestActorFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.safetensors")
	want := testActor()
	if err := want.Write(path, false); err != nil {
		t.Fatal(err)
	}
	got, err := ReadActor(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("read back (-written, +read):\n%s", diff)
	}
	if err := want.Write(path, false); err == nil {
		t.Error("an old file was overwritten")
	}
	if err := want.Write(path, true); err != nil {
		t.Error(err)
	}
}

func TestActorFileErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(list []safetensors.Entry) []safetensors.Entry
		want   []string
	}{
		{"missing", func(l []safetensors.Entry) []safetensors.Entry { return l[1:] },
			[]string{"a.safetensors", `no tensor "actor.last_bitrate_fc.weight"`}},
		{"shape", func(l []safetensors.Entry) []safetensors.Entry {
			l[0] = zeros("actor.last_bitrate_fc.weight", tensor.F32, 128, 1)
			return l
		}, []string{"a.safetensors", `tensor "actor.last_bitrate_fc.weight"`, "want F32 [1 128]"}},
		{"type", func(l []safetensors.Entry) []safetensors.Entry {
			l[1] = zeros("actor.last_bitrate_fc.bias", tensor.F64, 128)
			return l
		}, []string{"a.safetensors", `tensor "actor.last_bitrate_fc.bias"`, "want F32 [128]"}},
		{"too many", func(l []safetensors.Entry) []safetensors.Entry {
			return append(l, zeros("actor.more.bias", tensor.F32, 1))
		}, []string{"a.safetensors", `tensor "actor.more.bias" is not an agent's`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var list []safetensors.Entry
			for _, w := range NewActor().Tensors() {
				list = append(list, zeros(w.Name, tensor.F32, w.Shape...))
			}
			path := filepath.Join(t.TempDir(), "a.safetensors")
			if err := safetensors.Write(path, nil, c.change(list)); err != nil {
				t.Fatal(err)
			}
			_, err := ReadActor(path)
			checkError(t, err, append(c.want, "abr: weights: ")...)
		})
	}
	t.Run("not finite", func(t *testing.T) {
		a := testActor()
		a.Critic.Out.Bias[0] = float32(math.NaN())
		path := filepath.Join(t.TempDir(), "a.safetensors")
		if err := a.Write(path, false); err != nil {
			t.Fatal(err)
		}
		_, err := ReadActor(path)
		checkError(t, err, "abr: weights: ", "a.safetensors", `tensor "critic.out_fc.bias": element 0 is NaN`)
	})
	t.Run("no folder", func(t *testing.T) {
		_, err := NewFactory("genet", PolicyConfig{})
		checkError(t, err, `abr: policy "genet": needs the folder`)
		_, err = NewFactory("udr-real-sampled", PolicyConfig{Weights: t.TempDir()})
		checkError(t, err, `abr: policy "udr-real-sampled": weights: `, "udr_real.safetensors")
		if strings.Count(err.Error(), "abr: ") != 1 {
			t.Errorf("got %v", err)
		}
	})
}

func zeros(name string, dtype tensor.DType, shape ...int) safetensors.Entry {
	n := dtype.BlockBytes()
	for _, d := range shape {
		n *= d
	}
	return safetensors.EntryOf(name, tensor.Of(tensor.HostBytes(make([]byte, n)), dtype, shape...))
}

// TestActorReadsOneTap: the other three positions of a kernel change nothing.
func TestActorReadsOneTap(t *testing.T) {
	t.Parallel()
	a := testActor()
	o := &Observation{}
	for f := range o.State {
		for i := range o.State[f] {
			o.State[f][i] = float64(1+f) / float64(2+i)
		}
	}
	want := a.Logits(o)
	for tap := range actorTaps {
		b := testActor()
		for i := range History * ActorWidth {
			b.Policy.Branches[RowThroughput].Weight[tap*History*ActorWidth+i] += 1
		}
		if got := b.Logits(o); (got == want) == (tap == ActorTap) {
			t.Errorf("tap %d: logits %v, before %v", tap, got, want)
		}
	}
}

func TestAgentMoves(t *testing.T) {
	t.Parallel()
	a := NewActor() // logits are its biases
	for move, bias := range [][]float32{{2, 1, 0}, {0, 2, 1}, {0, 1, 2}} {
		copy(a.Policy.Out.Bias, bias)
		p, _ := GreedyFactory("x", a).New()
		for quality := range Qualities {
			got, err := p.Decide(&Observation{Last: Chunk{Quality: quality}})
			if want := min(max(quality+move-1, 0), Qualities-1); got != want || err != nil {
				t.Errorf("move %d from %d: got %d, %v, want %d", move, quality, got, err, want)
			}
		}
	}
	copy(a.Policy.Out.Bias, []float32{1, 1, 1})
	p, _ := GreedyFactory("x", a).New()
	if got, _ := p.Decide(&Observation{Last: Chunk{Quality: 3}}); got != 2 {
		t.Errorf("equal logits: got %d, want the first move's 2", got)
	}
	a.Policy.Out.Bias[1] = float32(math.NaN())
	_, err := p.Decide(&Observation{})
	checkError(t, err, "abr: agent: logits")
}

// Attention, and whole models.

package bench

import (
	"fmt"
	"testing"

	"netllm/bench/suite"
	"netllm/bench/work"
	"netllm/internal/golden"
	"netllm/ops"
)

// BenchmarkAttention measures attention with 12 heads of 64: over a prompt, of one
// token after a long one, and forward and backward.
func BenchmarkAttention(b *testing.B) {
	for _, c := range []struct {
		name string
		a    work.Attention
	}{
		{"pass=prefill/seq=512/past=0", work.Attention{Seq: 512}},
		{"pass=decode/seq=1/past=1023", work.Attention{Seq: 1, Past: 1023}},
		{"pass=backward/seq=512/past=0", work.Attention{Seq: 512, Backward: true}},
	} {
		c.a.Batch, c.a.Heads, c.a.KVHeads, c.a.HeadDim = 1, 12, 12, 64
		suite.Run(b, c.name, func(_ *testing.B, backend ops.Backend) (*work.Work, error) { return c.a.New(backend) })
	}
}

// BenchmarkPrefill measures a pass over a prompt of 512 tokens, or as many as the
// model takes.
func BenchmarkPrefill(b *testing.B) {
	for _, m := range suite.Models(b, "F32", "F16", "Q8_0", "Q4_0") {
		suite.Run(b, m.Name, func(b *testing.B, backend ops.Backend) (*work.Work, error) {
			opened, err := m.Open(b, backend)
			if err != nil {
				return nil, err
			}
			return opened.Prefill(backend, min(512, opened.MaxPositions()))
		})
	}
}

// BenchmarkDecode measures one token after another, from the first to the 64th.
func BenchmarkDecode(b *testing.B) {
	for _, m := range suite.Models(b, "F32", "F16", "Q8_0", "Q4_0") {
		suite.Run(b, m.Name, func(b *testing.B, backend ops.Backend) (*work.Work, error) {
			opened, err := m.Open(b, backend)
			if err != nil {
				return nil, err
			}
			return opened.Decode(backend, 0, 64)
		})
	}
}

// BenchmarkLoRAStep measures a training step, see work.LoRAStep: 8 layers of width
// 512, rank 32, 120 tokens. NETLLM_MODEL does not matter.
func BenchmarkLoRAStep(b *testing.B) {
	for _, batch := range []int{1, 8} {
		suite.Run(b, fmt.Sprintf("batch=%d/seq=120/rank=32", batch), func(b *testing.B, backend ops.Backend) (*work.Work, error) {
			path, err := work.TrainingModel("")
			if err != nil {
				return nil, err
			}
			m, err := suite.Load(b, backend, path)
			if err != nil {
				return nil, err
			}
			return work.LoRAStep{Batch: batch, Seq: 120, Rank: 32}.New(backend, m)
		})
	}
}

// BenchmarkABRDecision measures decisions of the learned policy with the embedded
// model, over whole sessions.
func BenchmarkABRDecision(b *testing.B) {
	suite.Run(b, "model=embedded", func(_ *testing.B, backend ops.Backend) (*work.Work, error) { return work.Decision(backend) })
}

// BenchmarkVPAnswer measures answers of viewport prediction, one question at a time: the published
// recipe position by position, with and without the cache, and the project's in one pass.
func BenchmarkVPAnswer(b *testing.B) {
	for _, a := range []struct {
		name string
		work.Answer
	}{
		{"recipe=best", work.Answer{Recipe: "best"}},
		{"recipe=paper/cache=true", work.Answer{Recipe: "paper", Caching: true}},
		{"recipe=paper/cache=false", work.Answer{Recipe: "paper"}},
	} {
		suite.Run(b, "model=embedded/"+a.name, func(_ *testing.B, backend ops.Backend) (*work.Work, error) { return a.New(backend) })
		suite.Run(b, "model=stories260k/"+a.name, func(b *testing.B, backend ops.Backend) (*work.Work, error) {
			a := a.Answer
			a.Path = golden.Data(b, "models/stories260k/stories260k-f32.gguf")
			return a.New(backend)
		})
	}
}

// BenchmarkSimulator measures sessions of constant quality 1 over the FCC training
// traces, and over generated ones.
func BenchmarkSimulator(b *testing.B) {
	suite.RunOne(b, "traces=fcc-train/quality=1", func(b *testing.B) (*work.Work, error) { return simulator(golden.Data(b, ".")) })
	suite.RunOne(b, "traces=synth/quality=1", func(*testing.B) (*work.Work, error) { return simulator("") })
}

func simulator(dataDir string) (*work.Work, error) {
	sessions, video, err := work.Sessions(dataDir)
	if err != nil {
		return nil, err
	}
	return work.Simulator(sessions, video, 1)
}

package bench

import (
	"fmt"
	"os"
	"testing"

	"netllm/netllm"
	"netllm/netllm/embedded"
	"netllm/ops"
	"netllm/tensor"
	"netllm/transformer"
)

// model opens the file that NETLLM_MODEL names, or the embedded model.
func model(b *testing.B, backend ops.Backend) *transformer.Llama {
	b.Helper()
	var m *transformer.Llama
	var err error
	if path := os.Getenv("NETLLM_MODEL"); path != "" {
		m, err = transformer.Load(backend, path)
	} else {
		name, data := embedded.Model()
		m, err = transformer.ParseGGUF(backend, name, data)
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { m.Close() })
	return m
}

// promptOf returns n tokens that every vocabulary has.
func promptOf(n int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(3 + i%200)
	}
	return ids
}

// BenchmarkPrefill measures a pass over a prompt of 128 tokens.
func BenchmarkPrefill(b *testing.B) {
	for _, threads := range []int{1, 2} {
		b.Run(fmt.Sprintf("tokens=128/threads=%d", threads), func(b *testing.B) {
			backend := open(b, threads)
			m, c, prompt := model(b, backend), ops.NewContext(backend), promptOf(128)
			for b.Loop() {
				c.Reset()
				if _, err := transformer.TokenLogits(c, m, prompt); err != nil {
					b.Fatal(err)
				}
				if err := backend.Sync(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(128*float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}

// BenchmarkDecode measures one token after another, 64 after a prompt of 64.
func BenchmarkDecode(b *testing.B) {
	for _, threads := range []int{1, 2} {
		b.Run(fmt.Sprintf("past=64/threads=%d", threads), func(b *testing.B) {
			backend := open(b, threads)
			m, c := model(b, backend), ops.NewContext(backend)
			cache := m.NewCache(backend, 1, 128)
			defer cache.Free()
			prompt, next := promptOf(64), promptOf(1)
			logits := make([]float32, m.Config.Vocab)
			c.Reset()
			m.Forward(c, m.EmbedTokens(c, c.Int32s(prompt, 1, 64)), cache)
			b.ReportAllocs()
			for b.Loop() {
				if cache.Len == 128 {
					cache.Truncate(64)
				}
				c.Reset()
				x := m.Forward(c, m.EmbedTokens(c, c.Int32s(next, 1, 1)), cache)
				if err := c.Read(logits, m.Logits(c, x).Reshape(m.Config.Vocab)); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}

// BenchmarkLoRAStep measures forward, backward and AdamW of LoRA on the query
// and value projections, for 16 sequences of 128 embeddings.
func BenchmarkLoRAStep(b *testing.B) {
	const batch, seq = 16, 128
	for _, threads := range []int{1, 2} {
		b.Run(fmt.Sprintf("batch=%d/seq=%d/rank=8/threads=%d", batch, seq, threads), func(b *testing.B) {
			backend := open(b, threads)
			m := model(b, backend)
			lora, err := transformer.NewLoRA(backend, m, transformer.LoRAConfig{Rank: 8, Alpha: 8, Targets: []string{"q_proj", "v_proj"}}, 1)
			if err != nil {
				b.Fatal(err)
			}
			body, err := m.WithLoRA(lora)
			if err != nil {
				b.Fatal(err)
			}
			trainer := netllm.NewTrainer(backend, lora.Params(), 1e-3, 1)
			x, target := make([]float32, batch*seq*m.Width()), make([]float32, batch*seq*m.Width())
			for i := range x {
				x[i] = float32(i%17)/17 - 0.5
			}
			b.ReportAllocs()
			for b.Loop() {
				_, err := trainer.Accumulate(1, func(c *ops.Context) tensor.Tensor {
					y := body.Forward(c, c.Float32s(x, batch, seq, m.Width()), nil)
					return ops.MSE(c, y, c.Float32s(target, batch, seq, m.Width()))
				})
				if err != nil {
					b.Fatal(err)
				}
				if err := trainer.Step(1); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "steps/s")
		})
	}
}

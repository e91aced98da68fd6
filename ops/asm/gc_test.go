package asm

import (
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// TestCollectionDuringGemm runs garbage collections beside endless products. Without
// a safe point in the loops over assembly a collection waits for seconds, or for ever.
func TestCollectionDuringGemm(t *testing.T) {
	if testing.Short() {
		t.Skip("takes up to seconds")
	}
	forEachImpl(t, func(t *testing.T) {
		if Level() == "generic" {
			t.Skip("Go code has safe points of its own")
		}
		const n = 768
		r := rand.New(rand.NewPCG(1, 2))
		a, b, c := uniform(r, n*n, 1), uniform(r, n*n, 1), make([]float32, n*n)
		strips := make([]float32, StripsLen(n, n))
		PackStrips(strips, b, n, n)
		quantized := make([]byte, Strips(n)*Q4_K.StripBytes(n))
		PackBlocks(Q4_K, quantized, make([]byte, n*Q4_K.FileBytes(n)), n, n)
		var many BlockActivations
		many.Reset(n, n)
		var one Activations
		QuantizeActivations(&one, a, 1, n, n)
		long := uniform(r, 1<<22, 1)
		for _, work := range []struct {
			name string
			run  func(ws *Workspace)
		}{
			{"Gemm", func(ws *Workspace) { Gemm(ws, n, n, n, 1, a, n, 1, b, 1, n, 0, c, n) }},
			{"GemmStrips", func(ws *Workspace) { GemmStrips(ws, n, n, n, 1, a, n, 1, strips, 0, c, n) }},
			{"GemmStripsBackward", func(ws *Workspace) { GemmStripsBackward(ws, n, n, n, 0, n, 1, a, n, 1, strips, 0, c, n) }},
			{"GemmBlocks", func(ws *Workspace) {
				many.Quantize(a, n, 0, n)
				GemmBlocks(ws, Q4_K, &many, 0, n, quantized, n, n, 1, 0, c, n)
			}},
			{"GemvBlocks", func(*Workspace) {
				for range 100 {
					GemvBlocks(Q4_K, c, n, quantized, n, n, &one, 1, 0)
				}
			}},
			{"Exp", func(*Workspace) { Exp(long, long) }},
		} {
			t.Run(work.name, func(t *testing.T) {
				var rounds atomic.Int64
				stop, stopped := make(chan struct{}), make(chan struct{})
				go func() {
					defer close(stopped)
					var ws Workspace
					for {
						work.run(&ws)
						rounds.Add(1)
						select {
						case <-stop:
							return
						default:
						}
					}
				}()
				for rounds.Load() == 0 {
					runtime.Gosched()
				}
				var worst time.Duration
				for range 5 {
					start := time.Now()
					runtime.GC()
					worst = max(worst, time.Since(start))
				}
				close(stop)
				<-stopped
				t.Logf("slowest of 5 collections: %v", worst)
				if worst > 5*time.Second {
					t.Errorf("a collection took %v, want seconds at most", worst)
				}
			})
		}
	})
}

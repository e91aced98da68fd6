package bench

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"netllm/ops"
	"netllm/tensor"
)

// open returns a CPU backend with pinned threads, or skips where there are not
// so many processors.
func open(b *testing.B, threads int) ops.Backend {
	b.Helper()
	if threads > runtime.NumCPU() {
		b.Skipf("skip: %d threads, %d processors", threads, runtime.NumCPU())
	}
	cpu := ops.NewCPU(threads)
	unpin, err := cpu.Pin()
	if err != nil {
		unpin = func() {}
		b.Logf("threads are not bound: %v", err)
	}
	b.Cleanup(func() {
		unpin()
		cpu.Close()
	})
	return cpu
}

// BenchmarkMatMul measures f32 products x · w and x · wᵀ.
func BenchmarkMatMul(b *testing.B) {
	for _, c := range []struct {
		m, k, n int
		form    string
	}{
		{256, 256, 256, "nn"}, {512, 512, 512, "nn"}, {1024, 1024, 1024, "nn"}, {2048, 2048, 2048, "nn"},
		{1024, 1024, 1024, "nt"}, {64, 1024, 1024, "nt"}, {1, 1024, 1024, "nt"}, {5120, 64, 64, "nt"},
	} {
		for _, threads := range []int{1, 2} {
			b.Run(fmt.Sprintf("dtype=f32/form=%s/m=%d/k=%d/n=%d/threads=%d", c.form, c.m, c.k, c.n, threads), func(b *testing.B) {
				backend := open(b, threads)
				random := func(rows, columns int) tensor.Tensor {
					rng := rand.New(rand.NewPCG(1, 2))
					t := tensor.New(tensor.F32, rows, columns)
					for i := range t.Float32s() {
						t.Float32s()[i] = rng.Float32() - 0.5
					}
					return t
				}
				out := tensor.New(tensor.F32, c.m, c.n)
				args := &ops.Args{T: [9]tensor.Tensor{out, random(c.m, c.k), random(c.k, c.n)}, F: [8]float32{1}}
				if c.form == "nt" {
					args.T[2], args.I[0] = random(c.n, c.k), 1
				}
				b.SetBytes(4 * int64(c.m*c.k+c.k*c.n+c.m*c.n))
				for b.Loop() {
					backend.Run(ops.OpMatMul, args)
				}
				b.ReportMetric(2*float64(c.m*c.k*c.n)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}

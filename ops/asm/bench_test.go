package asm

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

var gemmBenchmarks = []struct {
	m, n, k int
	form    string // of A and B: n by rows, t by columns
}{
	{256, 256, 256, "nn"}, {1024, 1024, 1024, "nn"}, {1024, 1024, 1024, "nt"}, {1024, 1024, 1024, "tn"}, // squares
	{5120, 64, 64, "nt"}, {5120, 172, 64, "nt"}, {5120, 64, 172, "nn"}, {64, 172, 5120, "tn"}, // layers of small models and their gradients
	{5120, 16, 64, "nt"}, {5120, 64, 16, "nt"}, {16, 64, 5120, "tn"}, // LoRA
	{64, 1024, 1024, "nt"}, {12, 1024, 1024, "nt"}, // short sequences
	{1, 64, 64, "nt"}, {1, 512, 128, "nt"}, {1, 1024, 1024, "nt"}, {1, 1024, 1024, "nn"}, {1, 4096, 4096, "nt"}, // decoding
}

func BenchmarkGemm(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, c := range gemmBenchmarks {
		ars, acs, _ := strides(c.form[0], c.m, c.k, 0)
		brs, bcs, _ := strides(c.form[1], c.k, c.n, 0)
		x, y, z := uniform(r, c.m*c.k, 1), uniform(r, c.k*c.n, 1), make([]float32, c.m*c.n)
		for _, isa := range Implementations() {
			b.Run(fmt.Sprintf("dtype=f32/m=%d/n=%d/k=%d/form=%s/isa=%s", c.m, c.n, c.k, c.form, isa), func(b *testing.B) {
				ForceLevel(b, isa)
				var ws Workspace
				b.SetBytes(4 * int64(len(x)+len(y)+len(z)))
				for b.Loop() {
					Gemm(&ws, c.m, c.n, c.k, 1, x, ars, acs, y, brs, bcs, 0, z, c.n)
				}
				b.ReportMetric(2*float64(c.m)*float64(c.n)*float64(c.k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}

func BenchmarkGemmStrips(b *testing.B) {
	const n, k = 2048, 2048
	r := rand.New(rand.NewPCG(1, 2))
	x, y := uniform(r, 512*k, 1), make([]float32, 512*k)
	f := newWeightForms(b, placements[1], uniform(r, n*k, 1), n, k)
	var ws Workspace
	for _, m := range []int{1, 2, 8, 64, 512} {
		for _, op := range []struct {
			name  string
			bytes int64 // of a weight
			run   func()
		}{
			{"f32", 4, func() { GemmStrips(&ws, m, n, k, 1, x, k, 1, f.strips, 0, y, n) }},
			{"f16", 2, func() { GemmStripsHalf(&ws, F16, m, n, k, 1, x, k, 1, f.strips16, 0, y, n) }},
			{"bf16", 2, func() { GemmStripsHalf(&ws, BF16, m, n, k, 1, x, k, 1, f.stripsBF16, 0, y, n) }},
			{"f32backward", 4, func() { GemmStripsBackward(&ws, m, n, k, 0, k, 1, x, n, 1, f.strips, 0, y, k) }},
			{"f16backward", 2, func() { GemmStripsHalfBackward(&ws, F16, m, n, k, 0, k, 1, x, n, 1, f.strips16, 0, y, k) }},
		} {
			for _, isa := range Implementations() {
				b.Run(fmt.Sprintf("op=%s/m=%d/n=%d/k=%d/isa=%s", op.name, m, n, k, isa), func(b *testing.B) {
					ForceLevel(b, isa)
					b.SetBytes(op.bytes * n * k)
					for b.Loop() {
						op.run()
					}
					b.ReportMetric(2*float64(m)*n*k*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
				})
			}
		}
	}
}

func BenchmarkVector(b *testing.B) {
	const n = 4096
	r := rand.New(rand.NewPCG(1, 2))
	x, y, z, u, v := uniform(r, n, 4), uniform(r, n, 4), make([]float32, n), make([]float32, n), make([]float32, n)
	h := make([]uint16, n)
	for _, op := range []struct {
		name  string
		bytes int64 // read and written per element
		run   func()
	}{
		{"dot", 8, func() { Dot(x, y) }},
		{"axpy", 12, func() { Axpy(1e-9, x, y) }},
		{"add", 12, func() { Add(z, x, y) }},
		{"muladd", 16, func() { MulAdd(z, x, y) }},
		{"sum", 4, func() { Sum(x) }},
		{"sumsquares", 4, func() { SumSquares(x) }},
		{"max", 4, func() { Max(x) }},
		{"exp", 8, func() { Exp(z, x) }},
		{"softmax", 8, func() { SoftmaxRow(z, x) }},
		{"silumul", 12, func() { SiLUMul(z, x, y) }},
		{"silumulbackward", 28, func() { SiLUMulBackward(u, v, z, x, y) }},
		{"f16tof32", 6, func() { F16ToF32(z, h) }},
		{"f32tof16", 6, func() { F32ToF16(h, x) }},
		{"bf16tof32", 6, func() { BF16ToF32(z, h) }},
		{"f32tobf16", 6, func() { F32ToBF16(h, x) }},
	} {
		for _, isa := range Implementations() {
			b.Run(fmt.Sprintf("op=%s/n=%d/isa=%s", op.name, n, isa), func(b *testing.B) {
				ForceLevel(b, isa)
				b.SetBytes(op.bytes * n)
				for b.Loop() {
					op.run()
				}
			})
		}
	}
}

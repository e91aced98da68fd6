// How fast products with quantised weights and their parts are.

package asm

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func BenchmarkGemmBlocks(b *testing.B) {
	const n, k = 2016, 2048
	for _, m := range []int{8, 64, 504} {
		for _, f := range everyBlockFormat {
			b.Run(fmt.Sprintf("m=%d/f=%v", m, f), func(b *testing.B) {
				r := rand.New(rand.NewPCG(1, 2))
				var q BlockActivations
				var ws Workspace
				q.Reset(m, k)
				q.Quantize(uniform(r, m*k, 1), k, 0, m)
				strips, c := randomStrips(r, f, n, k), make([]float32, m*n)
				for b.Loop() {
					GemmBlocks(&ws, f, &q, 0, m, strips, n, k, 1, 0, c, n)
				}
				b.ReportMetric(2*float64(m*n*k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "Gop/s")
			})
		}
	}
}

func BenchmarkQuantize(b *testing.B) {
	const m, k = 504, 2048
	x := uniform(rand.New(rand.NewPCG(1, 2)), m*k, 1)
	var q BlockActivations
	q.Reset(m, k)
	for b.Loop() {
		q.Quantize(x, k, 0, m)
	}
	b.ReportMetric(b.Elapsed().Seconds()*1e9/float64(b.N)/(m*k), "ns/element")
}

func BenchmarkDequantizeStrip(b *testing.B) {
	const k = 2048
	dst := make([]float32, 512*StripRows)
	for _, f := range everyBlockFormat {
		b.Run(f.String(), func(b *testing.B) {
			strip := randomStrips(rand.New(rand.NewPCG(1, 2)), f, StripRows, k)
			b.SetBytes(4 * 512 * StripRows)
			for b.Loop() {
				DequantizeStrip(f, dst, strip, k, 512, 1024)
			}
		})
	}
}

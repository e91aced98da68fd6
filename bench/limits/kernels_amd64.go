//go:build !noasm

package limits

import "netllm/ops/asm"

// fmaAVX512 and fmaAVX2 do 12 independent multiply-adds of a whole vector, n times.
//
//go:noescape
func fmaAVX512(n int)

//go:noescape
func fmaAVX2(n int)

// readAVX512 and readAVX2 load n bytes, a multiple of 512, from p.
//
//go:noescape
func readAVX512(p *byte, n int)

//go:noescape
func readAVX2(p *byte, n int)

// fmaKernel returns the loop of the level in use and its operations per iteration.
func fmaKernel() (run func(n int), perLoop float64) {
	switch asm.Level() {
	case "avx512":
		return fmaAVX512, 12 * 16 * 2
	case "avx2":
		return fmaAVX2, 12 * 8 * 2
	}
	return nil, 0
}

func readKernel() func(b []byte) {
	switch asm.Level() {
	case "avx512":
		return func(b []byte) { readAVX512(&b[0], len(b)) }
	case "avx2":
		return func(b []byte) { readAVX2(&b[0], len(b)) }
	}
	return nil
}

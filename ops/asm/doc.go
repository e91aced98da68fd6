// Package asm holds the float32 kernels of the CPU: Go assembly for amd64, with
// AVX-512 and with AVX2 and FMA, each beside a twin in plain Go that serves all other
// processors. It knows slices and nothing else; threads are the caller's business.
//
// The kernels are chosen once, when the program starts, by what the processor can do.
// The environment variable NETLLM_CPU = generic, avx2 or avx512 lowers the choice, and
// the build tag noasm leaves the assembly out. [Level] names what is used:
//
//	if err := asm.LevelErr(); err != nil {
//		fmt.Fprintln(os.Stderr, err)
//	}
//	fmt.Printf("cpu: %s (%s)\n", asm.Level(), asm.CPUName())
//
// A product of matrices needs a [Workspace], one for each worker:
//
//	var ws asm.Workspace
//	// y = x*W', x [m, k], W [n, k], y [m, n], all by rows
//	asm.Gemm(&ws, m, n, k, 1, x, k, 1, w, 1, k, 0, y, n)
//
// A W that many products share is packed once, and gives the same bits faster:
//
//	strips := make([]float32, asm.StripsLen(n, k))
//	asm.PackStrips(strips, w, n, k)
//	asm.GemmStrips(&ws, m, n, k, 1, x, k, 1, strips, 0, y, n)
//
// Lengths that do not agree and operands that do not fit are errors of the caller
// and panic. No operation keeps a slice, starts a goroutine, or runs assembly for
// more than about 100 microseconds without a point where the goroutine can be stopped.
//
// The files *_amd64.s and *_stubs_amd64.go are written by the program in _gen.
package asm

//go:generate go -C _gen run .

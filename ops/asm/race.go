//go:build race

// Under the race detector, which does not see into assembly: what the operations
// read and write.

package asm

import (
	"runtime"
	"unsafe"
)

const raceEnabled = true

func raceRead[T any](x []T) {
	if len(x) > 0 {
		runtime.RaceReadRange(unsafe.Pointer(&x[0]), len(x)*int(unsafe.Sizeof(x[0])))
	}
}

func raceWrite[T any](x []T) {
	if len(x) > 0 {
		runtime.RaceWriteRange(unsafe.Pointer(&x[0]), len(x)*int(unsafe.Sizeof(x[0])))
	}
}

// raceProduct reports the operands of a product, line by line in the direction of the
// smaller stride.
func raceProduct(g *product) {
	raceReadMatrix(g.a, g.m, g.k, g.ars, g.acs)
	raceReadMatrix(g.b, g.k, g.n, g.brs, g.bcs)
	for i := range g.m {
		raceWrite(g.c[i*g.ldc:][:g.n])
	}
}

func raceReadMatrix(x []float32, rows, cols, rs, cs int) {
	if rs < cs {
		rows, cols, rs, cs = cols, rows, cs, rs
	}
	for i := range rows {
		if cs == 1 {
			raceRead(x[i*rs:][:cols])
			continue
		}
		for j := range cols {
			raceRead(x[i*rs+j*cs:][:1])
		}
	}
}

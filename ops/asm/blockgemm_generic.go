// The generic twin of the micro-kernels of products with quantised weights.

package asm

import (
	"math"
	"unsafe"
)

// blockTileGeneric computes a tile; see the assembly's stubs for the contract. The
// products of codes are the same integers; sums in float32 round each product.
func blockTileGeneric(t *blockTile) {
	var (
		groups = t.f.groups()
		minima = t.f.hasMinima()
		size   = 32 / groups
		a      = unsafe.Slice(t.a, 32*t.rows*t.blocks)
		aScale = unsafe.Slice(t.aScale, t.rows*t.blocks)
		aSum   = unsafe.Slice(t.aSum, groups*t.rows*t.blocks)
		codes  = unsafe.Slice(t.w.codes, (t.blocks-1)*t.w.codesStep+32*StripRows)
		scales = unsafe.Slice(t.w.scales, t.blocks*t.f.panelScales())
		sums   [BlockRows][StripRows]float32
	)
	var part []float32
	if t.load || t.save {
		part = unsafe.Slice(t.part, t.rows*StripRows)
	}
	if t.load {
		for i := range t.rows {
			copy(sums[i][:], part[i*StripRows:])
		}
	}
	for b := range t.blocks {
		w := codes[b*t.w.codesStep:][:32*StripRows]
		for g := range groups {
			s := scales[b*t.f.panelScales()+t.f.groupScales()*g*StripRows:]
			for i := range t.rows {
				start := aSum[(b*groups+g)*t.rows+i]
				for j := range t.cols {
					var v int32
					if !minima {
						v = int32(math.Float32bits(start)) - blockBiasBits
					}
					for e := g * size; e < (g+1)*size; e += 4 {
						x := a[(8*b+e/4)*4*t.rows+4*i:][:4]
						y := w[e*StripRows+4*j:][:4]
						v += int32(x[0])*int32(y[0]) + int32(x[1])*int32(y[1]) + int32(x[2])*int32(y[2]) + int32(x[3])*int32(y[3])
					}
					u := float32(v) * s[j]
					if minima {
						u += float32(start * s[2*StripRows+j])
					}
					sums[i][j] += float32(u * aScale[b*t.rows+i])
				}
			}
		}
	}
	for i := range t.rows {
		if t.save {
			copy(part[i*StripRows:][:StripRows], sums[i][:])
			continue
		}
		for j := range t.cols {
			update(byteAt(t.c, i*t.ldc+4*j), sums[i][j], t.alpha, t.beta)
		}
	}
}

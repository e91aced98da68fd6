// Strips of quantised weights expanded: to panels of bytes and float32 scales, which
// products with int8 activations read, and to float32.

package asm

import (
	"encoding/binary"
	"fmt"
	"math"
	"unsafe"
)

// A blockPanel is a depth range of a strip, expanded. The codes are bytes
// [k/4][32 rows][4]. The scales of a group of elements are vectors of the 32 rows: s, then
// -s*blockBias, then for formats with minima the minimum. All are exact: scales have at
// most 19 bits.
type blockPanel struct {
	codes     *byte
	codesStep int // bytes from the codes of 32 elements to the next
	scales    *float32
}

// blockBias is what the integers of a product are raised by: added to the bits of
// this float, an integer v, |v| < 2^22, makes those of blockBias + v.
const (
	blockBias     = 0x1.8p23
	blockBiasBits = 0x4b400000
)

// groups returns how many scales of a row a block of 32 elements has.
func (f BlockFormat) groups() int { return 32 / blockFormats[f].group }

// hasMinima reports whether the format has minima instead of a zero point.
func (f BlockFormat) hasMinima() bool { return blockFormats[f].zero == 0 }

// panelScales returns the number of floats that a panel's scales of 32 elements take.
func (f BlockFormat) panelScales() int {
	return f.groupScales() * StripRows * f.groups()
}

// groupScales is the number of vectors of scales of a group.
func (f BlockFormat) groupScales() int {
	if f.hasMinima() {
		return 3
	}
	return 2
}

// stripAt returns where element p of k begins in a strip, p a multiple of the unit.
func (f BlockFormat) stripAt(p int) int {
	return p / blockFormats[f].unitLen * blockFormats[f].unitBytes
}

// expandStrip expands elements from to to-1 of a strip. There must be room for 32
// codes for each element, none for Q8_0, and panelScales floats for each 32.
func expandStrip(f BlockFormat, strip []byte, from, to int, codes []byte, scales []float32) blockPanel {
	src := strip[f.stripAt(from):f.stripAt(to)]
	p := blockPanel{codesStep: 32 * StripRows, scales: &scales[:(to-from)/32*f.panelScales()][0]}
	if f == Q8_0 {
		p.codes, p.codesStep = &src[0], blockFormats[Q8_0].unitBytes
	} else {
		p.codes = &codes[:(to-from)*StripRows][0]
	}
	expandUnits(f, len(src)/blockFormats[f].unitBytes, &src[0], &p)
	return p
}

// DequantizeStrip converts elements from to to-1 of each row of a strip of rows of k
// elements to float32, element e of row r going to dst[(e-from)*32+r]. The values are
// those of ggml's reference, rounded once: d*(c-zero), d*c + m, or (d*s)*c - dmin*m.
//
// It panics if k, from or to are not multiples of the format's unit, if the range is
// not within 0 to k, or if the strip or dst is too short.
func DequantizeStrip(f BlockFormat, dst []float32, strip []byte, k, from, to int) {
	unit := blockFormats[f].unitLen
	switch {
	case len(strip) < f.StripBytes(k):
		panic(fmt.Sprintf("asm: DequantizeStrip: %v strip of rows of %d needs %d bytes, has %d", f, k, f.StripBytes(k), len(strip)))
	case from < 0 || from > to || to > k || from%unit != 0 || to%unit != 0:
		panic(fmt.Sprintf("asm: DequantizeStrip: %v: range %d to %d of %d elements, in units of %d", f, from, to, k, unit))
	case len(dst) < (to-from)*StripRows:
		panic(fmt.Sprintf("asm: DequantizeStrip: %d elements of %d rows do not fit %d", to-from, StripRows, len(dst)))
	}
	raceRead(strip[f.stripAt(from):f.stripAt(to)])
	raceWrite(dst[:(to-from)*StripRows])
	var codes [dequantizeDepth * StripRows]byte
	var scales [dequantizeDepth / 32 * 6 * StripRows]float32
	for ; from < to; from += dequantizeDepth {
		depth := min(dequantizeDepth, to-from)
		p := expandStrip(f, strip, from, from+depth, codes[:], scales[:])
		dequantizePanel(f, depth/32, &p, &dst[0])
		dst = dst[depth*StripRows:]
	}
}

// dequantizeDepth is the depth of the panels that DequantizeStrip makes: they fit the
// first-level cache beside the floats.
const dequantizeDepth = 256

// expandUnitsGeneric expands units of a strip to a panel.
func expandUnitsGeneric(f BlockFormat, units int, strip *byte, p *blockPanel) {
	form := &blockFormats[f]
	blocks := form.unitLen / 32
	head := 0
	if blocks > 1 {
		head = 64
		if f.hasMinima() {
			head = 128
		}
	}
	size := (form.unitBytes - head) / blocks
	src := unsafe.Slice(strip, units*form.unitBytes)
	var codes []byte
	if f != Q8_0 {
		codes = unsafe.Slice(p.codes, units*form.unitLen*StripRows)
	}
	scales := unsafe.Slice(p.scales, units*blocks*f.panelScales())
	for b := range units * blocks {
		unit := src[b/blocks*form.unitBytes:]
		block := unit[head+b%blocks*size:][:size]
		if f != Q8_0 {
			expandCodes(f, codes[b*32*StripRows:][:32*StripRows], block)
		}
		expandScales(f, scales[b*f.panelScales():], unit[:head], block)
	}
}

// expandCodes expands the codes of a block of 32 elements of 32 rows.
func expandCodes(f BlockFormat, dst, src []byte) {
	const quad = 4 * StripRows
	if f == Q2_K || f == Q3_K {
		for i, v := range src[:2*quad] {
			for p := range 4 {
				dst[(i/quad*4+p)*quad+i%quad] = v >> (2 * p) & 3
			}
		}
		for i := range dst {
			if f == Q3_K {
				dst[i] |= src[2*quad+i/8] >> (i % 8) & 1 << 2
			}
		}
		return
	}
	for i, v := range src[:4*quad] {
		dst[i], dst[i+4*quad] = v&15, v>>4
	}
	extra := src[4*quad:]
	switch f {
	case IQ4_NL, IQ4_XS:
		for i, c := range dst {
			dst[i] = iq4Table[c]
		}
	case Q5_0, Q5_1, Q5_K:
		for i := range dst {
			dst[i] |= extra[i/8] >> (i % 8) & 1 << 4
		}
	case Q6_K:
		for i, v := range extra[:2*quad] {
			s, j := i/quad*2, i%quad
			dst[s*quad+j] |= v & 3 << 4
			dst[(s+4)*quad+j] |= v >> 2 & 3 << 4
			dst[(s+1)*quad+j] |= v >> 4 & 3 << 4
			dst[(s+5)*quad+j] |= v >> 6 << 4
		}
	}
}

// expandScales expands the scales of a block, whose unit begins with head.
func expandScales(f BlockFormat, dst []float32, head, block []byte) {
	half := func(b []byte, r int) float32 {
		return math.Float32frombits(f16Bits(binary.LittleEndian.Uint16(b[2*r:])))
	}
	put := func(group, r int, s float32) {
		group *= f.groupScales() * StripRows
		dst[group+r], dst[group+32+r] = s, s*-blockBias
	}
	for r := range StripRows {
		switch f {
		case Q8_0, Q4_0, Q5_0, IQ4_NL:
			put(0, r, half(block[len(block)-64:], r))
		case Q4_1, Q5_1:
			put(0, r, half(block[len(block)-128:], r))
			dst[64+r] = half(block[len(block)-64:], r)
		case Q4_K, Q5_K:
			small := block[len(block)-64:]
			put(0, r, half(head, r)*float32(small[r]))
			dst[64+r] = -(half(head[64:], r) * float32(small[32+r]))
		case IQ4_XS:
			put(0, r, half(head, r)*float32(int8(block[len(block)-32+r])))
		case Q2_K:
			for g := range 2 {
				small := block[len(block)-64+32*g+r]
				put(g, r, half(head, r)*float32(small&15))
				dst[96*g+64+r] = -(half(head[64:], r) * float32(small>>4))
			}
		case Q6_K, Q3_K:
			small := block[len(block)-64:]
			put(0, r, half(head, r)*float32(int8(small[r])))
			put(1, r, half(head, r)*float32(int8(small[32+r])))
		}
	}
}

// dequantizePanelGeneric converts a panel of blocks of 32 elements to float32.
func dequantizePanelGeneric(f BlockFormat, blocks int, p *blockPanel, dst *float32) {
	zero, quads := int32(blockFormats[f].zero), 8/f.groups()
	codes := unsafe.Slice(p.codes, (blocks-1)*p.codesStep+32*StripRows)
	scales := unsafe.Slice(p.scales, blocks*f.panelScales())
	out := unsafe.Slice(dst, blocks*32*StripRows)
	for b := range blocks {
		for e := range 32 {
			group := scales[b*f.panelScales()+e/4/quads*f.groupScales()*StripRows:]
			for r := range StripRows {
				c := int32(codes[b*p.codesStep+e/4*4*StripRows+4*r+e%4])
				v := group[r] * float32(c-zero)
				if f.hasMinima() {
					v += group[64+r] // the product is exact, fused or not
				}
				out[(32*b+e)*StripRows+r] = v
			}
		}
	}
}

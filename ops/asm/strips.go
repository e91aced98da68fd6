// Strips of frozen float weights: the layout, packing and unpacking.

package asm

import "fmt"

// A frozen matrix W [n, k], whose products are x·Wᵀ, may be kept in strips of
// [StripRows] rows: element (r, p) of strip s at s*32*k + p*32 + r, the last strip
// filled up with zeros. A product of few rows then reads memory in one stream, and
// larger ones need not pack W. Strips hold float32, or the 16-bit floats of a file.

// StripsLen returns the elements that the strips of an [n, k] matrix take.
func StripsLen(n, k int) int { return Strips(n) * StripRows * k }

// PackStrips stores the rows of w [n, k] as strips in dst, which must hold
// [StripsLen] elements. Several workers may each pack the strips from a row on that
// is a multiple of 32.
func PackStrips(dst, w []float32, n, k int) {
	checkPack("PackStrips", len(dst), len(w), n, k)
	dst, w = dst[:StripsLen(n, k)], w[:n*k]
	raceRead(w)
	raceWrite(dst)
	for j := 0; j < n; j += StripRows {
		strip, rows := dst[j*k:][:StripRows*k], min(StripRows, n-j)
		for p := 0; p < k; p += packDepth {
			packPanel(strip[p*StripRows:], StripRows, rows, min(packDepth, k-p), &w[j*k+p], k, 1)
		}
		clearRows(strip, rows)
	}
}

// PackStrips16 is [PackStrips] for elements of 16 bits, whatever they mean.
func PackStrips16(dst, w []uint16, n, k int) {
	checkPack("PackStrips16", len(dst), len(w), n, k)
	dst, w = dst[:StripsLen(n, k)], w[:n*k]
	raceRead(w)
	raceWrite(dst)
	for j := 0; j < n; j += StripRows {
		strip, rows := dst[j*k:][:StripRows*k], min(StripRows, n-j)
		for p := 0; p < k; p += packDepth {
			transpose16(strip[p*StripRows:], StripRows, w[j*k+p:], k, rows, min(packDepth, k-p))
		}
		clearRows(strip, rows)
	}
}

// UnpackStrips stores the rows from, ..., to-1 of the matrix [n, k] in strips one
// after the other in dst, which must hold (to-from)*k elements.
func UnpackStrips(dst, strips []float32, n, k, from, to int) {
	checkUnpack("UnpackStrips", len(dst), len(strips), n, k, from, to)
	raceRead(strips[:StripsLen(n, k)])
	raceWrite(dst[:(to-from)*k])
	for j := from; j < to && k > 0; {
		r := j % StripRows
		rows := min(StripRows-r, to-j)
		strip, out := strips[(j-r)*k:], dst[(j-from)*k:]
		const unit = 16 // a row of the transposition is stored whole
		p := 0
		for ; p+unit <= k; p += unit {
			packPanel(out[p:], k, unit, rows, &strip[p*StripRows+r], StripRows, 1)
		}
		transposeRest(out, strip[r:], k, p, rows)
		j += rows
	}
}

// UnpackStrips16 is [UnpackStrips] for elements of 16 bits.
func UnpackStrips16(dst, strips []uint16, n, k, from, to int) {
	checkUnpack("UnpackStrips16", len(dst), len(strips), n, k, from, to)
	raceRead(strips[:StripsLen(n, k)])
	raceWrite(dst[:(to-from)*k])
	for j := from; j < to && k > 0; {
		r := j % StripRows
		rows := min(StripRows-r, to-j)
		strip, out := strips[(j-r)*k:], dst[(j-from)*k:]
		const unit = 32
		p := 0
		for ; p+unit <= k; p += unit {
			transpose16(out[p:], k, strip[p*StripRows+r:], StripRows, unit, rows)
		}
		transposeRest(out, strip[r:], k, p, rows)
		j += rows
	}
}

// packDepth is how deep a strip is packed at a time: both of its halves stay in the
// first-level cache until their lines are whole.
const packDepth = 128

// clearRows sets the elements of a strip behind its rows to zero.
func clearRows[T float32 | uint16](strip []T, rows int) {
	for ; rows < StripRows && len(strip) > 0; strip = strip[StripRows:] {
		clear(strip[rows:StripRows])
	}
}

// transposeRest stores columns from p on of the rows of a strip.
func transposeRest[T float32 | uint16](out, strip []T, k, p, rows int) {
	for ; p < k; p++ {
		for r := range rows {
			out[r*k+p] = strip[p*StripRows+r]
		}
	}
}

// transpose16Generic stores element (r, p) of src, at r*srcStride+p, in dst[p*stride+r]
// for r < rows and p < k.
func transpose16Generic(dst []uint16, stride int, src []uint16, srcStride, rows, k int) {
	for p := range k {
		for r := range rows {
			dst[p*stride+r] = src[r*srcStride+p]
		}
	}
}

func checkPack(op string, dst, w, n, k int) {
	if n < 0 || k < 0 || w < n*k || dst < StripsLen(n, k) {
		panic(fmt.Sprintf("asm: %s: [%d, %d] needs %d elements, has %d; its strips need %d, have %d", op, n, k, n*k, w, StripsLen(n, k), dst))
	}
}

func checkUnpack(op string, dst, strips, n, k, from, to int) {
	if n < 0 || k < 0 || strips < StripsLen(n, k) {
		panic(fmt.Sprintf("asm: %s: strips of [%d, %d] need %d elements, have %d", op, n, k, StripsLen(n, k), strips))
	}
	if from < 0 || to < from || to > n || dst < (to-from)*k {
		panic(fmt.Sprintf("asm: %s: rows %d to %d of [%d, %d] into %d elements", op, from, to, n, k, dst))
	}
}

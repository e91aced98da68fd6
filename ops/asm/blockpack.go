// Rows of quantised weights as files have them, to strips and back.

package asm

import "fmt"

// packChunk is about how many bytes of a strip are filled before the next ones: they
// stay in the first cache while the rows are read one after another.
const packChunk = 16 << 10

// maxFileUnit is the most bytes of one row's unit in a file, maxUnitLen the most elements.
const (
	maxFileUnit = 210
	maxUnitLen  = 256
)

// FileBytes returns the size of one row of k elements in a file. It panics if k is not
// a multiple of the format's unit.
func (f BlockFormat) FileBytes(k int) int {
	i := f.info()
	if k < 0 || k%i.unitLen != 0 {
		panic(fmt.Sprintf("asm: FileBytes: %v rows of %d: not a multiple of %d", f, k, i.unitLen))
	}
	return k / i.unitLen * i.fileBytes
}

// UnitLen returns the number of elements of k that belong together, 32 or 256: rows
// have a multiple of it.
func (f BlockFormat) UnitLen() int { return f.info().unitLen }

func (f BlockFormat) info() *blockFormat {
	if f >= numBlockFormats {
		panic(fmt.Sprintf("asm: unknown format of blocks: %d", uint8(f)))
	}
	return &blockFormats[f]
}

// PackBlocks brings a matrix [n, k] from the layout of files, row by row in src, to
// strips in dst. The last strip is filled up with rows of zeros. Strips do not depend
// on each other: workers may pack multiples of StripRows rows each. dst should begin
// at a multiple of 64 bytes, since products read it in lines of that size.
//
// PackBlocks panics if k is not a multiple of the format's unit, or if src does not have
// n*FileBytes(k) or dst not Strips(n)*StripBytes(k) bytes.
func PackBlocks(f BlockFormat, dst, src []byte, n, k int) {
	rowBytes, stripBytes := f.FileBytes(k), f.StripBytes(k)
	checkBytes("PackBlocks: src", f, n, k, len(src), n*rowBytes)
	checkBytes("PackBlocks: dst", f, n, k, len(dst), Strips(n)*stripBytes)
	raceRead(src)
	raceWrite(dst)
	i := f.info()
	units := k / i.unitLen
	step := max(1, packChunk/i.unitBytes)
	for s := range Strips(n) {
		strip, rows := dst[s*stripBytes:][:stripBytes], src[s*StripRows*rowBytes:]
		for u := 0; u < units; u += step {
			m := min(step, units-u)
			to := strip[u*i.unitBytes:][:m*i.unitBytes]
			for r := range StripRows {
				if s*StripRows+r < n {
					packRow(f, to, rows[r*rowBytes+u*i.fileBytes:][:m*i.fileBytes], r)
					continue
				}
				for v := range m {
					packRow(f, to[v*i.unitBytes:][:i.unitBytes], zeroUnit[:i.fileBytes], r)
				}
			}
		}
	}
}

var zeroUnit [maxFileUnit]byte

// UnpackBlocks is the inverse of PackBlocks for rows from, ..., to-1 of strips that hold
// a matrix [n, k]: dst gets the very bytes of the file. It panics if the rows are not
// there, or if dst does not have (to-from)*FileBytes(k) bytes.
func UnpackBlocks(f BlockFormat, dst, strips []byte, n, k, from, to int) {
	checkRows("UnpackBlocks", n, from, to)
	rowBytes, stripBytes := f.FileBytes(k), f.StripBytes(k)
	checkBytes("UnpackBlocks: dst", f, to-from, k, len(dst), (to-from)*rowBytes)
	checkBytes("UnpackBlocks: strips", f, n, k, len(strips), Strips(n)*stripBytes)
	raceRead(strips)
	raceWrite(dst)
	for r := from; r < to; r++ {
		unpackRow(f, dst[(r-from)*rowBytes:][:rowBytes], strips[r/StripRows*stripBytes:][:stripBytes], r%StripRows)
	}
}

func checkBytes(what string, f BlockFormat, n, k, got, want int) {
	if n < 0 || got != want {
		panic(fmt.Sprintf("asm: %s: %v [%d, %d] takes %d bytes, has %d", what, f, n, k, want, got))
	}
}

func checkRows(what string, n, from, to int) {
	if from < 0 || from > to || to > n {
		panic(fmt.Sprintf("asm: %s: rows %d to %d of %d", what, from, to, n))
	}
}

// Weights in blocks that share a scale: the formats, and the strips that products
// read them from.

package asm

import (
	"fmt"
	"math"
)

// BlockFormat is a type of quantised weights. The names are those of ggml, whose
// published layouts the rows in files have.
type BlockFormat uint8

const (
	Q8_0 BlockFormat = iota
	Q4_0
	Q4_1
	Q5_0
	Q5_1
	Q4_K
	Q5_K
	Q6_K
	Q2_K
	Q3_K
	IQ4_NL
	IQ4_XS
	numBlockFormats
)

// A frozen matrix W [n, k] is kept in strips of StripRows rows (the last one is
// filled up with blocks of zeros), each the whole k long, so that a product reads
// memory in one stream, a vector lane holds a row, and x·Wᵀ needs no sums across
// lanes. A strip is a sequence of units of unitLen elements of k, in rising order.
// In the tables below j counts blocks of 32 elements, r rows of the strip, and a
// "quad" is four neighbouring elements of k: quad q of a block is elements 4q to
// 4q+3.
//
// The codes of a block are kept so that one register holds a quad of 16 rows, as
// VPDPBUSD takes it, row r at bytes 4(r%16) to 4(r%16)+3, h = r/16 in {0, 1}:
//
//	bytes    1024: vector 2q+h (64 bytes) is quad q of half h
//	nibbles   512: vector 2s+h, s < 4: quad s in the low and quad s+4 in the high
//	               half of each byte
//	fifths    128: 64-bit word 2q+h: bit i is the fifth bit of byte i of quad q, half h
//	sixths    256: vector 2t+h, t < 2: bits 0-1 are the bits 4-5 of quad 2t, bits 2-3
//	               of quad 2t+4, bits 4-5 of quad 2t+1, bits 6-7 of quad 2t+5
//	pairs     256: vector 2t+h, t < 2: bits 2i and 2i+1 are the code of quad 4t+i
//
// Codes are unsigned, c; scales and minima are float16 by row unless said.
//
//	Q8_0: bytes, c = q+128; 32 scales d.                        x = d*(c-128)
//	Q4_0: nibbles; 32 d.                                        x = d*(c-8)
//	Q4_1: nibbles; 32 d; 32 minima m.                           x = d*c + m
//	Q5_0: nibbles; fifths; 32 d.                                x = d*(c-16)
//	Q5_1: nibbles; fifths; 32 d; 32 m.                          x = d*c + m
//	Q4_K: 32 d; 32 dmin; 8 times (nibbles; 32 bytes s; 32 bytes m). x = d*s*c - dmin*m
//	Q5_K: 32 d; 32 dmin; 8 times (nibbles; fifths; 32 bytes s; 32 bytes m). the same
//	Q6_K: 32 d; 8 times (nibbles; sixths; 32 int8 s of elements 0 to 15, 32 int8 s of
//	      elements 16 to 31).                                   x = d*s*(c-32)
//	Q2_K: 32 d; 32 dmin; 8 times (pairs; 32 bytes s + 16*m of elements 0 to 15, 32 of
//	      elements 16 to 31).                                   x = d*s*c - dmin*m
//	Q3_K: 32 d; 8 times (pairs; fifths, here the third bits; 32 int8 s of elements 0 to
//	      15, 32 of elements 16 to 31).                         x = d*s*(c-4)
//	IQ4_NL: nibbles; 32 d.                                      x = d*(table[c]-128)
//	IQ4_XS: 32 d; 8 times (nibbles; 32 int8 s).                 x = d*s*(table[c]-128)
//
// A strip has the size of its rows in the file, but for the six-bit scales, which get a
// byte each (Q4_K 2.8, Q5_K 2.3, Q3_K 3.6 percent more; IQ4_XS the same).

// StripRows is the number of rows of W that a strip holds.
const StripRows = 32

type blockFormat struct {
	name      string
	unitLen   int // elements of k in a unit
	fileBytes int // of one row's unit in a file
	unitBytes int // of a strip's unit
	group     int // elements that share a scale
	zero      int // what is subtracted from a code; 0: the format has minima
}

var blockFormats = [numBlockFormats]blockFormat{
	Q8_0: {"Q8_0", 32, 34, 1024 + 64, 32, 128},
	Q4_0: {"Q4_0", 32, 18, 512 + 64, 32, 8},
	Q4_1: {"Q4_1", 32, 20, 512 + 128, 32, 0},
	Q5_0: {"Q5_0", 32, 22, 512 + 128 + 64, 32, 16},
	Q5_1: {"Q5_1", 32, 24, 512 + 128 + 128, 32, 0},
	Q4_K: {"Q4_K", 256, 144, 128 + 8*(512+64), 32, 0},
	Q5_K: {"Q5_K", 256, 176, 128 + 8*(512+128+64), 32, 0},
	Q6_K: {"Q6_K", 256, 210, 64 + 8*(512+256+64), 16, 32},
	Q2_K: {"Q2_K", 256, 84, 128 + 8*(256+64), 16, 0},
	Q3_K: {"Q3_K", 256, 110, 64 + 8*(256+128+64), 16, 4},

	IQ4_NL: {"IQ4_NL", 32, 18, 512 + 64, 32, 128},
	IQ4_XS: {"IQ4_XS", 256, 136, 64 + 8*(512+32), 32, 128},
}

// iq4Table has, by the codes of IQ4_NL and IQ4_XS, what they stand for plus 128.
var iq4Table = [16]byte{1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241}

// String returns the format's usual name.
func (f BlockFormat) String() string {
	if f >= numBlockFormats {
		return fmt.Sprintf("BlockFormat(%d)", uint8(f))
	}
	return blockFormats[f].name
}

// StripBytes returns the size of a strip of rows of k elements, which must be a
// multiple of the format's unit (32, or 256 for the K formats).
func (f BlockFormat) StripBytes(k int) int {
	if u := blockFormats[f].unitLen; k%u != 0 {
		panic(fmt.Sprintf("asm: StripBytes: %v rows of %d: not a multiple of %d", f, k, u))
	}
	return k / blockFormats[f].unitLen * blockFormats[f].unitBytes
}

// Strips returns how many strips a matrix of n rows has.
func Strips(n int) int { return (n + StripRows - 1) / StripRows }

// roundScale rounds the scale of a block of activations to 11 significant bits,
// halves up: those of float16, in which ggml keeps such scales, so that rounded
// activations are the same there and here. The range stays that of float32.
func roundScale(s float32) float32 {
	return math.Float32frombits((math.Float32bits(s) + 0x1000) &^ 0x1fff)
}

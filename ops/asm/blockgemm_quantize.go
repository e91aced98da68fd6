// Activations rounded to int8, in the order in which products with quantised weights
// read them.

package asm

import (
	"fmt"
	"math"
)

// BlockRows is the number of rows of activations in a tile: the rows of a
// [BlockActivations] are split among workers at its multiples.
const BlockRows = 6

// BlockActivations holds a matrix A [m, k] rounded to int8 for products with
// quantised weights: A[i,p] is taken as s*q, with a float32 scale s for each 32
// elements of a row, s = max|A|/127 rounded to 11 significant bits, and q the integer nearest to A/s (to A*(127/max|A|),
// halves to even). Blocks below 0x1p-100 become zero. A block that holds NaN or an
// infinity has the scale NaN, so each product with its row is NaN.
//
// The zero value is an empty matrix. The buffers grow to what is needed and are kept.
type BlockActivations struct {
	m, k int
	// For tiles of BlockRows rows, the last one lower, [k/4][rows][4] codes and
	// [k/32][rows] scales and sums of codes; [k/16][rows] sums of 16 codes.
	codes                []int8
	scales, sums, halves []float32
}

// Reset makes q an m x k matrix, to be filled by [BlockActivations.Quantize]; k must be
// a multiple of 32.
func (q *BlockActivations) Reset(m, k int) {
	if m < 0 || k < 0 || k%32 != 0 {
		panic(fmt.Sprintf("asm: BlockActivations: %d rows of %d: not a multiple of 32", m, k))
	}
	if m*k > cap(q.codes) {
		q.codes = make([]int8, m*k)
		q.scales = make([]float32, m*k/32)
		q.sums = make([]float32, m*k/32)
		q.halves = make([]float32, m*k/16)
	}
	q.m, q.k = m, k
	q.codes, q.halves = q.codes[:m*k], q.halves[:m*k/16]
	q.scales, q.sums = q.scales[:m*k/32], q.sums[:m*k/32]
}

// Rows returns m.
func (q *BlockActivations) Rows() int { return q.m }

// Depth returns k.
func (q *BlockActivations) Depth() int { return q.k }

// Quantize rounds rows from to to-1 of A, row i at a[i*lda:]. Several goroutines may
// fill different rows of one matrix at a time; all must be filled before it is used.
func (q *BlockActivations) Quantize(a []float32, lda, from, to int) {
	switch {
	case from < 0 || from > to || to > q.m:
		panic(fmt.Sprintf("asm: Quantize: rows %d to %d of %d", from, to, q.m))
	case from == to || q.k == 0:
		return
	case lda < 0 || (to-1)*lda+q.k > len(a):
		panic(fmt.Sprintf("asm: Quantize: rows %d to %d of %d elements, %d apart, do not fit %d", from, to, q.k, lda, len(a)))
	}
	for i := from; i < to; i++ {
		row := a[i*lda:][:q.k]
		raceRead(row)
		first, rows := q.tile(i)
		r := i - first
		at := first*q.k/32 + r
		for b := 0; b < q.k/32; b += quantizeBlocks {
			n := min(quantizeBlocks, q.k/32-b)
			quantizeRow(rows, row[32*b:][:32*n], q.codes[first*q.k+32*b*rows+4*r:], q.scales[at+b*rows:],
				q.sums[at+b*rows:], q.halves[2*(at-r)+2*b*rows+r:])
		}
	}
}

// quantizeBlocks is how many blocks one assembly call works on, some 10 microseconds.
const quantizeBlocks = 1024

// tile returns the first row of the tile of row i, and its height.
func (q *BlockActivations) tile(i int) (first, rows int) {
	first = i / BlockRows * BlockRows
	return first, min(BlockRows, q.m-first)
}

// quantizeRowGeneric rounds a row of a tile of the given height; see the assembly's stub.
func quantizeRowGeneric(rows int, x []float32, codes []int8, scales, sums, halves []float32) {
	for b := range len(x) / 32 {
		var top uint32
		for _, v := range x[32*b:][:32] {
			top = max(top, math.Float32bits(v)&^(1<<31))
		}
		most := math.Float32frombits(top)
		var inverse float32
		switch {
		case top >= 0x7f800000:
			scales[b*rows] = float32(math.NaN())
		case most < 0x1p-100:
			scales[b*rows] = 0
		default:
			scales[b*rows], inverse = roundScale(most/127), 127/most
		}
		var sum [2]int
		for e, v := range x[32*b:][:32] {
			var c int8
			if inverse != 0 {
				c = int8(math.RoundToEven(float64(v * inverse)))
			}
			codes[(8*b+e/4)*4*rows+e%4] = c
			sum[e/16] += int(c)
		}
		halves[2*b*rows], halves[(2*b+1)*rows] = float32(sum[0]), float32(sum[1])
		sums[b*rows] = float32(sum[0] + sum[1])
	}
}

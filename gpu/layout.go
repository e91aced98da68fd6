// How frozen weights lie in device memory.

package gpu

import "netllm/tensor"

// layout is how the blocks of a type are stored in device memory: as one plane,
// or as two where that lets shaders load 16 aligned bytes at a time. Blocks stand
// one after the other in row order, so that a row of k elements has
// k/BlockLen of them, and row r begins with block r*k/BlockLen.
//
//	F32          one plane of floats
//	F16, BF16    one plane of 2-byte elements, two in a word
//	Q8_0         plane 0: 32 bytes of numbers (two uvec4) in file order; plane 1: the f16 scale, two in a word
//	Q4_0         plane 0: 16 bytes of nibbles (one uvec4) in file order; plane 1: the f16 scale, two in a word
//	Q4_1         one plane of 20-byte blocks, as in the file (5 words)
//	Q5_0         one plane of 24-byte blocks: f16 scale, 2 bytes of zero, then the 20 bytes of the file (6 words)
//	Q5_1         one plane of 24-byte blocks, as in the file (6 words)
//	Q4_K         one plane of 144-byte blocks, as in the file (36 words, 9 uvec4)
//	Q5_K         one plane of 176-byte blocks, as in the file (44 words, 11 uvec4)
//	Q6_K         one plane of 212-byte blocks: those of the file and 2 bytes of zero (53 words)
//	Q2_K         one plane of 84-byte blocks, as in the file (21 words)
//	Q3_K         one plane of 112-byte blocks: those of the file and 2 bytes of zero (28 words, 7 uvec4)
//	IQ4_NL       as Q4_0
//	IQ4_XS       one plane of 136-byte blocks, as in the file (34 words, 17 uvec2)
//
// A plane begins at a multiple of 256 bytes.
type layout struct {
	units  [2]uint64 // bytes of a block in each plane; the second may be 0
	length int       // elements of a block
	split  int       // bytes of a file block that come first and go to plane 1, or are padded
}

var layouts = [...]layout{
	tensor.F32:    {units: [2]uint64{4}, length: 1},
	tensor.I32:    {units: [2]uint64{4}, length: 1},
	tensor.F16:    {units: [2]uint64{2}, length: 1},
	tensor.BF16:   {units: [2]uint64{2}, length: 1},
	tensor.Q8_0:   {units: [2]uint64{32, 2}, length: 32, split: 2},
	tensor.Q4_0:   {units: [2]uint64{16, 2}, length: 32, split: 2},
	tensor.Q4_1:   {units: [2]uint64{20}, length: 32},
	tensor.Q5_0:   {units: [2]uint64{24}, length: 32, split: 2},
	tensor.Q5_1:   {units: [2]uint64{24}, length: 32},
	tensor.Q4_K:   {units: [2]uint64{144}, length: 256},
	tensor.Q5_K:   {units: [2]uint64{176}, length: 256},
	tensor.Q6_K:   {units: [2]uint64{212}, length: 256},
	tensor.Q2_K:   {units: [2]uint64{84}, length: 256},
	tensor.Q3_K:   {units: [2]uint64{112}, length: 256},
	tensor.IQ4_NL: {units: [2]uint64{16, 2}, length: 32, split: 2},
	tensor.IQ4_XS: {units: [2]uint64{136}, length: 256},
}

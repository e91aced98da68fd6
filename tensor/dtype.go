package tensor

import "fmt"

// DType is the type of a tensor's elements.
type DType uint8

// Element types. From Q8_0 on they are block types, those of ggml: a row is a
// sequence of blocks of 32 elements, or of 256 for those with a K and IQ4_XS, that
// share a scale.
const (
	Invalid DType = iota
	F32
	F16
	BF16
	F64
	I8
	U8
	I16
	I32
	I64
	Bool
	Q8_0
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
	numDTypes
)

// dtypeInfo is what the package knows of each type: its name and how many
// bytes a block of how many elements takes.
var dtypeInfo = [numDTypes]struct {
	name         string
	block, bytes int
}{
	Invalid: {"invalid", 1, 0},
	F32:     {"F32", 1, 4},
	F16:     {"F16", 1, 2},
	BF16:    {"BF16", 1, 2},
	F64:     {"F64", 1, 8},
	I8:      {"I8", 1, 1},
	U8:      {"U8", 1, 1},
	I16:     {"I16", 1, 2},
	I32:     {"I32", 1, 4},
	I64:     {"I64", 1, 8},
	Bool:    {"BOOL", 1, 1},
	Q8_0:    {"Q8_0", 32, 34},
	Q4_0:    {"Q4_0", 32, 18},
	Q4_1:    {"Q4_1", 32, 20},
	Q5_0:    {"Q5_0", 32, 22},
	Q5_1:    {"Q5_1", 32, 24},
	Q4_K:    {"Q4_K", 256, 144},
	Q5_K:    {"Q5_K", 256, 176},
	Q6_K:    {"Q6_K", 256, 210},
	Q2_K:    {"Q2_K", 256, 84},
	Q3_K:    {"Q3_K", 256, 110},
	IQ4_NL:  {"IQ4_NL", 32, 18},
	IQ4_XS:  {"IQ4_XS", 256, 136},
}

// String returns the type's usual name, such as "F32" or "Q4_0".
func (d DType) String() string {
	if d >= numDTypes {
		return fmt.Sprintf("DType(%d)", uint8(d))
	}
	return dtypeInfo[d].name
}

// BlockLen is the number of elements of one block: 1 for plain types.
func (d DType) BlockLen() int { return dtypeInfo[d].block }

// BlockBytes is the number of bytes of one block: an element's size for plain
// types.
func (d DType) BlockBytes() int { return dtypeInfo[d].bytes }

// IsBlock reports whether elements are stored in blocks that share a scale.
// Tensors of such types are read-only weights: their rows are contiguous and
// whole multiples of the block.
func (d DType) IsBlock() bool { return d < numDTypes && dtypeInfo[d].block > 1 }

// IsFloat reports whether the type can be converted to float32 by
// [Dequantize].
func (d DType) IsFloat() bool {
	switch d {
	case F32, F16, BF16:
		return true
	}
	return d.IsBlock()
}

// Bytes returns how many bytes n elements take. It panics unless n is a
// multiple of the block's length.
func (d DType) Bytes(n int) int {
	info := dtypeInfo[d]
	if n%info.block != 0 {
		panic(fmt.Sprintf("tensor: Bytes: %d elements of %v: not a multiple of %d", n, d, info.block))
	}
	return n / info.block * info.bytes
}

package gguf

// The numbers of ggml's tensor types, and how each is laid out.

import (
	"fmt"

	"netllm/tensor"
)

// Type is ggml's number for a type of tensor elements.
type Type uint32

// typeInfo describes the types by number: a block of so many elements takes so
// many bytes. Types that ggml has given up have a name only. Source: enum
// ggml_type in ggml.h and the block structures in ggml-common.h of the ggml
// project.
var typeInfo = [...]struct {
	name         string
	block, bytes int
	dtype        tensor.DType // Invalid if package tensor does not have it
}{
	0:  {"F32", 1, 4, tensor.F32},
	1:  {"F16", 1, 2, tensor.F16},
	2:  {"Q4_0", 32, 18, tensor.Q4_0},
	3:  {"Q4_1", 32, 20, tensor.Q4_1},
	4:  {name: "Q4_2"},
	5:  {name: "Q4_3"},
	6:  {"Q5_0", 32, 22, tensor.Q5_0},
	7:  {"Q5_1", 32, 24, tensor.Q5_1},
	8:  {"Q8_0", 32, 34, tensor.Q8_0},
	9:  {"Q8_1", 32, 36, tensor.Invalid},
	10: {"Q2_K", 256, 84, tensor.Q2_K},
	11: {"Q3_K", 256, 110, tensor.Q3_K},
	12: {"Q4_K", 256, 144, tensor.Q4_K},
	13: {"Q5_K", 256, 176, tensor.Q5_K},
	14: {"Q6_K", 256, 210, tensor.Q6_K},
	15: {"Q8_K", 256, 292, tensor.Invalid},
	16: {"IQ2_XXS", 256, 66, tensor.Invalid},
	17: {"IQ2_XS", 256, 74, tensor.Invalid},
	18: {"IQ3_XXS", 256, 98, tensor.Invalid},
	19: {"IQ1_S", 256, 50, tensor.Invalid},
	20: {"IQ4_NL", 32, 18, tensor.IQ4_NL},
	21: {"IQ3_S", 256, 110, tensor.Invalid},
	22: {"IQ2_S", 256, 82, tensor.Invalid},
	23: {"IQ4_XS", 256, 136, tensor.IQ4_XS},
	24: {"I8", 1, 1, tensor.I8},
	25: {"I16", 1, 2, tensor.I16},
	26: {"I32", 1, 4, tensor.I32},
	27: {"I64", 1, 8, tensor.I64},
	28: {"F64", 1, 8, tensor.F64},
	29: {"IQ1_M", 256, 56, tensor.Invalid},
	30: {"BF16", 1, 2, tensor.BF16},
	31: {name: "Q4_0_4_4"},
	32: {name: "Q4_0_4_8"},
	33: {name: "Q4_0_8_8"},
	34: {"TQ1_0", 256, 54, tensor.Invalid},
	35: {"TQ2_0", 256, 66, tensor.Invalid},
	36: {name: "IQ4_NL_4_4"},
	37: {name: "IQ4_NL_4_8"},
	38: {name: "IQ4_NL_8_8"},
	39: {"MXFP4", 32, 17, tensor.Invalid},
	40: {"NVFP4", 64, 36, tensor.Invalid},
	41: {"Q1_0", 128, 18, tensor.Invalid},
	42: {"Q2_0", 64, 18, tensor.Invalid},
}

// String returns the type's name in ggml, such as "Q4_K".
func (t Type) String() string {
	if int64(t) >= int64(len(typeInfo)) {
		return fmt.Sprintf("ggml type %d", uint32(t))
	}
	return typeInfo[t].name
}

// DType returns the same type in package tensor, or [tensor.Invalid] if that
// does not have it.
func (t Type) DType() tensor.DType {
	if int64(t) >= int64(len(typeInfo)) {
		return tensor.Invalid
	}
	return typeInfo[t].dtype
}

// layout returns the elements and bytes of a block; bytes is 0 if they are not
// known.
func (t Type) layout() (block, bytes int) {
	if int64(t) >= int64(len(typeInfo)) {
		return 0, 0
	}
	return typeInfo[t].block, typeInfo[t].bytes
}

// typeOf returns ggml's number for dtype.
func typeOf(dtype tensor.DType) (Type, bool) {
	for i, info := range typeInfo {
		if info.dtype == dtype && dtype != tensor.Invalid {
			return Type(i), true
		}
	}
	return 0, false
}

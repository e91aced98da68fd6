package safetensors

// The names of the format's element types, and how wide each is.

import "netllm/tensor"

// typeInfo describes the types by name. Source: enum Dtype in
// safetensors/src/tensor.rs of the safetensors project.
var typeInfo = map[string]struct {
	bits  int
	dtype tensor.DType // Invalid if package tensor does not have it
}{
	"BOOL":        {8, tensor.Bool},
	"F4":          {4, tensor.Invalid},
	"F6_E2M3":     {6, tensor.Invalid},
	"F6_E3M2":     {6, tensor.Invalid},
	"U8":          {8, tensor.U8},
	"I8":          {8, tensor.I8},
	"F8_E5M2":     {8, tensor.Invalid},
	"F8_E4M3":     {8, tensor.Invalid},
	"F8_E8M0":     {8, tensor.Invalid},
	"F8_E4M3FNUZ": {8, tensor.Invalid},
	"F8_E5M2FNUZ": {8, tensor.Invalid},
	"I16":         {16, tensor.I16},
	"U16":         {16, tensor.Invalid},
	"F16":         {16, tensor.F16},
	"BF16":        {16, tensor.BF16},
	"I32":         {32, tensor.I32},
	"U32":         {32, tensor.Invalid},
	"F32":         {32, tensor.F32},
	"C64":         {64, tensor.Invalid},
	"F64":         {64, tensor.F64},
	"I64":         {64, tensor.I64},
	"U64":         {64, tensor.Invalid},
}

// writeOrder holds the types that can be written in the order in which the
// reference implementation puts them into a file: the widest first, so that all
// are aligned.
var writeOrder = []tensor.DType{
	tensor.I64, tensor.F64, tensor.F32, tensor.I32, tensor.BF16, tensor.F16, tensor.I16,
	tensor.I8, tensor.U8, tensor.Bool,
}

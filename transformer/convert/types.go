// What the weights of a file are written as: the names of --type.

package convert

import (
	"fmt"
	"slices"
	"strings"

	"netllm/tensor"
)

// Auto, as a type, keeps that of the source.
const Auto = "auto"

// fileType is a value of --type.
type fileType struct {
	name    string
	dtype   tensor.DType // of most matrices; Invalid for auto
	mixture bool         // the ones that matter most are of better types
	number  uint32       // general.file_type: enum llama_ftype of llama.cpp
}

// fileTypes lists all of them. A name of one type means this type for every
// matrix; the endings _s, _m and _l are llama.cpp's mixtures.
var fileTypes = []fileType{
	{name: Auto},
	{"f32", tensor.F32, false, 0},
	{"f16", tensor.F16, false, 1},
	{"bf16", tensor.BF16, false, 32},
	{"q8_0", tensor.Q8_0, false, 7},
	{"q4_0", tensor.Q4_0, false, 2},
	{"q4_1", tensor.Q4_1, false, 3},
	{"q5_0", tensor.Q5_0, false, 8},
	{"q5_1", tensor.Q5_1, false, 9},
	{"q2_k", tensor.Q2_K, false, 10},
	{"q3_k", tensor.Q3_K, false, 11},
	{"q4_k", tensor.Q4_K, false, 14},
	{"q5_k", tensor.Q5_K, false, 16},
	{"q6_k", tensor.Q6_K, false, 18},
	{"iq4_nl", tensor.IQ4_NL, false, 25},
	{"iq4_xs", tensor.IQ4_XS, false, 30},
	{"q3_k_s", tensor.Q3_K, true, 11},
	{"q3_k_m", tensor.Q3_K, true, 12},
	{"q3_k_l", tensor.Q3_K, true, 13},
	{"q4_k_s", tensor.Q4_K, true, 14},
	{"q4_k_m", tensor.Q4_K, true, 15},
	{"q5_k_s", tensor.Q5_K, true, 16},
	{"q5_k_m", tensor.Q5_K, true, 17},
}

// Types returns the names that [Options].Type can have.
func Types() []string {
	names := make([]string, len(fileTypes))
	for i, t := range fileTypes {
		names[i] = t.name
	}
	return names
}

// ErrType says that a name is none of [Types].
type ErrType struct{ Name string }

func (e ErrType) Error() string {
	return fmt.Sprintf("type %q, known: %s", e.Name, strings.Join(Types(), ", "))
}

func fileTypeOf(name string) (fileType, error) {
	if name == "" {
		name = Auto
	}
	i := slices.IndexFunc(fileTypes, func(t fileType) bool { return strings.EqualFold(t.name, name) })
	if i < 0 {
		return fileType{}, ErrType{name}
	}
	return fileTypes[i], nil
}

// TypeOf returns the one type that a name stands for. Mixtures and [Auto] are
// none.
func TypeOf(name string) (tensor.DType, error) {
	t, err := fileTypeOf(name)
	if err == nil && (t.mixture || t.dtype == tensor.Invalid) {
		err = fmt.Errorf("type %q is not a type of one tensor", name)
	}
	return t.dtype, err
}

// numberOf is general.file_type for a file whose matrices are mostly of dtype.
func numberOf(dtype tensor.DType) (uint32, bool) {
	i := slices.IndexFunc(fileTypes, func(t fileType) bool { return t.dtype == dtype && dtype != tensor.Invalid })
	if i < 0 {
		return 0, false
	}
	return fileTypes[i].number, true
}

package transformer

import (
	"math"
	"unsafe"

	"netllm/ops"
	"netllm/tensor"
)

// ropeTable returns cosine and sine of position * theta^(-2j/dim) for all
// positions, [positions, dim/2, 2] (Su et al. 2021, eq. 15). It is computed in
// float64: positions in the thousands would lose digits in float32.
func ropeTable(b ops.Backend, positions, dim int, theta float64) tensor.Tensor {
	values := make([]float32, positions*dim)
	for j := range dim / 2 {
		frequency := math.Pow(theta, -2*float64(j)/float64(dim))
		for p := range positions {
			sin, cos := math.Sincos(float64(p) * frequency)
			values[p*dim+2*j], values[p*dim+2*j+1] = float32(cos), float32(sin)
		}
	}
	t := tensor.Of(b.Alloc(4*len(values)), tensor.F32, positions, dim/2, 2)
	b.Upload(t, floatBytes(values))
	return t
}

func floatBytes(v []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v))
}

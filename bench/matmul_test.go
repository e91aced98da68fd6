// Products of matrices.

package bench

import (
	"fmt"
	"testing"

	"netllm/bench/model"
	"netllm/bench/suite"
	"netllm/bench/work"
	"netllm/ops"
	"netllm/tensor"
)

// layers are the shapes of linear layers of a model of seven billion weights.
var layers = []struct{ n, k int }{{4096, 4096}, {11008, 4096}, {4096, 11008}}

// BenchmarkMatMul measures f32 products: of squares, and x · Wᵀ with the weights as
// they are and as Backend.Prepare returns them.
func BenchmarkMatMul(b *testing.B) {
	for n := 256; n <= 4096; n *= 2 {
		product(b, fmt.Sprintf("form=nn/m=%d/n=%d/k=%d", n, n, n), work.Product{M: n, K: n, N: n, Weights: tensor.F32})
	}
	for _, l := range layers {
		for _, m := range []int{1, 8, 64, 512} {
			for _, prepared := range []bool{true, false} {
				name := fmt.Sprintf("form=nt/m=%d/n=%d/k=%d/prepared=%v", m, l.n, l.k, prepared)
				product(b, name, work.Product{M: m, K: l.k, N: l.n, Transposed: true, Weights: tensor.F32, Prepared: prepared})
			}
		}
	}
}

// BenchmarkQuantMatMul measures x · Wᵀ with weights of every type but F32.
func BenchmarkQuantMatMul(b *testing.B) {
	const n, k = 4096, 4096
	for _, dtype := range quantTypes() {
		for _, m := range []int{1, 8, 512} {
			name := fmt.Sprintf("dtype=%v/m=%d/n=%d/k=%d", dtype, m, n, k)
			product(b, name, work.Product{M: m, K: k, N: n, Transposed: true, Weights: dtype})
		}
	}
}

// quantTypes returns all types of weights but F32.
func quantTypes() []tensor.DType {
	var list []tensor.DType
	for d := range tensor.DType(255) {
		if d.IsFloat() && d != tensor.F32 {
			list = append(list, d)
		}
	}
	return list
}

func product(b *testing.B, name string, p work.Product) {
	suite.Run(b, name, func(_ *testing.B, backend ops.Backend) (*work.Work, error) { return p.New(backend) })
}

// TestQuantTypes checks that every type has random blocks to be measured with.
func TestQuantTypes(t *testing.T) {
	for _, dtype := range quantTypes() {
		if _, err := model.Random(dtype, 1, 1, 1, 512); err != nil {
			t.Error(err)
		}
	}
}

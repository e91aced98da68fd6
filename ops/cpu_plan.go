// How much memory frozen weights take, before they are there.

package ops

import (
	"netllm/ops/asm"
	"netllm/tensor"
)

// PreparedBytes is the memory that [CPU.Prepare] of w would take beside w's own: 0 for
// what it returns as it is.
func (c *CPU) PreparedBytes(w tensor.Tensor) int {
	if !c.repacks(w) {
		return 0
	}
	return asm.Strips(w.Dim(0)) * stripBytes(w.DType(), w.Dim(1))
}

// repacks reports whether Prepare brings w to another layout.
func (c *CPU) repacks(w tensor.Tensor) bool {
	return !c.noRepack && w.Rank() == 2 && w.Len() > 0 && w.IsContiguous() && w.Storage().OnHost()
}

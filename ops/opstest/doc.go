// Package opstest is the conformance suite of [ops.Backend]: what every kind of
// hardware must do, and must leave alone.
//
//	func TestConformance(t *testing.T) {
//		opstest.Run(t, func(testing.TB) ops.Backend { return ops.NewCPU(2) })
//	}
//
// Every primitive is compared with [Reference], a backend that computes in
// float64 with one plain loop per primitive: over sizes round the widths of
// vectors, views of all kinds where the contract allows them, all types of
// weights, outputs that accumulate, that are not wanted, and that hold NaN
// before. The tolerances are those of one table. Memory round the operands, and
// the inputs, must be the same bits afterwards.
//
// Gradients are compared twice: those of the tape in float64, on the reference,
// with central differences, which checks the formulas; and those of the backend
// with the reference's. [CheckGradients] does so for any computation:
//
//	opstest.CheckGradients(t, backend, opstest.Model{
//		Params: [][]int{{2, 3}, {4, 3}},
//		Result: func(c *ops.Context, p []tensor.Tensor) tensor.Tensor {
//			return ops.Linear(c, p[0], p[1])
//		},
//	})
package opstest

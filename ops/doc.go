// Package ops computes with tensors: the operations of language models and
// of the networks around them, their gradients, and the CPU that runs them.
//
// Four types carry everything. A [Backend] is one kind of hardware; it runs a
// few primitives, in order, without waiting. A [Context] is one computation in
// progress on a backend: operations are functions of it, and their results
// live in its [Arena] until it is reset. A [Tape], if the context has one,
// records the operations whose inputs need gradients. A [Param] is a trained
// tensor with its gradient.
//
//	ctx := ops.NewContext(ops.NewCPU(2))
//	ctx.Tape = ops.NewTape()
//	w := ops.NewParam(ctx.Backend, "w", 1, 2)
//	ctx.Tape.Watch(w)
//	x := ctx.Float32s([]float32{1, 2}, 1, 2)
//	loss := ops.MSE(ctx, ops.Linear(ctx, x, w.Value), ctx.Float32s([]float32{3}, 1, 1))
//	ctx.Tape.Backward(ctx, loss)       // w.Grad holds the gradient
//	ctx.Reset()                        // results and tape are gone, w stays
//
// A gradient belongs to a storage, not to a tensor: the gradient of a view is
// the same view of the gradient. Reshaping, slicing and transposing are
// therefore not operations, cost nothing, and are differentiated all the same.
//
// Wrong shapes are errors of the program and panic at the operation that got
// them, naming both. Errors of a device are kept by the backend and come out
// of Sync and Download.
package ops

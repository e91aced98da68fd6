// The cells of recurrent layers, an invocation each.

package gpu

import (
	"netllm/ops"
	"netllm/tensor"
)

func (b *Backend) lstm(a *ops.Args) {
	b.eachCell(a.T[0], func(from, to, width int) {
		d := b.dispatch("lstm", elementwiseGroup)
		d.write(a.T[0].Slice(0, from, to))
		d.read(a.T[1].Slice(0, from, to))
		d.read(a.T[2].Slice(0, from, to))
		d.int(to-from, width)
		d.run(b.groups((to-from)*width, elementwiseGroup), 1, 1)
	})
}

func (b *Backend) lstmBackward(a *ops.Args) {
	b.eachCell(a.T[2], func(from, to, width int) {
		d := b.dispatch("lstm_backward", elementwiseGroup)
		var wanted uint32
		for i := range 2 {
			if a.T[i].IsZero() {
				d.none()
				continue
			}
			wanted |= 1 << i
			d.output(a.T[i].Slice(0, from, to), a.Accumulates(i))
		}
		for i := 2; i <= 4; i++ {
			d.read(a.T[i].Slice(0, from, to))
		}
		d.int(to-from, width)
		d.uint(wanted, uint32(a.Acc))
		d.run(b.groups((to-from)*width, elementwiseGroup), 1, 1)
	})
}

// eachCell calls f for the rows of states, in parts that the device binds with their gates, with
// the number of cells of a row.
func (b *Backend) eachCell(states tensor.Tensor, f func(from, to, width int)) {
	rows, width := states.Dim(0), states.Dim(1)/2
	if width == 0 {
		return
	}
	step := b.rowsAtOnce(rows, 4*width)
	for from := 0; from < rows; from += step {
		f(from, min(from+step, rows), width)
	}
}

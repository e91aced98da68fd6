// Rows by number: read from a table of any type, and added to one.

package gpu

import (
	"netllm/ops"
	"netllm/tensor"
)

var gathers = [...]string{
	tensor.F32:    "gather_f32",
	tensor.F16:    "gather_f16",
	tensor.BF16:   "gather_bf16",
	tensor.Q8_0:   "gather_q8_0",
	tensor.Q4_0:   "gather_q4_0",
	tensor.Q4_1:   "gather_q4_1",
	tensor.Q5_0:   "gather_q5_0",
	tensor.Q5_1:   "gather_q5_1",
	tensor.Q4_K:   "gather_q4_k",
	tensor.Q5_K:   "gather_q5_k",
	tensor.Q6_K:   "gather_q6_k",
	tensor.Q2_K:   "gather_q2_k",
	tensor.Q3_K:   "gather_q3_k",
	tensor.IQ4_NL: "gather_iq4_nl",
	tensor.IQ4_XS: "gather_iq4_xs",
}

// gather goes over as much of the table as can be bound at once, again and again
// where it is larger: each time for the ids that are in it.
func (b *Backend) gather(a *ops.Args) {
	const each = 4 // elements of an invocation
	y, table, ids := a.T[0], a.T[1], a.T[2]
	n, columns := y.Dim(0), y.Dim(1)
	if y.Len() == 0 {
		return
	}
	rows := table.Dim(0)
	step, tableStep := b.rowsAtOnce(n, columns), min(rows, b.weightRows(table))
	for from := 0; from < n; from += step {
		to := min(from+step, n)
		for first := 0; first < rows; first += tableStep {
			part := table.Slice(0, first, min(first+tableStep, rows))
			d := b.dispatch(gathers[table.DType()], shortGroup)
			d.output(y.Slice(0, from, to), rows > tableStep)
			d.read(ids.Slice(0, from, to))
			if table.DType() == tensor.F32 {
				d.read(part)
			} else {
				d.weight(part)
			}
			d.int(columns, first, part.Dim(0))
			d.run(to-from, (columns+each*shortGroup-1)/(each*shortGroup), 1)
		}
	}
}

// weightRows returns how many rows of a table can be bound whatever their place.
func (b *Backend) weightRows(table tensor.Tensor) int {
	l, n := layouts[table.DType()], uint64(table.Dim(1))
	rows := uint64(table.Dim(0))
	for _, unit := range l.units {
		if unit == 0 {
			continue
		}
		// A plane is bound from a place where a unit begins and which is aligned.
		slack := lcm(b.limits.StorageAlignment, unit)
		if b.limits.StorageBufferRange > slack {
			rows = min(rows, (b.limits.StorageBufferRange-slack)/(n/uint64(l.length)*unit))
		}
	}
	return int(max(1, rows))
}

var scatterAdd = plainShaders("scatter_add")

func (b *Backend) scatterAdd(a *ops.Args) { b.addRows(a.T[0], a.T[1], a.T[2]) }

// addRows adds the rows of x to those of y: it goes over y's parts, and in each over x's in
// their order.
func (b *Backend) addRows(y, x, ids tensor.Tensor) {
	n, columns := x.Dim(0), x.Dim(1)
	if x.Len() == 0 {
		return
	}
	rows := y.Dim(0)
	step, tableStep := b.rowsAtOnce(n, columns), max(1, min(rows, b.elementsAtOnce()/columns))
	for first := 0; first < rows; first += tableStep {
		table := y.Slice(0, first, min(first+tableStep, rows))
		for from := 0; from < n; from += step {
			part := x.Slice(0, from, min(from+step, n))
			d := b.rows(&scatterAdd)
			d.update(table)
			d.read(part)
			width := d.vectors(&scatterAdd, columns)
			d.shorten(columns, width)
			size := int(d.spec[0])
			d.read(ids.Slice(0, from, from+part.Dim(0)))
			d.int(part.Dim(0), columns, first, table.Dim(0))
			d.run(part.Dim(0), (columns/width+size-1)/size, 1)
		}
	}
}

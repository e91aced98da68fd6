// What the kernels that work row by row share, and sums of columns.

package gpu

import (
	"netllm/ops"
	"netllm/tensor"
)

const (
	rowGroup   = 256 // invocations that do a long row
	shortGroup = 64  // invocations that do a short one
	longRow    = 128 // the elements, or groups of four, beyond which a row is long
)

// rowShader has the names of a shader's variants: one element at a time or four,
// with shared memory alone or with subgroups.
type rowShader [2][2]string

// rowShaders names the variants of a shader that has all four.
func rowShaders(name string) rowShader {
	return rowShader{{name, name + "_subgroup"}, {name + "_4", name + "_4_subgroup"}}
}

// plainShaders names the variants of a shader that does not use subgroups.
func plainShaders(name string) rowShader {
	return rowShader{{name, name}, {name + "_4", name + "_4"}}
}

// rows begins the call of one of s. The operands that are read or written four
// elements at a time are bound first, then [dispatch.vectors] is called.
func (b *Backend) rows(s *rowShader) *dispatch { return b.dispatch(s[0][0], rowGroup) }

// vectors chooses the variant of s for rows of n elements, where all that has been
// bound so far must begin at a multiple of four for four elements to be read at
// a time. It returns how many elements an invocation does at once.
func (d *dispatch) vectors(s *rowShader, n int) (width int) {
	four, subgroup := n%4 == 0, 0
	for i := range d.nbind {
		four = four && d.offset[i]%4 == 0 && d.bind[i].offset%16 == 0
	}
	if d.b.caps.subgroupArithmetic {
		subgroup = 1
	}
	if !four {
		d.shader = s[0][subgroup]
		return 1
	}
	d.shader = s[1][subgroup]
	return 4
}

// shorten makes the workgroups smaller where rows of n elements are short.
func (d *dispatch) shorten(n, width int) {
	if n/width <= longRow {
		d.spec[0] = shortGroup
	}
}

// elementsAtOnce returns how many elements of 4 bytes can be bound whatever their
// place in their storage: a multiple of four.
func (b *Backend) elementsAtOnce() int {
	return max(4, int((b.limits.StorageBufferRange-b.limits.StorageAlignment)/4)&^3)
}

// rowsAtOnce returns how many rows of n elements, of so many, one dispatch can do
// with a workgroup for each.
func (b *Backend) rowsAtOnce(rows, n int) int {
	if n > 0 {
		rows = min(rows, b.elementsAtOnce()/n)
	}
	return max(1, min(rows, b.limits.WorkgroupCount[0]))
}

// scratchSlices returns pieces of the scratch memory of this family.
func (b *Backend) scratchSlices(m, n int) (tensor.Tensor, tensor.Tensor) {
	m4 := (m + 3) &^ 3
	s := b.scratch(scratchRows, m4+n)
	return s.Slice(0, 0, m), s.Slice(0, m4, m4+n)
}

var (
	columnSums         = plainShaders("column_sums")
	normWeightBackward = plainShaders("norm_weight_backward")
)

func (b *Backend) sumRows(a *ops.Args) {
	b.addColumns(a.T[0], a.T[1], a.Accumulates(0))
}

// addColumns sets or adds to out [n] the sums of the columns of x [..., n].
func (b *Backend) addColumns(out, x tensor.Tensor, add bool) {
	n := out.Len()
	if n == 0 {
		return
	}
	x = x.Reshape(x.Len()/n, n)
	rows := x.Dim(0)
	step := b.rowsAtOnce(rows, n)
	for from := 0; from == 0 || from < rows; from += step {
		part := x.Slice(0, from, min(from+step, rows))
		chunks, chunk := b.chunks(part.Dim(0), n)
		_, sums := b.scratchSlices(0, chunks*n)
		b.columns(&columnSums, out, sums, chunks, chunk, add || from > 0, part, tensor.Tensor{}, tensor.Tensor{})
	}
}

// chunks says into how many pieces of how many rows a matrix is cut, so that
// there are workgroups for all of a device.
func (b *Backend) chunks(rows, n int) (chunks, chunk int) {
	const column, least, groups = 32, 64, 512
	most := max(1, min(groups/((n+column-1)/column), b.elementsAtOnce()/n))
	chunks = max(1, min((rows+least-1)/least, most))
	chunk = max(1, (rows+chunks-1)/chunks)
	return max(1, (rows+chunk-1)/chunk), chunk
}

// columns sets or adds to out [n] what the shader sums up of the rows of x: in one
// step, or by way of sums, scratch memory of a row per chunk.
func (b *Backend) columns(s *rowShader, out, sums tensor.Tensor, chunks, chunk int, add bool, x, dy, moments tensor.Tensor) {
	const column = 32
	rows, n := x.Dim(0), x.Dim(1)
	to, toAdd := out, add
	if chunks > 1 {
		to, toAdd = sums, false
	}
	d := b.rows(s)
	d.output(to, toAdd)
	if rows > 0 {
		d.read(x)
	} else {
		d.none()
	}
	if !dy.IsZero() {
		d.read(dy)
	}
	width := d.vectors(s, n)
	if !moments.IsZero() {
		d.read(moments)
	}
	d.int(rows, n, chunk)
	d.flag(toAdd)
	d.run((n/width+column-1)/column, chunks, 1)
	if chunks > 1 {
		b.columns(&columnSums, out, tensor.Tensor{}, 1, chunks, add, sums.Reshape(chunks, n), tensor.Tensor{}, tensor.Tensor{})
	}
}

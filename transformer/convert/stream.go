// The elements of one tensor on their way from a mapped file to a new one: other
// type, other row order, rows and columns exchanged, a piece at a time.

package convert

import (
	"context"
	"fmt"
	"io"
	"math"
	"sync"

	"netllm/tensor"
)

// pieceElements is about how many elements a thread has in hand: 4 MB as float32.
// The bytes written do not depend on it.
const pieceElements = 1 << 20

// rows is a matrix to be written and where its elements are.
type rows struct {
	src     []byte // in the file
	from    tensor.DType
	to      tensor.DType
	discard func([]byte) // gives pages of src back

	count, width int // of the result

	// heads > 0: the first dim rows of each head are moved, to the order of
	// ops.RoPEHalves if halves is set, else to that of ops.RoPEInterleaved.
	heads, dim int
	halves     bool

	transposed bool // src is [width, count]
}

// source returns which row of src is row i of the result.
func (r *rows) source(i int) int {
	if r.heads == 0 {
		return i
	}
	size := r.count / r.heads
	j := i % size
	if j >= r.dim {
		return i
	}
	if r.halves {
		return i - j + j%(r.dim/2)*2 + j/(r.dim/2)
	}
	return i - j + j%2*(r.dim/2) + j/2
}

// flatten makes r rows of a size that suits pieces if rows mean nothing: neither
// their order nor their direction changes. Rows are whole blocks, and so are
// these.
func (r *rows) flatten() {
	if r.heads > 0 || r.transposed {
		return
	}
	n := r.count * r.width
	r.width = 1
	for _, width := range []int{1024, 256, 32} {
		if n%width == 0 {
			r.width = width
			break
		}
	}
	r.count = n / r.width
}

// damage counts elements that a conversion could not keep.
type damage struct {
	nonFinite int64 // NaN or infinite in the source
	overflow  int64 // finite in the source, infinite in the result
}

func (d *damage) add(o damage) {
	d.nonFinite += o.nonFinite
	d.overflow += o.overflow
}

// scratch is the memory of one thread.
type scratch struct {
	values, column []float32
	out            [2][]byte // one is being written while the other is filled
	turn           int
	damage         damage
}

func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// piece converts rows first to last-1 and returns their bytes, which are valid
// until the next but one call.
func (s *scratch) piece(r *rows, first, last int) []byte {
	n := last - first
	s.turn ^= 1
	out := grow(s.out[s.turn], r.to.Bytes(n*r.width))
	s.out[s.turn] = out
	switch {
	case r.transposed && r.from == r.to && !r.from.IsBlock():
		r.exchange(out, first, last)
	case r.from == r.to && !r.transposed:
		size := r.from.Bytes(r.width)
		for i := range n {
			at := r.source(first+i) * size
			copy(out[i*size:(i+1)*size], r.src[at:at+size])
		}
	default:
		s.values = grow(s.values, n*r.width)
		s.read(r, first, last)
		tensor.Quantize(r.to, out, s.values)
		s.inspect(r.to, s.values)
	}
	r.done(first, last)
	return out
}

// read fills s.values with rows first to last-1 as float32.
func (s *scratch) read(r *rows, first, last int) {
	n := last - first
	switch {
	case r.transposed:
		s.column = grow(s.column, n)
		for j := range r.width { // row j of src is column j of the result
			from := r.from.Bytes(j*r.count + first)
			tensor.Dequantize(r.from, s.column, r.src[from:from+r.from.Bytes(n)])
			for i, v := range s.column {
				s.values[i*r.width+j] = v
			}
			r.passed(j)
		}
	case r.heads > 0:
		size := r.from.Bytes(r.width)
		for i := range n {
			at := r.source(first+i) * size
			tensor.Dequantize(r.from, s.values[i*r.width:(i+1)*r.width], r.src[at:at+size])
		}
	default:
		size := r.from.Bytes(r.width)
		tensor.Dequantize(r.from, s.values, r.src[first*size:last*size])
	}
}

// exchange copies columns first to last-1 of src as rows.
func (r *rows) exchange(out []byte, first, last int) {
	size := r.from.BlockBytes()
	for j := range r.width {
		from := r.src[(j*r.count+first)*size:]
		for i := range last - first {
			copy(out[(i*r.width+j)*size:][:size], from[i*size:])
		}
		r.passed(j)
	}
}

// passed gives back the pages of a transposed matrix some rows at a time: every
// piece of the result is read from all over it.
func (r *rows) passed(j int) {
	size := r.from.Bytes(r.count)
	every := max(1, 4*pieceElements/max(size, 1))
	if n := j%every + 1; n == every || j == r.width-1 {
		r.discard(r.src[(j+1-n)*size : (j+1)*size])
	}
}

// done gives back the pages that rows first to last-1 were read from.
func (r *rows) done(first, last int) {
	if r.transposed {
		return
	}
	size := r.from.Bytes(r.width)
	r.discard(r.src[first*size : last*size]) // rows move within their head, near enough
}

// inspect counts what is not finite, or not any more.
func (s *scratch) inspect(to tensor.DType, values []float32) {
	const infinity, largestF16 = 0x7f800000, 0x477ff000 // bits; the second, 65520, rounds to infinity as F16
	limit := uint32(infinity)
	if to == tensor.F16 {
		limit = largestF16
	}
	for _, v := range values {
		if b := math.Float32bits(v) &^ (1 << 31); b >= infinity {
			s.damage.nonFinite++
		} else if b >= limit {
			s.damage.overflow++
		}
	}
}

// converter converts tensors with several threads.
type converter struct {
	ctx     context.Context
	threads []scratch
	moved   func(bytes int) // called after each write, or nil
	piece   int             // elements
}

func newConverter(ctx context.Context, threads int, moved func(int)) *converter {
	return &converter{ctx: ctx, threads: make([]scratch, max(threads, 1)), moved: moved, piece: pieceElements}
}

// write puts r's bytes out, in order.
func (c *converter) write(w io.Writer, r rows) (damage, error) {
	if r.from == r.to && r.heads == 0 && !r.transposed {
		return damage{}, c.copy(w, &r)
	}
	if !r.from.IsFloat() || !r.to.IsFloat() {
		return damage{}, fmt.Errorf("no conversion from %v to %v", r.from, r.to)
	}
	r.flatten()
	step := max(1, c.piece/max(r.width, 1))
	if r.transposed { // whole blocks of src
		step = (step + r.from.BlockLen() - 1) / r.from.BlockLen() * r.from.BlockLen()
	}
	step = min(step, max(r.count, 1))
	pieces := (r.count + step - 1) / step
	bounds := func(p int) (int, int) { return p * step, min((p+1)*step, r.count) }
	for i := range c.threads {
		c.threads[i].damage = damage{}
	}
	err := c.ordered(w, pieces, func(s *scratch, p int) []byte {
		first, last := bounds(p)
		return s.piece(&r, first, last)
	})
	var total damage
	for i := range c.threads {
		total.add(c.threads[i].damage)
	}
	return total, err
}

// ordered lets the threads make pieces, thread t every piece t, t+threads, ...,
// and writes them in order.
func (c *converter) ordered(w io.Writer, pieces int, work func(*scratch, int) []byte) error {
	threads := min(len(c.threads), pieces)
	if threads < 2 {
		for p := range pieces {
			if err := c.put(w, work(&c.threads[0], p)); err != nil {
				return err
			}
		}
		return nil
	}
	stop := make(chan struct{})
	ready := make([]chan []byte, threads)
	var group sync.WaitGroup
	for t := range ready {
		ready[t] = make(chan []byte)
		group.Go(func() {
			for p := t; p < pieces; p += threads {
				b := work(&c.threads[t], p)
				select {
				case ready[t] <- b:
				case <-stop:
					return
				}
			}
		})
	}
	defer group.Wait()
	defer close(stop)
	for p := range pieces {
		if err := c.put(w, <-ready[p%threads]); err != nil {
			return err
		}
	}
	return nil
}

// copy writes src as it is.
func (c *converter) copy(w io.Writer, r *rows) error {
	for b := r.src; len(b) > 0; {
		n := min(len(b), 4*pieceElements)
		if err := c.put(w, b[:n]); err != nil {
			return err
		}
		r.discard(b[:n])
		b = b[n:]
	}
	return nil
}

func (c *converter) put(w io.Writer, b []byte) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	if _, err := w.Write(b); err != nil {
		return err
	}
	if c.moved != nil {
		c.moved(len(b))
	}
	return nil
}

// How a case is run on a backend and compared with the reference.

package opstest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"netllm/ops"
	"netllm/tensor"
)

// placed is a case with its operands in a backend's memory.
type placed struct {
	args    ops.Args
	stores  [9]tensor.Tensor // the whole storage of each operand, flat
	weights [9]tensor.Tensor // what was prepared, in host memory
}

// place uploads the operands of a case.
func (c *opCase) place(b ops.Backend) (*placed, error) {
	p := &placed{args: ops.Args{F: c.f, I: c.i, Acc: c.acc}}
	for i, o := range c.t {
		switch {
		case o == nil:
			continue
		case o.prepare:
			// The backend may use this memory.
			p.weights[i] = tensor.New(o.tensor.DType(), o.tensor.Shape()...)
			copy(p.weights[i].Bytes(), o.tensor.Bytes())
			w, err := b.Prepare(p.weights[i])
			if err != nil {
				return nil, fmt.Errorf("prepare %v: %w", o.tensor, err)
			}
			p.args.T[i] = w
			continue
		}
		if j := slices.Index(c.t[:i], o); j >= 0 {
			p.args.T[i] = p.args.T[j]
			continue
		}
		host := o.tensor.Storage()
		store := b.Alloc(host.Size())
		p.stores[i] = tensor.Of(store, o.tensor.DType(), host.Size()/4)
		b.Upload(p.stores[i], host.Bytes())
		p.args.T[i] = o.tensor.With(store)
	}
	return p, nil
}

// run performs the case and returns the bytes of all storages afterwards; those
// of prepared weights are nil.
func (c *opCase) run(b ops.Backend) (after [9][]byte, err error) {
	p, err := c.place(b)
	if err != nil {
		return after, err
	}
	args := p.args
	if err := guard(func() { b.Run(c.op, &args) }); err != nil {
		return after, err
	}
	args = ops.Args{Acc: ^c.acc} // the backend has a copy of its own
	for i, store := range p.stores {
		if store.IsZero() {
			continue
		}
		after[i] = make([]byte, store.Storage().Size())
		if err := b.Download(after[i], store); err != nil {
			return after, fmt.Errorf("download: %w", err)
		}
		b.Free(store.Storage())
	}
	for i, w := range p.weights {
		if !w.IsZero() && !bytes.Equal(w.Bytes(), c.t[i].tensor.Bytes()) {
			return after, fmt.Errorf("operand T%d (%v): a prepared weight was written to", i, w)
		}
	}
	return after, nil
}

// guard turns a panic of f into an error.
func guard(f func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	f()
	return nil
}

// values are the elements of an output by the reference, in row order.
type values struct {
	elements []float64
	largest  float64   // of the elements and of what they are the sums of
	rounding *rounding // of activations, where a backend may round them
	half     *rounding // of both operands to f16, likewise
}

// compute returns what the reference gives for the outputs.
func (c *opCase) compute() (want [9]values) {
	ref := NewReference()
	p, err := c.place(ref)
	if err != nil {
		panic(err) // the reference prepares every type of the cases
	}
	done := ref.run(c.op, &p.args)
	for _, i := range outputs(c.op) {
		if p.args.T[i].IsZero() {
			continue
		}
		want[i] = values{elements: ref.Float64s(p.args.T[i]), largest: done.largest[i]}
		for _, w := range want[i].elements {
			if a := math.Abs(w); !math.IsInf(a, 0) && a > want[i].largest {
				want[i].largest = a
			}
		}
	}
	if roundable(c.op, &p.args) {
		want[0].rounding = roundingOf(done)
	}
	if halvable(c.op, &p.args) {
		want[0].half = halfRoundingOf(done)
	}
	return want
}

// check performs the case on b and on the reference and compares: outputs by
// value, and all other memory bit by bit with what it was before.
func (c *opCase) check(b ops.Backend) error {
	want := c.want()
	got, err := c.run(b)
	if err != nil {
		return err
	}
	var errs []error
	for i, after := range got {
		if after == nil {
			continue
		}
		o := c.t[i]
		written := make([]bool, len(after)/4)
		if slices.Contains(outputs(c.op), i) {
			offs := offsets(o.tensor)
			for _, off := range offs {
				written[off] = true
			}
			errs = append(errs, c.compareAs(b, i, offs, after, want[i]))
		}
		before := o.tensor.Storage().Bytes()
		for off := range len(after) / 4 {
			old, now := binary.LittleEndian.Uint32(before[4*off:]), binary.LittleEndian.Uint32(after[4*off:])
			if old != now && !written[off] {
				errs = append(errs, fmt.Errorf("operand T%d (%v): element %d of the storage, which is not to be written: bits %08x, were %08x",
					i, o.tensor, off, now, old))
				break
			}
		}
	}
	return errors.Join(errs...)
}

// compare checks the elements of output i.
func (c *opCase) compare(i int, offs []int, after []byte, want values) error {
	tol, wrong, first := tolerances[c.op], 0, ""
	for k, off := range offs {
		word, w := binary.LittleEndian.Uint32(after[4*off:]), want.elements[k]
		got := float64(math.Float32frombits(word))
		if c.t[i].tensor.DType() == tensor.I32 {
			got = float64(int32(word))
		}
		ok := tol.near(got, w, want.largest)
		if c.op == ops.OpDropout && c.acc == 0 && ok { // masks are exact
			ok = (got == 0) == (w == 0)
		}
		if ok {
			continue
		}
		if wrong == 0 {
			first = fmt.Sprintf("element %d: got %v, want %v, off by %.2g, largest %.3g", k, got, w, got-w, want.largest)
		}
		wrong++
	}
	if wrong > 0 {
		return fmt.Errorf("output T%d (%v): %d of %d elements are wrong, first %s", i, c.t[i].tensor, wrong, len(offs), first)
	}
	return nil
}

// compareAs checks output i by what the backend says of its rounding. One that
// rounds in both ways may do either.
func (c *opCase) compareAs(b ops.Backend, i int, offs []int, after []byte, want values) error {
	var allowed []*rounding
	if want.rounding != nil && ops.RoundsActivations(b, c.t[2].tensor.DType()) {
		allowed = append(allowed, want.rounding)
	}
	if want.half != nil && ops.RoundsToHalf(b, c.t[2].tensor.DType()) {
		allowed = append(allowed, want.half)
	}
	if allowed == nil {
		return c.compare(i, offs, after, want)
	}
	var errs []error
	for _, r := range allowed {
		err := c.compareRounded(offs, after, want, r)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Frozen weights: uploaded once, as they are quantised, in the layout of layout.go.

package gpu

import (
	"fmt"

	"netllm/tensor"
)

// weight is the handle of a prepared weight of another type than F32.
type weight struct {
	owner  *Backend
	dtype  tensor.DType
	planes [2]span // the second, and after a failure both, may have no block
	freed  bool
}

// plane is what a kernel binds of a weight: the span of a whole plane, and which of
// its units, of so many bytes, a view has.
type plane struct {
	span               span
	unit, first, count uint64
}

// Prepare copies the frozen host tensor w to the device.
func (b *Backend) Prepare(w tensor.Tensor) (tensor.Tensor, error) {
	if !w.DType().IsFloat() {
		return tensor.Tensor{}, fmt.Errorf("gpu: a weight of type %v", w.DType())
	}
	src := w.Bytes()
	if w.DType() == tensor.F32 {
		p := tensor.Of(b.Alloc(len(src)), tensor.F32, w.Shape()...)
		b.Upload(p, src)
		return p, b.err
	}
	l := layouts[w.DType()]
	h := &weight{owner: b, dtype: w.DType()}
	blocks := uint64(w.Len() / l.length)
	for i, unit := range l.units {
		if unit == 0 || b.err != nil {
			continue
		}
		h.planes[i] = b.take(unit*blocks, fmt.Sprintf("weight %v", w))
	}
	size := w.DType().BlockBytes()
	for i, p := range h.planes {
		if p.block == nil || blocks == 0 {
			continue
		}
		p.size = l.units[i] * blocks
		unit := int(l.units[i])
		b.stage(p, func(to []byte, from int) { l.pack(i, to, src, from, unit, size) })
	}
	b.transferred += int64(len(src))
	return tensor.Of(tensor.NewDevice(h, len(src)), w.DType(), w.Shape()...), b.err
}

// pack writes bytes from on of plane i. to may begin and end within a block.
func (l layout) pack(i int, to, src []byte, from, unit, size int) {
	if unit == size && l.units[1] == 0 {
		copy(to, src[from:])
		return
	}
	for done := 0; done < len(to); {
		at := from + done
		block, within := src[at/unit*size:at/unit*size+size], at%unit
		n := min(unit-within, len(to)-done)
		l.packBlock(i, to[done:done+n], block, within)
		done += n
	}
}

// packBlock writes bytes of plane i of one block of the file.
func (l layout) packBlock(i int, to, block []byte, within int) {
	if l.units[1] > 0 { // nothing lies between them
		copy(to, block[l.source(i, within, len(block)):])
		return
	}
	for j := range to {
		to[j] = 0
		if k := l.source(i, within+j, len(block)); k >= 0 {
			to[j] = block[k]
		}
	}
}

// source returns which byte of a block in the file is byte j of its plane i, or -1
// for one that is not in the file.
func (l layout) source(i, j, size int) int {
	switch {
	case l.units[1] > 0 && i == 1: // the scale
		return j
	case l.units[1] > 0: // what comes after it
		return l.split + j
	case l.split > 0 && j < l.split: // a scale, two bytes of zero, the rest
		return j
	case l.split > 0:
		if j -= int(l.units[0]) - size; j < l.split {
			return -1
		}
		return j
	case j < size: // the file's bytes, two bytes of zero
		return j
	}
	return -1
}

// weightOf returns the handle of a prepared weight that is not F32, or nil.
func (b *Backend) weightOf(t tensor.Tensor) *weight {
	handle, _ := t.Storage().Device()
	w, _ := handle.(*weight)
	return w
}

// planesOf returns the planes of a weight, or of an F32 tensor, and which part of
// them the view t is. They are valid until the next call.
func (b *Backend) planesOf(t tensor.Tensor, what string) []plane {
	l := layouts[t.DType()]
	n := uint64(t.Len() / l.length)
	first := uint64(t.Offset() / l.length)
	w := b.weightOf(t)
	if w == nil {
		s, ok := b.spanOf(t, what)
		if !ok {
			s = b.zeros
		}
		first += s.offset % b.limits.StorageAlignment / 4
		s.size += s.offset % b.limits.StorageAlignment
		s.offset -= s.offset % b.limits.StorageAlignment
		b.planes[0] = plane{s, 4, first, n}
		return b.planes[:1]
	}
	switch {
	case w.owner != b:
		panic(fmt.Sprintf("gpu: %s: %v is another backend's", what, t))
	case w.freed:
		panic(fmt.Sprintf("gpu: %s: %v was freed", what, t))
	}
	count := 1
	if l.units[1] > 0 {
		count = 2
	}
	for i := range count {
		s := w.planes[i]
		if s.block == nil {
			s = b.zeros
		}
		b.planes[i] = plane{s, l.units[i], first, n}
	}
	return b.planes[:count]
}

// downloadWeight gives the bytes back that the weight had in the file.
func (b *Backend) downloadWeight(dst []byte, t tensor.Tensor, w *weight) error {
	if want := t.DType().Bytes(t.Len()); want != len(dst) {
		panic(fmt.Sprintf("gpu: Download: %v has %d bytes, not %d", t, want, len(dst)))
	}
	if b.err != nil || len(dst) == 0 {
		return b.Sync()
	}
	l, size := layouts[t.DType()], t.DType().BlockBytes()
	b.transferred += int64(len(dst))
	for i, p := range b.planesOf(t, "Download") {
		raw := make([]byte, p.count*p.unit)
		if err := b.readBack(raw, span{p.span.block, p.span.offset + p.first*p.unit, uint64(len(raw))}); err != nil {
			return err
		}
		unit := int(p.unit)
		for j, value := range raw {
			if k := l.source(i, j%unit, size); k >= 0 {
				dst[j/unit*size+k] = value
			}
		}
	}
	return nil
}

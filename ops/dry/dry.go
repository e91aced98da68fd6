// Package dry is a backend that computes nothing and counts the memory that a
// computation would take. The code that is to be planned runs as it is, with all its
// shapes, in microseconds per layer:
//
//	b := dry.New(nil)
//	model, err := transformer.Load(b, "model.gguf") // maps the file, reads its header only
//	c := ops.NewContext(b)
//	model.Forward(c, c.New(tensor.F32, 1, 512, model.Width()), nil)
//	b.Peak() // bytes
package dry

import (
	"fmt"

	"netllm/ops"
	"netllm/tensor"
)

// Backend counts. Its memory has no content: what is read from it is zeros.
type Backend struct {
	held, peak, weights int
	prepared            func(w tensor.Tensor) int
}

var _ ops.Backend = (*Backend)(nil)

// handle is that of a storage: how much it counts for.
type handle struct {
	owner  *Backend
	bytes  int
	weight bool
	freed  bool
}

// New returns a backend that holds nothing. prepared says how many bytes a frozen weight
// takes in the backend that is planned for; nil stands for those that it has in its file.
func New(prepared func(w tensor.Tensor) int) *Backend {
	if prepared == nil {
		prepared = func(w tensor.Tensor) int { return w.DType().Bytes(w.Len()) }
	}
	return &Backend{prepared: prepared}
}

// Held is the number of bytes that are allocated now, without weights.
func (b *Backend) Held() int { return b.held }

// Peak is the largest that Held has been.
func (b *Backend) Peak() int { return b.peak }

// Weights is the number of bytes of all prepared weights.
func (b *Backend) Weights() int { return b.weights }

// Name returns "dry".
func (b *Backend) Name() string { return "dry" }

// Alloc counts size bytes.
func (b *Backend) Alloc(size int) *tensor.Storage {
	b.held += size
	b.peak = max(b.peak, b.held)
	return tensor.NewDevice(&handle{owner: b, bytes: size}, size)
}

// Free takes what s counts for back.
func (b *Backend) Free(s *tensor.Storage) {
	h := b.resolve(s, "Free")
	switch h.freed = true; {
	case h.weight:
		b.weights -= h.bytes
	default:
		b.held -= h.bytes
	}
}

// resolve returns the handle of this backend's storage.
func (b *Backend) resolve(s *tensor.Storage, what string) *handle {
	device, _ := s.Device()
	h, ok := device.(*handle)
	switch {
	case !ok || h.owner != b:
		panic(fmt.Sprintf("dry: %s: a storage of another backend", what))
	case h.freed:
		panic(fmt.Sprintf("dry: %s: memory that was freed", what))
	}
	return h
}

// Prepare counts the weight, and does not look at its elements.
func (b *Backend) Prepare(w tensor.Tensor) (tensor.Tensor, error) {
	if !w.DType().IsFloat() {
		return tensor.Tensor{}, fmt.Errorf("dry: a weight of type %v", w.DType())
	}
	return b.weight(b.prepared(w), w.DType(), w.Shape()...), nil
}

// Weight returns a frozen weight that was never in host memory and counts as [Backend.Prepare] would count it in its
// file: what a model that is not there is made of.
func (b *Backend) Weight(dtype tensor.DType, shape ...int) tensor.Tensor {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return b.weight(dtype.Bytes(n), dtype, shape...)
}

// weight counts a weight for so many bytes.
func (b *Backend) weight(bytes int, dtype tensor.DType, shape ...int) tensor.Tensor {
	n := 1
	for _, d := range shape {
		n *= d
	}
	b.weights += bytes
	return tensor.Of(tensor.NewDevice(&handle{owner: b, bytes: bytes, weight: true}, dtype.Bytes(n)), dtype, shape...)
}

// Upload does nothing.
func (b *Backend) Upload(dst tensor.Tensor, _ []byte) { b.resolve(dst.Storage(), "Upload") }

// Download sets dst to zeros.
func (b *Backend) Download(dst []byte, src tensor.Tensor) error {
	b.resolve(src.Storage(), "Download")
	clear(dst)
	return nil
}

// Run looks whether the operands are this backend's, and does nothing.
func (b *Backend) Run(_ ops.Op, args *ops.Args) {
	for _, t := range args.T {
		if !t.IsZero() {
			b.resolve(t.Storage(), "Run")
		}
	}
}

// Sync has nothing to wait for.
func (b *Backend) Sync() error { return nil }

// Counters returns zeros.
func (b *Backend) Counters() ops.Counters { return ops.Counters{} }

// Close does nothing.
func (b *Backend) Close() error { return nil }

// One frozen model, and the adapters of several tasks that are attached to it at once.

package netllm

import (
	"errors"
	"fmt"
	"io"

	"netllm/ops"
	"netllm/transformer"
)

// Base is a frozen model whose weights' hash is known, so that adapters are attached without reading all weights again. Each
// task's LoadAdapter attaches one, its Close detaches it. Any number of adapters, of one task or of several, may be
// attached at a time and asked in any order: matrices, encoder, head and caches are each one's own, the weights are common and
// never written to. Goroutines may ask at the same time if each has a backend of its own, as on the CPU.
type Base struct {
	transformer.Model
	hash string
}

// OpenBase loads the model in the file or folder path for b, see [transformer.Load].
func OpenBase(b ops.Backend, path string) (*Base, error) {
	m, err := transformer.Load(b, path)
	if err != nil {
		return nil, err
	}
	x, err := NewBase(b, m)
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return x, nil
}

// NewBase reads the weights of a model once. The model is closed by the base's Close.
func NewBase(b ops.Backend, m transformer.Model) (*Base, error) {
	hash, err := m.Hash(b)
	if err != nil {
		return nil, err
	}
	return &Base{m, hash}, nil
}

// Hash implements [transformer.Adaptable] with what [NewBase] found.
func (x *Base) Hash(ops.Backend) (string, error) { return x.hash, nil }

// Verify reads the weights again, and fails if they are not those that the base was made with.
func (x *Base) Verify(b ops.Backend) error {
	hash, err := x.Model.Hash(b)
	if err == nil && hash != x.hash {
		err = fmt.Errorf("netllm: the frozen weights have changed: their SHA-256 is %s and was %s", hash, x.hash)
	}
	return err
}

// Closers are things that were made for some work and are closed after it, such as policies.
type Closers []io.Closer

// Add takes v in if it can be closed.
func (c *Closers) Add(v any) {
	if x, ok := v.(io.Closer); ok {
		*c = append(*c, x)
	}
}

// Close closes all, the last first, and forgets them.
func (c *Closers) Close() error {
	var errs []error
	for i := len(*c) - 1; i >= 0; i-- {
		errs = append(errs, (*c)[i].Close())
	}
	*c = nil
	return errors.Join(errs...)
}

package ops

import (
	"fmt"
	"math"
	"unsafe"

	"netllm/tensor"
)

// Context is one computation in progress: the backend that runs it, the arena
// that its results live in, and, if gradients are wanted, the tape. A Context
// belongs to one goroutine; several may share frozen weights.
type Context struct {
	Backend Backend
	Arena   *Arena
	Tape    *Tape // nil: nothing is recorded
	RNG     RNG

	// Training switches dropout on.
	Training bool

	// Checkpointing has models keep only the input of each block for the
	// backward pass and compute the block again there: far less memory for a
	// third more work. See [Checkpoint].
	Checkpointing bool

	label string
	args  Args
	late  []late // outputs of args that are not in their places yet

	scalar [1]float32 // for ReadScalar
}

// NewContext returns a context with an arena of its own and no tape.
func NewContext(b Backend) *Context {
	return &Context{Backend: b, Arena: NewArena(b)}
}

// Reset forgets all results and the tape's records, to start the next step.
// Parameters, their gradients and tensors from other memory stay.
func (c *Context) Reset() {
	c.Arena.Reset()
	c.RNG.call = 0
	if c.Tape != nil {
		c.Tape.reset()
	}
}

// Label names what is being computed, such as "blk.3.ffn_down", for reports
// about the operations that follow.
func (c *Context) Label(name string) { c.label = name }

// New returns a tensor in the arena whose content is not defined.
func (c *Context) New(dtype tensor.DType, shape ...int) tensor.Tensor {
	return c.Arena.New(dtype, shape...)
}

// Float32s returns a tensor in the arena with a copy of data. It panics unless
// shape has len(data) elements.
func (c *Context) Float32s(data []float32, shape ...int) tensor.Tensor {
	t := c.New(tensor.F32, shape...)
	c.Backend.Upload(t, bytesOf(data))
	return t
}

// Int32s returns an I32 tensor in the arena with a copy of data.
func (c *Context) Int32s(data []int32, shape ...int) tensor.Tensor {
	t := c.New(tensor.I32, shape...)
	c.Backend.Upload(t, bytesOf(data))
	return t
}

// Read copies the contiguous F32 tensor t to dst when everything before has
// been computed. It returns the backend's error, and panics if the lengths
// differ.
func (c *Context) Read(dst []float32, t tensor.Tensor) error {
	if len(dst) != t.Len() || t.DType() != tensor.F32 {
		panic(fmt.Sprintf("ops: Read: %v into %d floats", t, len(dst)))
	}
	return c.Backend.Download(bytesOf(dst), t)
}

// ReadScalar returns the value of a tensor of one element.
func (c *Context) ReadScalar(t tensor.Tensor) (float32, error) {
	c.scalar = [1]float32{}
	err := c.Read(c.scalar[:], t)
	return c.scalar[0], err
}

// Floats reads t into a new slice.
func (c *Context) Floats(t tensor.Tensor) ([]float32, error) {
	dst := make([]float32, t.Len())
	return dst, c.Read(dst, t)
}

// run sends a primitive built in c.args and clears them for the next one.
func (c *Context) run(op Op) {
	c.Backend.Run(op, &c.args)
	c.args = Args{}
	if len(c.late) > 0 {
		c.deliver()
	}
}

func bytesOf[T float32 | int32](s []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), 4*len(s))
}

// Param is a trained tensor: its value, its gradient, and a name that is
// unique in its model. Both are F32, contiguous, and in storages of their own.
type Param struct {
	Name  string
	Value tensor.Tensor
	Grad  tensor.Tensor
}

// NewParam returns a zero parameter with a zero gradient in b's memory.
func NewParam(b Backend, name string, shape ...int) *Param {
	n := 4
	for _, d := range shape {
		n *= d
	}
	return &Param{
		Name:  name,
		Value: tensor.Of(b.Alloc(n), tensor.F32, shape...),
		Grad:  tensor.Of(b.Alloc(n), tensor.F32, shape...),
	}
}

// FreeParams gives the memory of parameters and of their gradients back to b, which they were made in. They cannot be
// used any more; those that were freed before are passed over.
func FreeParams(b Backend, params []*Param) {
	for _, p := range params {
		for _, t := range []*tensor.Tensor{&p.Value, &p.Grad} {
			if !t.IsZero() {
				b.Free(t.Storage())
			}
			*t = tensor.Tensor{}
		}
	}
}

// ZeroGrad sets the gradients to zero. Until then gradients accumulate from one
// backward pass to the next.
func ZeroGrad(c *Context, params []*Param) {
	for _, p := range params {
		fill(c, p.Grad, 0)
	}
}

// RNG is the state of a context's random masks. A mask is a function of the
// seed, the step and the number of the call within the step, so that every
// backend, and a run that was resumed, draws the same.
type RNG struct {
	Seed, Step uint64
	call       uint64
}

// DropoutKeeps reports whether element i survives dropout with probability p
// in the call'th dropout of a step: word i%4 of Philox4x32-10 (Salmon et al.
// 2011) with counter (i/4, call, step, 0) and the seed as key is at least
// p * 2^32.
func DropoutKeeps(p float32, seed, step, call uint64, i int) bool {
	w := philox(uint32(i/4), uint32(call), uint32(step), uint32(step>>32), uint32(seed), uint32(seed>>32))
	return w[i%4] >= dropoutThreshold(p)
}

// dropoutThreshold is p * 2^32, at most 2^32-1.
func dropoutThreshold(p float32) uint32 {
	return uint32(min(math.Floor(float64(p)*0x1p32), 0x1p32-1))
}

// philox is the Philox4x32-10 bijection.
func philox(c0, c1, c2, c3, k0, k1 uint32) [4]uint32 {
	for range 10 {
		p0 := uint64(c0) * 0xD2511F53
		p1 := uint64(c2) * 0xCD9E8D57
		c0, c1, c2, c3 = uint32(p1>>32)^c1^k0, uint32(p1), uint32(p0>>32)^c3^k1, uint32(p0)
		k0 += 0x9E3779B9
		k1 += 0xBB67AE85
	}
	return [4]uint32{c0, c1, c2, c3}
}

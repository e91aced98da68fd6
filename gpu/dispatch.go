// How a kernel is called: what the functions in this package's kernel_*.go files
// are written with.

package gpu

import (
	"fmt"
	"math"

	"netllm/gpu/internal/vk"
	"netllm/tensor"
)

const (
	maxBindings  = 8  // storage buffers of one kernel
	maxConstants = 12 // specialization constants of one kernel
	maxParams    = 64 // 32-bit words of parameters, the offsets included
)

// dispatch is one call of a shader, being put together:
//
//	d := b.dispatch("example", 256)        // the shader, its specialization constants
//	d.write(a.T[0])                        // binding 0
//	d.read(a.T[1])                         // binding 1
//	d.read(a.T[2])                         // binding 2
//	d.int(a.T[0].Len(), a.T[2].Len())      // parameters
//	d.run(d.b.groups(a.T[0].Len(), 256), 1, 1)
//
// In the shader, constant 0 is the size of the workgroup, the bindings of set 0
// are the tensors in the order of the calls, and set 1 holds the parameters: first
// one uint per binding, where the tensor begins in it, then those given.
// gpu/shaders/README.md shows a whole shader. run clears the dispatch; b has
// only one.
type dispatch struct {
	b        *Backend
	shader   string
	nspec    int
	spec     [maxConstants]uint32
	nbind    int
	bind     [maxBindings]binding
	offset   [maxBindings]uint32
	nparam   int
	param    [maxParams]uint32
	overflow string // what does not fit the device, if anything
}

// binding is one buffer range of a dispatch and what happens to it.
type binding struct {
	span
	reads, writes bool
}

// dispatch begins the call of a shader.
func (b *Backend) dispatch(shader string, constants ...uint32) *dispatch {
	d := &b.next
	d.b, d.shader, d.nspec, d.nbind, d.nparam, d.overflow = b, shader, len(constants), 0, 0, ""
	d.spec = [maxConstants]uint32{}
	copy(d.spec[:], constants)
	return d
}

// read binds a tensor that the shader reads. Its offset is in elements.
func (d *dispatch) read(t tensor.Tensor) { d.tensor(t, true, false) }

// write binds a tensor that the shader writes without reading it.
func (d *dispatch) write(t tensor.Tensor) { d.tensor(t, false, true) }

// update binds a tensor that the shader reads and writes.
func (d *dispatch) update(t tensor.Tensor) { d.tensor(t, true, true) }

// output binds an output that is added to or overwritten.
func (d *dispatch) output(t tensor.Tensor, accumulate bool) { d.tensor(t, accumulate, true) }

// none binds a few bytes of zeros in the place of a tensor that is not wanted.
func (d *dispatch) none() { d.add(d.b.zeros, 0, binding{reads: true}) }

// tensor binds a tensor of 4-byte elements: all of its storage where the device
// allows it, so that the bindings of a step do not depend on positions, or else
// as much of it as the view needs.
func (d *dispatch) tensor(t tensor.Tensor, reads, writes bool) {
	s, ok := d.b.spanOf(t, d.shader)
	if !ok {
		d.none()
		return
	}
	first := uint64(4 * t.Offset())
	if s.size > d.b.limits.StorageBufferRange {
		size := uint64(4 * extent(t))
		s.offset, s.size, first = s.offset+first, size, 0
		if s.size+d.b.limits.StorageAlignment > d.b.limits.StorageBufferRange {
			d.overflow = fmt.Sprintf("%v spans %d bytes, the device binds at most %d", t, size, d.b.limits.StorageBufferRange)
		}
	}
	d.add(s, first, binding{reads: reads, writes: writes})
}

// extent returns how many elements lie between a view's first and last, both
// included.
func extent(t tensor.Tensor) int {
	if t.Len() == 0 {
		return 0
	}
	n := 1
	for i := range t.Rank() {
		n += (t.Dim(i) - 1) * t.Stride(i)
	}
	return n
}

// weight binds the planes of a frozen weight, see [layout]: one or two bindings, with
// offsets in units of the planes (blocks, or elements of F16 and BF16).
func (d *dispatch) weight(t tensor.Tensor) {
	for _, p := range d.b.planesOf(t, d.shader) {
		if p.span.size > d.b.limits.StorageBufferRange {
			// As much as the view needs, from a place where a unit begins.
			align := lcm(d.b.limits.StorageAlignment, p.unit)
			from := p.first * p.unit / align * align
			p.span.offset, p.span.size = p.span.offset+from, (p.first+p.count)*p.unit-from
			p.first -= from / p.unit
			if p.span.size > d.b.limits.StorageBufferRange {
				d.overflow = fmt.Sprintf("%v has %d bytes, the device binds at most %d", t, p.span.size, d.b.limits.StorageBufferRange)
			}
		}
		i := d.nbind
		d.add(p.span, 0, binding{reads: true})
		d.offset[i] = word(p.first)
	}
}

// add binds a span; first is the byte in it where the shader's tensor begins.
func (d *dispatch) add(s span, first uint64, use binding) {
	slack := s.offset % d.b.limits.StorageAlignment
	s.offset, s.size = s.offset-slack, max(4, (s.size+slack+3)/4*4) // nothing cannot be bound
	use.span = s
	d.bind[d.nbind], d.offset[d.nbind] = use, word((first+slack)/4)
	d.nbind++
}

// int appends parameters, which are not negative.
func (d *dispatch) int(values ...int) {
	for _, v := range values {
		d.param[d.nparam] = word(v)
		d.nparam++
	}
}

// uint appends parameters that are bits.
func (d *dispatch) uint(values ...uint32) { d.nparam += copy(d.param[d.nparam:], values) }

// float appends parameters.
func (d *dispatch) float(values ...float32) {
	for _, v := range values {
		d.uint(math.Float32bits(v))
	}
}

// flag appends 1 or 0.
func (d *dispatch) flag(value bool) {
	if value {
		d.uint(1)
		return
	}
	d.uint(0)
}

// run asks for so many workgroups. Nothing happens if there are none.
func (d *dispatch) run(x, y, z int) {
	b := d.b
	if x == 0 || y == 0 || z == 0 || b.err != nil {
		return
	}
	if d.overflow != "" {
		b.fail(fmt.Errorf("%s: %s", d.shader, d.overflow))
		return
	}
	if n := b.limits.WorkgroupCount; x > n[0] || y > n[1] || z > n[2] {
		panic(fmt.Sprintf("gpu: %s: %d x %d x %d workgroups, at most %v", d.shader, x, y, z, n))
	}
	if d.nbind+d.nparam > maxParams {
		panic(fmt.Sprintf("gpu: %s: %d bindings and %d parameters", d.shader, d.nbind, d.nparam))
	}
	b.record(d, [3]uint32{uint32(x), uint32(y), uint32(z)})
}

// groups returns how many workgroups of the given size do n elements in a loop
// over all that are left: not more than there can be in one dimension.
func (b *Backend) groups(n, size int) int {
	return min((n+size-1)/size, b.limits.WorkgroupCount[0])
}

// word returns a number as the shader's uint.
func word[T int | uint64](n T) uint32 {
	if n < 0 || uint64(n) > math.MaxUint32 {
		panic(fmt.Sprintf("gpu: %d does not fit 32 bits", n))
	}
	return uint32(n)
}

func lcm(a, b uint64) uint64 {
	x, y := a, b
	for y != 0 {
		x, y = y, x%y
	}
	return a / x * b
}

// limits are the device's, made smaller where a test wants it.
type limits = vk.Limits

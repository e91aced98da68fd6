package tensor

import (
	"fmt"
	"math"
	"math/bits"
	"strings"
	"unsafe"
)

// MaxRank is the largest number of dimensions of a tensor.
const MaxRank = 4

// Tensor is an array of elements, or a view of one: a value to be passed and
// copied freely. Element (i, j, ...) is element offset + i*stride0 + j*stride1
// + ... of the storage. The zero Tensor has no storage and stands for "none".
//
// A tensor of a block type (see [DType.IsBlock]) is contiguous, and its shape
// counts elements, not blocks.
type Tensor struct {
	store  *Storage
	offset int // elements
	shape  [MaxRank]int
	stride [MaxRank]int // elements
	rank   uint8
	dtype  DType
}

// New returns a zeroed tensor in host memory.
func New(dtype DType, shape ...int) Tensor {
	return Of(NewHost(dtype.Bytes(count(shape))), dtype, shape...)
}

// FromFloat32 returns an F32 tensor over data, which is not copied. It panics
// unless shape has len(data) elements.
func FromFloat32(data []float32, shape ...int) Tensor {
	b := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(data))), 4*len(data))
	return Of(HostBytes(b), F32, shape...)
}

// FromInt32 returns an I32 tensor over data, which is not copied. It panics
// unless shape has len(data) elements.
func FromInt32(data []int32, shape ...int) Tensor {
	b := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(data))), 4*len(data))
	return Of(HostBytes(b), I32, shape...)
}

// Of returns the contiguous tensor of the given shape that fills store. It
// panics if the sizes disagree, if there are more than [MaxRank] dimensions,
// or if a row of a block type is not a multiple of the block.
func Of(store *Storage, dtype DType, shape ...int) Tensor {
	t := Tensor{store: store, dtype: dtype}
	t.setShape(shape)
	if dtype.IsBlock() && t.Dim(-1)%dtype.BlockLen() != 0 {
		panic(fmt.Sprintf("tensor: Of: rows of %d elements of %v: not a multiple of %d", t.Dim(-1), dtype, dtype.BlockLen()))
	}
	if want := dtype.Bytes(t.Len()); want != store.size {
		panic(fmt.Sprintf("tensor: Of: %v%v takes %d bytes, storage has %d", dtype, t.Shape(), want, store.size))
	}
	return t
}

func (t *Tensor) setShape(shape []int) {
	if len(shape) > MaxRank {
		panic(fmt.Sprintf("tensor: %d dimensions, at most %d", len(shape), MaxRank))
	}
	t.rank = uint8(len(shape))
	n := 1
	for i := len(shape) - 1; i >= 0; i-- {
		if shape[i] < 0 {
			panic(fmt.Sprintf("tensor: dimension %d is %d", i, shape[i]))
		}
		t.shape[i], t.stride[i] = shape[i], n
		high, low := bits.Mul(uint(n), uint(shape[i]))
		if high != 0 || low > math.MaxInt/8 { // 8 bytes: the widest element
			panic(fmt.Sprintf("tensor: %v elements do not fit the address space", append([]int{}, shape...)))
		}
		n = int(low)
	}
}

func count(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// IsZero reports whether t is the zero Tensor, which stands for "none".
func (t Tensor) IsZero() bool { return t.store == nil }

// DType returns the element type.
func (t Tensor) DType() DType { return t.dtype }

// Storage returns where the elements are.
func (t Tensor) Storage() *Storage { return t.store }

// Offset returns the place of the first element in the storage, in elements.
func (t Tensor) Offset() int { return t.offset }

// Rank returns the number of dimensions.
func (t Tensor) Rank() int { return int(t.rank) }

// Dim returns the size of dimension i; -1 is the last one. A dimension that t
// does not have counts as 1 when i is not negative.
func (t Tensor) Dim(i int) int {
	if i < 0 {
		i += int(t.rank)
		if i < 0 {
			return 1
		}
	}
	if i >= int(t.rank) {
		return 1
	}
	return t.shape[i]
}

// Stride returns the distance in elements of two neighbours along dimension i;
// -1 is the last one.
func (t Tensor) Stride(i int) int {
	if i < 0 {
		i += int(t.rank)
	}
	return t.stride[i]
}

// Len returns the number of elements.
func (t Tensor) Len() int {
	n := 1
	for i := range int(t.rank) {
		n *= t.shape[i]
	}
	return n
}

// Rows returns the number of rows: the product of all dimensions but the last.
func (t Tensor) Rows() int {
	n := 1
	for i := range int(t.rank) - 1 {
		n *= t.shape[i]
	}
	return n
}

// Shape returns the dimensions in a new slice, for messages and files; Dim
// allocates nothing.
func (t Tensor) Shape() []int { return append([]int{}, t.shape[:t.rank]...) }

// String describes the tensor by type and shape, without its elements.
func (t Tensor) String() string {
	if t.store == nil {
		return "none"
	}
	return t.dtype.String() + strings.ReplaceAll(fmt.Sprint(t.Shape()), " ", "x")
}

// IsContiguous reports whether the elements stand one after the other in row
// order without gaps. A tensor without elements is contiguous.
func (t Tensor) IsContiguous() bool {
	if t.Len() == 0 {
		return true
	}
	n := 1
	for i := int(t.rank) - 1; i >= 0; i-- {
		if t.shape[i] != 1 && t.stride[i] != n {
			return false
		}
		n *= t.shape[i]
	}
	return true
}

// IsWhole reports whether t is contiguous and covers its whole storage.
func (t Tensor) IsWhole() bool {
	return t.offset == 0 && t.IsContiguous() && t.dtype.Bytes(t.Len()) == t.store.size
}

// SameShape reports whether t and u have the same dimensions.
func (t Tensor) SameShape(u Tensor) bool { return t.rank == u.rank && t.shape == u.shape }

// Reshape returns a view of the same elements with other dimensions. It panics
// unless t is contiguous and the counts agree; the new rows of a block type
// must be whole blocks, as the old ones are.
func (t Tensor) Reshape(shape ...int) Tensor {
	if !t.IsContiguous() {
		panic(fmt.Sprintf("tensor: Reshape: %v is not contiguous", t))
	}
	if n := count(shape); n != t.Len() {
		panic(fmt.Sprintf("tensor: Reshape: %v has %d elements, %v has %d", t, t.Len(), append([]int{}, shape...), n))
	}
	from := t
	t.shape, t.stride = [MaxRank]int{}, [MaxRank]int{}
	t.setShape(shape)
	if t.dtype.IsBlock() && t.Dim(-1)%t.dtype.BlockLen() != 0 {
		panic(fmt.Sprintf("tensor: Reshape: %v to rows of %d: not a multiple of %d", from, t.Dim(-1), t.dtype.BlockLen()))
	}
	return t
}

// Flat returns t as a matrix [Rows, last dimension]; a matrix is returned as it
// is, whatever its strides. It panics unless any other t is contiguous.
func (t Tensor) Flat() Tensor {
	if t.rank == 2 {
		return t
	}
	return t.Reshape(t.Rows(), t.Dim(-1))
}

// Slice returns the view of elements from to to-1 along dimension dim. A block
// type can be sliced along its first dimension only.
func (t Tensor) Slice(dim, from, to int) Tensor {
	if dim < 0 || dim >= int(t.rank) || from < 0 || from > to || to > t.shape[dim] {
		panic(fmt.Sprintf("tensor: Slice: dimension %d, %d to %d, of %v", dim, from, to, t))
	}
	if t.dtype.IsBlock() && (dim != 0 || t.rank < 2) {
		panic(fmt.Sprintf("tensor: Slice: dimension %d of %v, a block type", dim, t))
	}
	t.offset += from * t.stride[dim]
	t.shape[dim] = to - from
	return t
}

// Transpose returns the view with dimensions i and j exchanged. It panics for
// a block type.
func (t Tensor) Transpose(i, j int) Tensor {
	if i < 0 || j < 0 || i >= int(t.rank) || j >= int(t.rank) || t.dtype.IsBlock() {
		panic(fmt.Sprintf("tensor: Transpose: dimensions %d and %d of %v", i, j, t))
	}
	t.shape[i], t.shape[j] = t.shape[j], t.shape[i]
	t.stride[i], t.stride[j] = t.stride[j], t.stride[i]
	return t
}

// Windows returns the view [..., n, width] of all windows of width neighbours
// along the last dimension, n = size-width+1; they overlap. It is how a
// one-dimensional convolution sees its input. Tensors of at most MaxRank-1
// dimensions have it.
func (t Tensor) Windows(width int) Tensor {
	last := int(t.rank) - 1
	if last < 0 || last+1 >= MaxRank || width < 1 || width > t.shape[last] || t.dtype.IsBlock() {
		panic(fmt.Sprintf("tensor: Windows: width %d of %v", width, t))
	}
	t.rank++
	t.shape[last+1], t.stride[last+1] = width, t.stride[last]
	t.shape[last] -= width - 1
	return t
}

// With returns the tensor of t's shape, strides and offset over other storage,
// as a gradient has them beside the value that it belongs to. The storages
// must be of one size.
func (t Tensor) With(store *Storage) Tensor {
	if store.size != t.store.size {
		panic(fmt.Sprintf("tensor: With: storage of %d bytes for %d", store.size, t.store.size))
	}
	t.store = store
	return t
}

// extent is one more than the distance from the first to the last element.
func (t Tensor) extent() int {
	n := 1
	for i := range int(t.rank) {
		if t.shape[i] == 0 {
			return 0
		}
		n += (t.shape[i] - 1) * t.stride[i]
	}
	return n
}

// Float32s returns the host memory from t's first element to its last; with
// strides, elements of others may stand between. It panics unless t is F32 in
// host memory. It is meant for backends that compute on the host and for tests;
// model code never asks where a tensor is.
func (t Tensor) Float32s() []float32 {
	t.mustBe(F32, "Float32s")
	return hostSlice[float32](t)
}

// Int32s is [Tensor.Float32s] for I32.
func (t Tensor) Int32s() []int32 {
	t.mustBe(I32, "Int32s")
	return hostSlice[int32](t)
}

// Uint16s is [Tensor.Float32s] for the bits of F16 and BF16.
func (t Tensor) Uint16s() []uint16 {
	if t.dtype != F16 && t.dtype != BF16 {
		panic(fmt.Sprintf("tensor: Uint16s: %v", t))
	}
	return hostSlice[uint16](t)
}

// Bytes returns the host memory of a contiguous tensor of any type.
func (t Tensor) Bytes() []byte {
	if !t.IsContiguous() {
		panic(fmt.Sprintf("tensor: Bytes: %v is not contiguous", t))
	}
	from := t.dtype.Bytes(t.offset)
	return t.store.Bytes()[from : from+t.dtype.Bytes(t.Len())]
}

// At returns one element of an F32 tensor in host memory, for tests and
// examples. It panics unless there is one index for each dimension.
func (t Tensor) At(index ...int) float32 {
	if len(index) != int(t.rank) {
		panic(fmt.Sprintf("tensor: At: index %v of %v", append([]int{}, index...), t))
	}
	off := 0
	for i, x := range index {
		if x < 0 || x >= t.shape[i] {
			panic(fmt.Sprintf("tensor: At: index %v of %v", append([]int{}, index...), t))
		}
		off += x * t.stride[i]
	}
	return t.Float32s()[off]
}

func (t Tensor) mustBe(dtype DType, method string) {
	if t.dtype != dtype {
		panic(fmt.Sprintf("tensor: %s: %v", method, t))
	}
}

func hostSlice[T float32 | int32 | uint16](t Tensor) []T {
	n := t.extent()
	if n == 0 {
		return nil
	}
	var zero T
	width := int(unsafe.Sizeof(zero))
	b := t.store.Bytes()
	b = b[width*t.offset : width*(t.offset+n)]
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), n)
}

package convert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"netllm/tensor"
)

// numbers are n values of different sizes.
func numbers(n int) []float32 {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return v
}

func quantized(dtype tensor.DType, v []float32) []byte {
	b := make([]byte, dtype.Bytes(len(v)))
	tensor.Quantize(dtype, b, v)
	return b
}

// slow is what converter.write must put out: the whole tensor as float32, moved
// element by element, and rounded.
func slow(r rows) []byte {
	in := make([]float32, r.count*r.width)
	tensor.Dequantize(r.from, in, r.src)
	out := make([]float32, len(in))
	for i := range r.count {
		from := i
		if r.heads > 0 {
			size := r.count / r.heads
			if head, j := i/size*size, i%size; j < r.dim && r.halves { // pairs (2k, 2k+1) to (k, k+dim/2)
				from = head + 2*(j%(r.dim/2)) + j/(r.dim/2)
			} else if j < r.dim {
				from = head + j/2 + j%2*r.dim/2
			}
		}
		for j := range r.width {
			if r.transposed {
				out[i*r.width+j] = in[j*r.count+i]
			} else {
				out[i*r.width+j] = in[from*r.width+j]
			}
		}
	}
	return quantized(r.to, out)
}

func TestWrite(t *testing.T) {
	const count, width = 768, 256 // of three pieces and more
	v := numbers(count * width)
	for _, c := range []struct {
		name     string
		from, to tensor.DType
		rows     rows
	}{
		{"same", tensor.F32, tensor.F32, rows{}},
		{"same blocks", tensor.Q4_K, tensor.Q4_K, rows{}},
		{"rounded", tensor.F32, tensor.BF16, rows{}},
		{"blocks", tensor.F16, tensor.Q8_0, rows{}},
		{"from blocks", tensor.Q6_K, tensor.F16, rows{}},
		{"interleaved", tensor.F32, tensor.F32, rows{heads: 12, dim: 64}},
		{"halves", tensor.BF16, tensor.F32, rows{heads: 24, dim: 32, halves: true}},
		{"part of a head", tensor.F32, tensor.Q4_0, rows{heads: 12, dim: 32}},
		{"halves of part", tensor.Q8_0, tensor.Q8_0, rows{heads: 12, dim: 32, halves: true}},
		{"transposed", tensor.F16, tensor.F16, rows{transposed: true}},
		{"transposed, rounded", tensor.F32, tensor.Q5_1, rows{transposed: true}},
		{"transposed blocks", tensor.Q4_0, tensor.F32, rows{transposed: true}},
		{"transposed, same blocks", tensor.Q8_0, tensor.Q8_0, rows{transposed: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := c.rows
			r.from, r.to, r.count, r.width = c.from, c.to, count, width
			r.src = quantized(c.from, v)
			discarded := 0
			r.discard = func(b []byte) {}
			want := r.src
			if c.rows.heads > 0 || c.rows.transposed || c.from != c.to {
				want = slow(r)
			}
			for _, threads := range []int{1, 2, 5} {
				if threads == 1 {
					r.discard = func(b []byte) { discarded += len(b) }
				} else {
					r.discard = func([]byte) {}
				}
				moved := 0
				var b bytes.Buffer
				w := newConverter(t.Context(), threads, func(n int) { moved += n })
				w.piece = 1 << 16
				lost, err := w.write(&b, r)
				if err != nil || lost != (damage{}) {
					t.Fatalf("%d threads: got %+v, %v", threads, lost, err)
				}
				if !bytes.Equal(b.Bytes(), want) {
					t.Errorf("%d threads: the bytes differ", threads)
				}
				if moved != len(want) {
					t.Errorf("%d threads: progress of %d bytes, want %d", threads, moved, len(want))
				}
			}
			if discarded < len(r.src) {
				t.Errorf("%d bytes of %d given back", discarded, len(r.src))
			}
		})
	}
}

// Moving rows back gives the same bytes, and so does exchanging rows and columns
// twice, whatever the bits are.
func TestThereAndBack(t *testing.T) {
	bits := make([]byte, 4*64*48)
	rand.NewChaCha8([32]byte{1}).Read(bits)
	pass := func(r rows) []byte {
		t.Helper()
		var b bytes.Buffer
		if _, err := newConverter(t.Context(), 2, nil).write(&b, r); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	keep := func([]byte) {}
	for _, dtype := range []tensor.DType{tensor.F32, tensor.F16, tensor.BF16, tensor.Q8_0} {
		width := len(bits) / 48 / dtype.BlockBytes() * dtype.BlockLen()
		b := bits[:48*dtype.Bytes(width)]
		r := rows{src: b, from: dtype, to: dtype, discard: keep, count: 48, width: width, heads: 3, dim: 12}
		r.src, r.halves = pass(r), true
		if got := pass(r); !bytes.Equal(got, b) {
			t.Errorf("%v: rows do not come back", dtype)
		}
		if dtype.IsBlock() {
			continue
		}
		r = rows{src: b, from: dtype, to: dtype, discard: keep, count: width, width: 48, transposed: true}
		r.src, r.count, r.width = pass(r), 48, width
		if got := pass(r); !bytes.Equal(got, b) {
			t.Errorf("%v: columns do not come back", dtype)
		}
	}
}

func TestDamage(t *testing.T) {
	v := numbers(64)
	v[1], v[2], v[40] = float32(math.NaN()), float32(math.Inf(-1)), 70000
	r := rows{src: quantized(tensor.F32, v), from: tensor.F32, discard: func([]byte) {}, count: 2, width: 32}
	for _, c := range []struct {
		to   tensor.DType
		want damage
	}{{tensor.F16, damage{2, 1}}, {tensor.BF16, damage{2, 0}}, {tensor.Q8_0, damage{2, 0}}, {tensor.F32, damage{}}} {
		r.to = c.to
		var b bytes.Buffer
		got, err := newConverter(t.Context(), 2, nil).write(&b, r)
		if err != nil || got != c.want {
			t.Errorf("to %v: got %+v, %v, want %+v", c.to, got, err, c.want)
		}
	}
}

// failing is a disk that is full after n writes.
type failing struct{ n int }

var errFull = errors.New("full")

func (f *failing) Write(b []byte) (int, error) {
	if f.n--; f.n < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestWriteStops(t *testing.T) {
	const piece = 1024
	v := quantized(tensor.F32, numbers(6*piece))
	r := rows{src: v, from: tensor.F32, to: tensor.F16, discard: func([]byte) {}, count: 6, width: piece}
	converter := func(ctx context.Context, threads int, moved func(int)) *converter {
		c := newConverter(ctx, threads, moved)
		c.piece = piece
		return c
	}
	for _, threads := range []int{1, 3} {
		for n := range 6 {
			if _, err := converter(t.Context(), threads, nil).write(&failing{n}, r); !errors.Is(err, errFull) {
				t.Errorf("%d threads, full after %d: got %v", threads, n, err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := 0
		_, err := converter(ctx, threads, func(int) {
			if done++; done == 2 {
				cancel()
			}
		}).write(&failing{9}, r)
		if !errors.Is(err, context.Canceled) || done != 2 {
			t.Errorf("%d threads: got %v after %d pieces, want to be cancelled after 2", threads, err, done)
		}
	}
	r.to = tensor.I32
	if _, err := converter(t.Context(), 1, nil).write(&failing{9}, r); err == nil || fmt.Sprint(err) != "no conversion from F32 to I32" {
		t.Errorf("to integers: got %v", err)
	}
}

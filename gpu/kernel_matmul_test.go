// Products by every route, and how routes and parts are chosen.

package gpu

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"netllm/ops"
	"netllm/tensor"
)

// placement is how a matrix of a test lies in its storage.
type placement uint8

const (
	plainRows   placement = iota // rows without gaps
	alignedRows                  // rows begin at multiples of 4, with gaps
	oddRows                      // rows begin anywhere
	turnedRows                   // as the transposed matrix, rows begin at multiples of 4
	turnedOddRows
)

// matrices is a batch of matrices in memory of the host and of the device.
type matrices struct {
	host, device tensor.Tensor // views of all of the memory
	data         []float32     // of host
}

const matrixGuard = 12345 // in memory that belongs to no matrix

// newMatrices returns random matrices with a guard round them.
func newMatrices(b *Backend, rng *rand.Rand, at placement, batch, rows, columns int) matrices {
	n, m, from := columns, rows, 0
	if at == turnedRows || at == turnedOddRows {
		n, m = m, n
	}
	width := n
	switch at {
	case alignedRows, turnedRows:
		width, from = (n+3)/4*4+8, 4
	case oddRows, turnedOddRows:
		width, from = n+3, 2
	}
	height := m + 2
	data := make([]float32, batch*height*width)
	for i := range data {
		data[i] = matrixGuard
	}
	view := func(t tensor.Tensor) tensor.Tensor {
		t = t.Slice(1, 1, 1+m).Slice(2, from, from+n)
		if at == turnedRows || at == turnedOddRows {
			t = t.Transpose(1, 2)
		}
		return t
	}
	if at == plainRows { // nor gaps between matrices
		height, data = m, data[:batch*m*n]
		view = func(t tensor.Tensor) tensor.Tensor { return t }
	}
	x := matrices{data: data, host: view(tensor.FromFloat32(data, batch, height, width))}
	for i := range batch {
		for r := range rows {
			for c := range columns {
				data[matrixPlace(x.host, i, r, c)] = float32(rng.NormFloat64())
			}
		}
	}
	all := tensor.Of(b.Alloc(4*len(data)), tensor.F32, batch, height, width)
	b.Upload(all, floatBytes(data))
	x.device = view(all)
	return x
}

// matrixPlace returns where an element is in the storage.
func matrixPlace(t tensor.Tensor, i, row, column int) int {
	return t.Offset() + i*t.Stride(0) + row*t.Stride(1) + column*t.Stride(2)
}

func floatBytes(data []float32) []byte {
	raw := make([]byte, 0, 4*len(data))
	for _, v := range data {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return raw
}

// checkProduct computes a product on the device by do and compares it, and what
// lies round it, with what float64 gives.
func checkProduct(t *testing.T, b *Backend, s productShape, py, px, pw placement, add bool, do func(p *product)) {
	t.Helper()
	rng := rand.New(rand.NewPCG(uint64(s.m), uint64(s.n)))
	y, x, w := newMatrices(b, rng, py, s.batch, s.m, s.n), newMatrices(b, rng, px, s.batch, s.m, s.k), newMatrices(b, rng, pw, s.batch, s.k, s.n)
	defer func() {
		for _, m := range []*matrices{&y, &x, &w} {
			b.Free(m.device.Storage())
		}
	}()
	want, bound := make([]float64, len(y.data)), make([]float64, len(y.data))
	for i, v := range y.data {
		want[i] = float64(v)
	}
	if !add { // must not be read
		for i := range s.batch * s.m * s.n {
			y.data[matrixPlace(y.host, i/(s.m*s.n), i/s.n%s.m, i%s.n)] = float32(math.NaN())
		}
		b.Upload(tensor.Of(y.device.Storage(), tensor.F32, len(y.data)), floatBytes(y.data))
	}
	const factor = 0.75
	for i := range s.batch {
		for r := range s.m {
			for c := range s.n {
				var sum, size float64
				for k := range s.k {
					term := float64(x.data[matrixPlace(x.host, i, r, k)]) * float64(w.data[matrixPlace(w.host, i, k, c)])
					sum, size = sum+term, size+math.Abs(term)
				}
				at := matrixPlace(y.host, i, r, c)
				if !add {
					want[at] = 0
				}
				bound[at] = 6 * 0x1p-24 * (factor*size + math.Abs(want[at]))
				want[at] += factor * sum
			}
		}
	}
	p := product{y: y.device, x: x.device, w: w.device, factor: factor, add: add}
	b.op = ops.OpMatMul
	do(&p)
	raw := make([]byte, 4*len(y.data))
	if err := b.Download(raw, tensor.Of(y.device.Storage(), tensor.F32, len(y.data))); err != nil {
		t.Fatal(err)
	}
	faults := 0
	for i := range want {
		got := float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:])))
		if !(math.Abs(got-want[i]) <= bound[i]) {
			if faults++; faults <= 4 {
				t.Errorf("%+v: element %d of the storage: got %v, want %v (bound %.1e)", s, i, got, want[i], bound[i])
			}
		}
	}
	if faults > 0 {
		t.Errorf("%+v: %d of %d elements are wrong", s, faults, len(want))
	}
}

func TestProductRoutes(t *testing.T) {
	b := open(t)
	defer func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}()
	shapes := func(s ...[4]int) [][4]int { return s } // batch, m, n, k
	large := shapes([4]int{1, 1, 1, 1}, [4]int{1, 37, 67, 43}, [4]int{1, 128, 64, 32}, [4]int{1, 131, 140, 58}, [4]int{3, 20, 36, 68})
	small := shapes([4]int{1, 1, 1, 1}, [4]int{1, 3, 67, 43}, [4]int{1, 8, 300, 132}, [4]int{3, 5, 36, 52}, [4]int{2, 1, 4, 600})
	for _, c := range []struct {
		name   string
		route  productRoute
		shapes [][4]int
		x, w   placement
	}{
		{"tiles of 128", productRoute{way: byTiles, tile: 128}, large, alignedRows, turnedOddRows},
		{"tiles of 64", productRoute{way: byTiles, tile: 64}, large, alignedRows, turnedRows},
		{"tiles of 64, gradient", productRoute{way: byTiles, tile: 64}, large, turnedOddRows, oddRows},
		{"tiles of 32", productRoute{way: byTiles, tile: 32}, large, oddRows, turnedOddRows},
		{"tiles of 32, parts", productRoute{way: byTiles, tile: 32, chunk: 16}, large, turnedRows, plainRows},
		{"tiles of 32, swapped", productRoute{way: byTiles, tile: 32, swap: true}, large, plainRows, turnedRows},
		{"dots of 32", productRoute{way: byDots, lanes: 32}, small, plainRows, turnedRows},
		{"dots of 32, odd", productRoute{way: byDots, lanes: 32}, small, oddRows, turnedOddRows},
		{"dots of 128, parts", productRoute{way: byDots, lanes: 128, chunk: 32}, small, alignedRows, turnedRows},
		{"dots, swapped", productRoute{way: byDots, lanes: 32, swap: true}, small, plainRows, turnedRows},
		{"columns", productRoute{way: byColumns}, small, plainRows, plainRows},
		{"columns, odd", productRoute{way: byColumns}, small, turnedOddRows, oddRows},
		{"columns, parts", productRoute{way: byColumns, chunk: 16}, small, oddRows, alignedRows},
		{"columns, parts, swapped", productRoute{way: byColumns, swap: true, chunk: 48}, small, turnedRows, oddRows},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i, size := range c.shapes {
				s := productShape{batch: size[0], m: size[1], n: size[2], k: size[3]}
				if c.route.swap {
					s.m, s.n = s.n, s.m
				}
				r := c.route
				r.parts = 1
				if r.chunk > 0 {
					r.parts = (s.k + r.chunk - 1) / r.chunk
				} else {
					r.chunk = s.k
				}
				py := []placement{plainRows, oddRows, alignedRows}[i%3]
				checkProduct(t, b, s, py, c.x, c.w, i%2 == 1, func(p *product) { b.multiply(p, r) })
			}
		})
	}
}

// Products that have to be cut along each of their axes.
func TestProductParts(t *testing.T) {
	b := open(t, WithLimits(Limits{Binding: 16 << 10}))
	defer func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}()
	b.limits.WorkgroupCount = [3]int{16, 4, 5}
	for _, c := range []struct {
		name  string
		shape productShape
		x, w  placement
	}{
		{"rows", productShape{batch: 1, m: 200, n: 40, k: 60}, plainRows, plainRows},
		{"columns", productShape{batch: 1, m: 20, n: 190, k: 70}, plainRows, turnedRows},
		{"k", productShape{batch: 1, m: 9, n: 30, k: 901}, turnedOddRows, oddRows},
		{"one row of many k", productShape{batch: 1, m: 1, n: 2, k: 9001}, plainRows, turnedRows},
		{"one row of many columns", productShape{batch: 1, m: 1, n: 5003, k: 3}, plainRows, plainRows},
		{"batch", productShape{batch: 11, m: 33, n: 20, k: 30}, plainRows, plainRows},
		{"many products", productShape{batch: 70, m: 2, n: 3, k: 4}, plainRows, turnedRows},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, add := range []bool{false, true} {
				checkProduct(t, b, c.shape, alignedRows, c.x, c.w, add, func(p *product) { b.product(*p) })
			}
		})
	}
}

func TestPlanProduct(t *testing.T) {
	const units, room = 128, 1 << 25
	for _, c := range []struct {
		name  string
		shape productShape
		want  productRoute
	}{
		{"large", productShape{1, 4096, 4096, 4096, true, true}, productRoute{way: byTiles, tile: 128, parts: 1, chunk: 4096}},
		{"prompt", productShape{1, 512, 4096, 4096, true, true}, productRoute{way: byTiles, tile: 128, parts: 1, chunk: 4096}},
		{"LoRA down", productShape{1, 4096, 32, 2048, true, true}, productRoute{way: byTiles, tile: 32, parts: 4, chunk: 512}},
		{"LoRA up", productShape{1, 4096, 2048, 32, true, true}, productRoute{way: byTiles, tile: 128, parts: 1, chunk: 32}},
		{"LoRA gradient", productShape{1, 32, 2048, 4096, false, false}, productRoute{way: byTiles, tile: 32, parts: 8, chunk: 512}},
		{"middle", productShape{1, 256, 256, 256, true, true}, productRoute{way: byTiles, tile: 32, parts: 1, chunk: 256}},
		{"middle, long", productShape{1, 512, 512, 4096, true, true}, productRoute{way: byTiles, tile: 64, parts: 4, chunk: 1024}},
		{"heads", productShape{64, 128, 128, 64, true, true}, productRoute{way: byTiles, tile: 64, parts: 1, chunk: 64}},
		{"one row", productShape{1, 1, 4096, 4096, true, true}, productRoute{way: byDots, lanes: 32, parts: 1, chunk: 4096}},
		{"one row of few", productShape{1, 1, 100, 4096, true, true}, productRoute{way: byDots, lanes: 128, parts: 1, chunk: 4096}},
		{"one row by columns", productShape{1, 1, 4096, 4096, true, false}, productRoute{way: byColumns, parts: 8, chunk: 512}},
		{"head", productShape{1, 5000, 3, 2048, true, true}, productRoute{way: byDots, swap: true, lanes: 32, parts: 1, chunk: 2048}},
		{"head's gradient", productShape{1, 2048, 3, 5000, false, false}, productRoute{way: byColumns, swap: true, parts: 16, chunk: 320}},
		{"tiny", productShape{1000, 2, 3, 4, true, true}, productRoute{way: byDots, lanes: 32, parts: 1, chunk: 4}},
		{"no k", productShape{1, 300, 300, 0, true, true}, productRoute{way: byTiles, tile: 32, parts: 1, chunk: 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := planProduct(c.shape, units, room); got != c.want {
				t.Errorf("%+v: got %+v, want %+v", c.shape, got, c.want)
			}
		})
	}
	t.Run("all of k", func(t *testing.T) { // parts cover k once, and none is empty
		rng := rand.New(rand.NewPCG(5, 6))
		for range 3000 {
			s := productShape{1 + rng.IntN(4), 1 + rng.IntN(300), 1 + rng.IntN(300), 1 + rng.IntN(9000), rng.IntN(2) == 0, rng.IntN(2) == 0}
			r := planProduct(s, 1+rng.IntN(200), 1000+rng.IntN(1<<20))
			if over := r.parts*r.chunk - s.k; over < 0 || over >= r.chunk || r.parts > 1 && r.chunk%chunkUnit != 0 {
				t.Fatalf("%s: got %d parts of %d", fmt.Sprintf("%+v", s), r.parts, r.chunk)
			}
		}
	})
}

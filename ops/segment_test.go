// Rows of segments: the order of sums, rows that there are not, and what a step costs.

package ops_test

import (
	"fmt"
	"testing"

	"netllm/ops"
	"netllm/tensor"
)

// edges returns n segments below limit, none in any order, and as many numbers times d.
func edges(n, limit, d int) (ids []int32, values []float32) {
	ids, values = make([]int32, n), make([]float32, n*d)
	for i := range ids {
		ids[i] = int32(i * 7919 % 104729 % limit)
	}
	for i := range values {
		values[i] = float32(i*15485863%2000003)/1e5 - 10
	}
	return ids, values
}

// Sums are those of float32 in the order of the rows, whoever does them.
func TestSegmentSumOrder(t *testing.T) {
	for _, threads := range []int{1, 2, 5} {
		b := ops.NewCPU(threads)
		defer b.Close()
		for _, s := range [][3]int{{6000, 1, 40}, {6000, 700, 7}, {3000, 64, 64}, {600, 30, 200}} {
			n, segments, d := s[0], s[1], s[2]
			t.Run(fmt.Sprint(s, "/threads=", threads), func(t *testing.T) {
				ids, values := edges(n, segments, d)
				want := make([]float32, segments*d)
				for i, id := range ids {
					for j := range d {
						want[int(id)*d+j] += values[i*d+j]
					}
				}
				c := ops.NewContext(b)
				got, err := c.Floats(ops.SegmentSum(c, c.Float32s(values, n, d), c.Int32s(ids, n), segments))
				if err != nil {
					t.Fatal(err)
				}
				for i, w := range want {
					if got[i] != w {
						t.Fatalf("element %d: got %v, want %v", i, got[i], w)
					}
				}
			})
		}
	}
}

// A number of no segment is an error of the program, as in Gather.
func TestSegmentOutOfRange(t *testing.T) {
	b := ops.NewCPU(1)
	defer b.Close()
	c := ops.NewContext(b)
	x := c.Float32s(make([]float32, 600), 300, 2)
	ops.SegmentSoftmax(c, x, c.Int32s(make([]int32, 300), 300), 100) // leaves memory behind
	x = x.Slice(0, 0, 2)
	for _, id := range []int32{3, 50, -1} {
		ids := c.Int32s([]int32{0, id}, 2)
		for _, test := range []struct {
			name string
			f    func()
		}{
			{"Gather", func() { ops.Gather(c, x, ids) }},
			{"SegmentSum", func() { ops.SegmentSum(c, x, ids, 3) }},
			{"SegmentMax", func() { ops.SegmentMax(c, x, ids, 3) }},
			{"SegmentSoftmax", func() { ops.SegmentSoftmax(c, x, ids, 3) }},
			{"ScatterAdd", func() { ops.ScatterAdd(c, x, x, ids) }},
		} {
			wantPanic(t, fmt.Sprintf("%s of row %d", test.name, id), test.f)
		}
	}
}

// A training step on a graph allocates nothing in the steady state.
func TestGraphStepAllocatesNothing(t *testing.T) {
	const nodes, edgeCount, width = 300, 3000, 24 // shared by threads
	src, values := edges(edgeCount, nodes, 1)
	dst, _ := edges(edgeCount, nodes-1, 1)
	for _, threads := range []int{1, 2} {
		b := ops.NewCPU(threads)
		defer b.Close()
		c := ops.NewContext(b)
		c.Tape = ops.NewTape()
		p := ops.NewParam(b, "nodes", nodes, width)
		upload(b, p.Value, append(values[:edgeCount:edgeCount], make([]float32, nodes*width-edgeCount)...))
		params := []*ops.Param{p}
		target := tensor.Of(b.Alloc(4*nodes*width), tensor.F32, nodes, width)
		adamw := ops.NewAdamW(b, params, 1e-2)
		step := func() float32 {
			c.Reset()
			c.Tape.Watch(params...)
			ops.ZeroGrad(c, params)
			from, to := c.Int32s(src, edgeCount), c.Int32s(dst, edgeCount)
			messages := ops.Gather(c, p.Value, from)
			weights := ops.SegmentSoftmax(c, messages, to, nodes)
			y := ops.SegmentSum(c, ops.Mul(c, weights, messages), to, nodes)
			y = ops.Add(c, y, ops.SegmentMax(c, messages, to, nodes))
			loss := ops.MSE(c, ops.ScatterAdd(c, p.Value, y, c.Int32s(src[:nodes], nodes)), target)
			c.Tape.Backward(c, loss)
			adamw.Step(c, 1)
			value, err := c.ReadScalar(loss)
			if err != nil {
				t.Fatal(err)
			}
			return value
		}
		first := step()
		step()
		if got := testing.AllocsPerRun(10, func() { step() }); got > 0 {
			t.Errorf("threads=%d: allocations per step: got %v, want 0", threads, got)
		}
		if last := step(); !(last < first) {
			t.Errorf("threads=%d: loss: got %v, want less than %v", threads, last, first)
		}
	}
}

package gpu

import (
	"fmt"
	"slices"
	"testing"

	"netllm/ops"
	"netllm/tensor"
)

// TestSegmentsInParts: rows, results, or both are more than the device binds. Maxima, and where they
// are, are those of the CPU; all results are the same bits as those of a device that binds them whole.
func TestSegmentsInParts(t *testing.T) {
	host := ops.NewCPU(1)
	defer host.Close()
	whole := open(t)
	defer whole.Close()
	parts := open(t, WithLimits(Limits{Binding: 1 << 16}))
	defer parts.Close()
	for _, s := range [][3]int{{5000, 40, 9}, {700, 9000, 4}, {3000, 1500, 17}, {2500, 3, 70}, {3, 2, 9000}} { // rows, segments, columns
		n, segments, d := s[0], s[1], s[2]
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			ids := someIDs(n, segments).host(0)
			x := rowOperand{shape: []int{n, d}, fill: func(i int) float32 { return float32(i*7919%31) / 4 }}.host(0) // many are equal
			dout := input(segments, d).host(1)
			results := func(b ops.Backend) (all [][]float32) {
				onto := func(x tensor.Tensor) tensor.Tensor {
					y := tensor.Of(b.Alloc(len(x.Bytes())), x.DType(), x.Shape()...)
					b.Upload(y, x.Bytes())
					return y
				}
				fetch := func(x tensor.Tensor) {
					raw := tensor.New(tensor.F32, x.Len())
					if err := b.Download(raw.Bytes(), x); err != nil {
						t.Fatal(err)
					}
					all = append(all, raw.Float32s())
				}
				made := func(shape ...int) tensor.Tensor { return onto(input(shape...).host(2)) }
				ids, x, dout := onto(ids), onto(x), onto(dout)
				y, rows := made(segments, d), tensor.Of(b.Alloc(4*segments*d), tensor.I32, segments, d)
				b.Run(ops.OpSegmentMax, &ops.Args{T: [9]tensor.Tensor{y, x, ids, rows}})
				fetch(y)
				at := tensor.New(tensor.I32, segments*d)
				if err := b.Download(at.Bytes(), rows); err != nil {
					t.Fatal(err)
				}
				where := make([]float32, at.Len())
				for i, row := range at.Int32s() {
					where[i] = float32(row)
				}
				all = append(all, where)
				for acc := range uint16(2) {
					dx := made(n, d)
					b.Run(ops.OpSegmentMaxBackward, &ops.Args{T: [9]tensor.Tensor{dx, dout, ids, rows}, Acc: acc})
					fetch(dx)
				}
				z := made(n, d)
				b.Run(ops.OpSegmentSoftmax, &ops.Args{T: [9]tensor.Tensor{z, x, ids}, I: [4]int64{int64(segments)}})
				fetch(z)
				return all
			}
			want, got, cut := results(host), results(whole), results(parts)
			compare(t, got, want)
			for i := range got {
				if i < 2 && !slices.Equal(got[i], want[i]) {
					t.Errorf("result %d is not the CPU's", i)
				}
				if !slices.Equal(got[i], cut[i]) {
					t.Errorf("result %d differs when it is computed in parts", i)
				}
			}
		})
	}
}

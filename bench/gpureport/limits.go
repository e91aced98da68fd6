// What the card can do, measured by this project's own kernels.

package main

import (
	"errors"
	"fmt"
	"slices"

	"netllm/bench/internal/document"
	"netllm/bench/model"
	"netllm/gpu"
	"netllm/ops"
	"netllm/tensor"
)

// largerThanCaches is how many bytes of weights are read in turn, so that none of
// them is still in a cache when it is read again.
const largerThanCaches = 512 << 20

func limitsSection(r *run) (string, error) {
	t := document.NewTable("limit", "operands", "median")
	var failed []error
	add := func(name, operands, unit string, rate, scale float64, err error) {
		if err != nil {
			failed = append(failed, fmt.Errorf("%s, %s: %w", name, operands, err))
			t.Add(name, operands, "failed")
			return
		}
		progress("%s, %s: %s %s", name, operands, document.Number(rate/scale), unit)
		t.Add(name, operands, document.Number(rate/scale)+" "+unit)
	}
	rate, err := r.bandwidth()
	add("copying, read and written", fmt.Sprintf("%d MiB", r.copyBytes()>>20), "GB/s", rate, 1e9, err)

	n := 4096
	if r.isSoftware() {
		n = 256
	}
	rate, err = r.product(product{n, n, n, tensor.F32, false})
	add("f32 product", fmt.Sprintf("%d³", n), "GFLOP/s", rate, 1e9, err)
	for _, k := range []int{n, 2 * n} {
		operands := fmt.Sprintf("m = %d, n = %d, k = %d", n, n, k)
		p := product{n, n, k, tensor.F16, true}
		if r.info.Matrices {
			rate, err = r.product(p)
			add("product with f16 weights, cooperative matrices", operands, "TFLOP/s", rate, 1e12, err)
		}
		rate, err = r.product(p, gpu.Without(gpu.CooperativeMatrices))
		add("product with f16 weights, without cooperative matrices", operands, "TFLOP/s", rate, 1e12, err)
	}
	for _, rows := range []int{4096, 11008, 32000} {
		for _, d := range []tensor.DType{tensor.F32, tensor.F16, tensor.Q8_0, tensor.Q4_0, tensor.Q4_K, tensor.Q6_K} {
			if r.isSoftware() && rows != 4096 {
				continue
			}
			rate, err = r.matvec(d, rows, 4096)
			add("one row times weights", fmt.Sprintf("%d x 4096, %v", rows, d), "GB/s of weights", rate, 1e9, err)
		}
	}
	return t.String() + "\nThe device's own times of the kernels; weights of 512 MiB in all are read in turn, so that caches do not help" +
		" (on a software device a single matrix).", errors.Join(failed...)
}

// timed returns the median over rounds of the device's seconds for one call of do,
// which is called count times in a round.
func (r *run) timed(b *gpu.Backend, count int, do func(i int)) (float64, error) {
	var times []float64
	for round := range r.rounds + 1 {
		for i := range count {
			do(i)
		}
		list, err := b.Times()
		if err != nil {
			return 0, err
		}
		total := 0.0
		for _, k := range list {
			total += k.Seconds
		}
		if !(total > 0) {
			return 0, errors.New("the device gave no times")
		}
		if round > 0 { // the first one compiles kernels
			times = append(times, total/float64(count))
		}
	}
	return median(times), nil
}

// median returns the middle of values, which are not empty and stay in their order.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func (r *run) copyBytes() int {
	if r.isSoftware() {
		return 32 << 20
	}
	return int(min(1<<30, r.info.Memory/8&^0xffff))
}

// bandwidth returns the bytes per second that are read and written in copying,
// measured at the first call.
func (r *run) bandwidth() (float64, error) {
	if r.copy > 0 {
		return r.copy, nil
	}
	b, err := r.open(gpu.WithTimes())
	if err != nil {
		return 0, err
	}
	defer b.Close()
	bytes := r.copyBytes()
	args := &ops.Args{T: [9]tensor.Tensor{onDevice(b, bytes/4), onDevice(b, bytes/4)}, F: [8]float32{1}}
	seconds, err := r.timed(b, 4, func(int) { b.Run(ops.OpCopy, args) })
	if err != nil {
		return 0, err
	}
	r.copy = 2 * float64(bytes) / seconds
	return r.copy, nil
}

// onDevice returns an F32 tensor of zeros on the device.
func onDevice(b *gpu.Backend, shape ...int) tensor.Tensor {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return tensor.Of(b.Alloc(4*n), tensor.F32, shape...)
}

// product is [m, k] times [k, n], or times the transpose of prepared weights [n, k].
type product struct {
	m, n, k  int
	weights  tensor.DType
	prepared bool
}

// product returns multiplications and additions per second.
func (r *run) product(p product, options ...gpu.Option) (float64, error) {
	b, err := r.open(append(options, gpu.WithTimes())...)
	if err != nil {
		return 0, err
	}
	defer b.Close()
	args := &ops.Args{T: [9]tensor.Tensor{onDevice(b, p.m, p.n), onDevice(b, p.m, p.k)}, F: [8]float32{1}}
	if err := upload(b, args.T[1], 1); err != nil {
		return 0, err
	}
	if p.prepared {
		w, err := model.Random(p.weights, 2, 1, p.n, p.k)
		if err != nil {
			return 0, err
		}
		if args.T[2], err = b.Prepare(w); err != nil {
			return 0, err
		}
		args.I[0] = 1
	} else {
		args.T[2] = onDevice(b, p.k, p.n)
		if err := upload(b, args.T[2], 2); err != nil {
			return 0, err
		}
	}
	seconds, err := r.timed(b, 3, func(int) { b.Run(ops.OpMatMul, args) })
	return 2 * float64(p.m) * float64(p.n) * float64(p.k) / seconds, err
}

// upload fills x, of two dimensions, with random numbers.
func upload(b *gpu.Backend, x tensor.Tensor, seed uint64) error {
	values, err := model.Random(tensor.F32, seed, 1, x.Dim(0), x.Dim(1))
	if err == nil {
		b.Upload(x, values.Bytes())
	}
	return err
}

// matvec returns the bytes of weights [rows, cols] that one row of numbers is
// multiplied by in a second.
func (r *run) matvec(d tensor.DType, rows, cols int) (float64, error) {
	b, err := r.open(gpu.WithTimes())
	if err != nil {
		return 0, err
	}
	defer b.Close()
	x, y := onDevice(b, 1, cols), onDevice(b, 1, rows)
	if err := upload(b, x, 1); err != nil {
		return 0, err
	}
	w, err := model.Random(d, 2, 1, rows, cols)
	if err != nil {
		return 0, err
	}
	size := d.Bytes(rows * cols)
	count := largerThanCaches/size + 1
	if r.isSoftware() {
		count = 1
	}
	args := make([]ops.Args, count)
	for i := range args {
		args[i] = ops.Args{T: [9]tensor.Tensor{y, x}, I: [4]int64{1}, F: [8]float32{1}}
		if args[i].T[2], err = b.Prepare(w); err != nil {
			return 0, err
		}
	}
	seconds, err := r.timed(b, count, func(i int) { b.Run(ops.OpMatMul, &args[i]) })
	return float64(size) / seconds, err
}

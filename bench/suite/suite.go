// Package suite runs works as benchmarks: the benchmarks of package bench and the
// selection of the root's share it.
package suite

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"netllm/bench/limits"
	"netllm/bench/model"
	"netllm/bench/work"
	"netllm/gpu"
	"netllm/ops"
)

// Threads is what every benchmark is run with, where the machine has so many
// processors.
var Threads = []int{1, 2}

// Run measures the work that start makes, as sub-benchmarks
// name/device=cpu/threads=1 and so on, and name/device=vulkan where there is a GPU.
// What start opens besides the work it closes by b.Cleanup.
func Run(b *testing.B, name string, start func(b *testing.B, backend ops.Backend) (*work.Work, error)) {
	on := func(device string, open func(b *testing.B) ops.Backend, threads int) {
		b.Run(name+"/"+device, func(b *testing.B) {
			work.ResetPeakMemory()
			backend := open(b)
			w, err := start(b, backend)
			if err != nil {
				b.Fatal(err)
			}
			defer w.Close()
			measure(b, w, backend, threads)
		})
	}
	for _, threads := range Threads {
		on(fmt.Sprintf("device=cpu/threads=%d", threads), func(b *testing.B) ops.Backend { return open(b, threads) }, threads)
	}
	on("device=vulkan", openGPU, 0)
}

// RunOne measures a work that uses one thread and no backend.
func RunOne(b *testing.B, name string, start func(b *testing.B) (*work.Work, error)) {
	b.Run(name, func(b *testing.B) {
		w, err := start(b)
		if err != nil {
			b.Fatal(err)
		}
		defer w.Close()
		measure(b, w, nil, 1)
	})
}

// measure does the work again and again. On a GPU the time of each includes what it
// takes to submit the commands and to wait for them, and the transfers that the work
// is made of, such as token numbers and logits.
func measure(b *testing.B, w *work.Work, backend ops.Backend, threads int) {
	do := w.Do
	if backend != nil && threads == 0 {
		do = func() error { return errors.Join(w.Do(), backend.Sync()) }
	}
	if flag.Lookup("test.benchtime").Value.String() != "1x" { // else it is a test of the benchmark
		if err := do(); err != nil {
			b.Fatal(err)
		}
	}
	var before int64
	if backend != nil {
		before = backend.Counters().BytesTransferred
	}
	b.ReportAllocs()
	var times []time.Duration
	for b.Loop() {
		began := time.Now()
		if err := do(); err != nil {
			b.Fatal(err)
		}
		if w.Latency {
			times = append(times, time.Since(began))
		}
	}
	slices.Sort(times)
	for _, percent := range []int{50, 95, 99} {
		if len(times) > 0 {
			b.ReportMetric(float64(times[len(times)*percent/100].Nanoseconds())/1e3, fmt.Sprintf("p%d-µs", percent))
		}
	}
	if backend != nil && threads == 0 {
		b.ReportMetric(float64(backend.Counters().BytesTransferred-before)/float64(b.N), "transfer-B/op")
	}
	perNs := float64(b.N) / float64(b.Elapsed().Nanoseconds())
	share := func(metric string, rate, limit float64) {
		if limit > 0 {
			b.ReportMetric(100*rate/limit, metric)
		}
	}
	if w.FLOP > 0 {
		b.ReportMetric(w.FLOP*perNs, "GFLOP/s")
		if threads > 0 {
			share("%peak-fma", w.FLOP*perNs, limits.FMA(threads))
		}
	}
	if w.Bytes > 0 {
		b.ReportMetric(w.Bytes*perNs, "GB/s")
		if threads > 0 {
			share("%peak-read", w.Bytes*perNs, limits.Read(threads))
		}
	}
	if w.Units > 0 {
		b.ReportMetric(w.Units*perNs*1e9, w.Unit+"/s")
		if peak := work.PeakMemory(); peak > 0 {
			b.ReportMetric(float64(peak)/1e6, "peak-MB")
		}
	}
}

// software has the benchmarks measure Vulkan devices that compute on the CPU too.
var software = flag.Bool("software", false, "measure device=vulkan also where it is a driver that computes on the CPU")

// openGPU returns the best GPU, or skips where there is none.
func openGPU(b *testing.B) ops.Backend {
	b.Helper()
	var options []gpu.Option
	if !*software {
		options = append(options, gpu.HardwareOnly())
	}
	backend, err := gpu.Open(options...)
	if err != nil {
		b.Skip("skip: ", err)
	}
	b.Cleanup(func() {
		if err := backend.Close(); err != nil {
			b.Error(err)
		}
	})
	return backend
}

// open returns a CPU backend with pinned threads, or skips where there are not so
// many processors.
func open(b *testing.B, threads int) ops.Backend {
	b.Helper()
	if threads > runtime.NumCPU() {
		b.Skipf("skip: %d threads, %d processors", threads, runtime.NumCPU())
	}
	cpu := ops.NewCPU(threads)
	unpin, err := cpu.Pin()
	if err != nil {
		unpin = func() {}
		b.Logf("threads are not bound: %v", err)
	}
	b.Cleanup(func() {
		unpin()
		cpu.Close()
	})
	return cpu
}

// Model is a model that is measured.
type Model struct {
	Name         string // key=value pairs
	path         string
	shape, dtype string
}

// Models returns the model that NETLLM_MODEL names, or generated ones of the shape
// 15m and the given types.
func Models(b *testing.B, types ...string) []Model {
	b.Helper()
	env := os.Getenv("NETLLM_MODEL")
	if env == "" {
		var list []Model
		for _, t := range types {
			list = append(list, generated("15m", t))
		}
		return list
	}
	if shape, dtype, ok := strings.Cut(env, ":"); ok {
		if _, err := model.ShapeOf(shape); err == nil {
			return []Model{generated(shape, dtype)}
		}
	}
	return []Model{{Name: "model=" + strings.TrimSuffix(filepath.Base(env), ".gguf"), path: env}}
}

func generated(shape, dtype string) Model {
	return Model{Name: "model=" + shape + "/dtype=" + dtype, shape: shape, dtype: dtype}
}

// Open loads the model, which is closed when b ends.
func (m Model) Open(b *testing.B, backend ops.Backend) (*work.Model, error) {
	path := m.path
	if path == "" {
		var err error
		if path, err = model.Cached("", m.shape, m.dtype); err != nil {
			return nil, err
		}
	}
	return Load(b, backend, path)
}

// Load opens the model at path, which is closed when b ends.
func Load(b *testing.B, backend ops.Backend, path string) (*work.Model, error) {
	m, err := work.Open(backend, path)
	if err != nil {
		return nil, err
	}
	b.Cleanup(func() { m.Close() })
	return m, nil
}

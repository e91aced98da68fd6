// Package suite runs works as benchmarks: the benchmarks of package bench and the
// selection of the root's share it.
package suite

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"netllm/bench/limits"
	"netllm/bench/model"
	"netllm/bench/work"
	"netllm/ops"
)

// Threads is what every benchmark is run with, where the machine has so many
// processors.
var Threads = []int{1, 2}

// Run measures the work that start makes, as sub-benchmarks name/threads=1 and so
// on. What start opens besides the work it closes by b.Cleanup.
func Run(b *testing.B, name string, start func(b *testing.B, backend ops.Backend) (*work.Work, error)) {
	for _, threads := range Threads {
		b.Run(fmt.Sprintf("%s/threads=%d", name, threads), func(b *testing.B) {
			work.ResetPeakMemory()
			w, err := start(b, open(b, threads))
			if err != nil {
				b.Fatal(err)
			}
			defer w.Close()
			measure(b, w, threads)
		})
	}
}

// RunOne measures a work that uses one thread and no backend.
func RunOne(b *testing.B, name string, start func(b *testing.B) (*work.Work, error)) {
	b.Run(name, func(b *testing.B) {
		w, err := start(b)
		if err != nil {
			b.Fatal(err)
		}
		defer w.Close()
		measure(b, w, 1)
	})
}

func measure(b *testing.B, w *work.Work, threads int) {
	if flag.Lookup("test.benchtime").Value.String() != "1x" { // else it is a test of the benchmark
		if err := w.Do(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := w.Do(); err != nil {
			b.Fatal(err)
		}
	}
	perNs := float64(b.N) / float64(b.Elapsed().Nanoseconds())
	share := func(metric string, rate, limit float64) {
		if limit > 0 {
			b.ReportMetric(100*rate/limit, metric)
		}
	}
	if w.FLOP > 0 {
		b.ReportMetric(w.FLOP*perNs, "GFLOP/s")
		share("%peak-fma", w.FLOP*perNs, limits.FMA(threads))
	}
	if w.Bytes > 0 {
		b.ReportMetric(w.Bytes*perNs, "GB/s")
		share("%peak-read", w.Bytes*perNs, limits.Read(threads))
	}
	if w.Units > 0 {
		b.ReportMetric(w.Units*perNs*1e9, w.Unit+"/s")
		if peak := work.PeakMemory(); peak > 0 {
			b.ReportMetric(float64(peak)/1e6, "peak-MB")
		}
	}
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

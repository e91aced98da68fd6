// Package limits measures what this machine can do at most, in the terms that
// products are judged by: multiply-add throughput and bandwidth of reading memory.
//
//	fmt.Printf("%.0f GFLOP/s, %.1f GB/s\n", limits.FMA(1), limits.Read(1))
//
// Both are the best of many short bursts of an assembly loop that does nothing
// else, at the level that package asm runs at: with NETLLM_CPU=avx2 the limit is
// that of AVX2. They are measured when first asked for, which takes some tenths of
// a second. On processors without such a loop they are 0, for not known.
package limits

import (
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

const (
	bursts  = 60
	fmaLoop = 400_000   // iterations of a burst, about a millisecond
	fmaCall = 20_000    // of a call of assembly, about 50 microseconds
	window  = 32 << 20  // bytes that a burst reads
	memory  = 512 << 20 // per thread, see Read
)

var (
	mu    sync.Mutex
	known = map[key]float64{}
)

type key struct {
	what    string
	threads int
}

func once(what string, threads int, measure func() float64) float64 {
	mu.Lock()
	defer mu.Unlock()
	k := key{what, threads}
	if _, ok := known[k]; !ok {
		known[k] = measure()
	}
	return known[k]
}

// FMA returns the float32 operations per nanosecond (GFLOP/s) that the given number
// of threads can do together, a multiply-add counting as two.
func FMA(threads int) float64 {
	run, perLoop := fmaKernel()
	if run == nil {
		return 0
	}
	return once("fma", threads, func() float64 {
		best := fastest(threads, bursts, func(int, int) { chunks(run, fmaLoop) })
		return perLoop * fmaLoop * float64(threads) / float64(best)
	})
}

// chunks calls run for n iterations in parts, between which the goroutine can be
// stopped.
func chunks(run func(n int), n int) {
	for ; n > 0; n -= fmaCall {
		call(run, min(n, fmaCall))
	}
}

//go:noinline
func call(run func(n int), n int) { run(n) }

// Read returns the gigabytes per second that the given number of threads can read
// from memory together. Each reads 512 MiB, 32 MiB at a time, so that caches up to
// a few hundred megabytes hold little of what comes next.
func Read(threads int) float64 {
	run := readKernel()
	if run == nil {
		return 0
	}
	return once("read", threads, func() float64 {
		buffers := make([][]byte, threads)
		for i := range buffers {
			buffers[i] = hugeBytes(memory)
			for j := 0; j < memory; j += 4096 {
				buffers[i][j] = 1 // pages that were never written are all one page
			}
		}
		defer debug.FreeOSMemory()
		best := fastest(threads, bursts, func(thread, burst int) {
			at := burst * window % memory
			part := buffers[thread][at : at+window]
			for ; len(part) > 0; part = part[1<<20:] {
				readPart(run, part[:1<<20])
			}
		})
		return window * float64(threads) / float64(best)
	})
}

//go:noinline
func readPart(run func(b []byte), b []byte) { run(b) }

// fastest returns the shortest of several runs of f on that many threads at a time,
// each locked to a thread of the system.
func fastest(threads, runs int, f func(thread, run int)) time.Duration {
	best := time.Duration(1 << 62)
	for r := range runs {
		start := make(chan struct{})
		var ready, done sync.WaitGroup
		for t := range threads {
			ready.Add(1)
			done.Go(func() {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				ready.Done()
				<-start
				f(t, r)
			})
		}
		ready.Wait()
		began := time.Now()
		close(start)
		done.Wait()
		best = min(best, time.Since(began))
	}
	return best
}

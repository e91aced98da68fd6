package ops

import (
	"runtime"
	"testing"
	"time"
)

// TestPoolJoinsEveryRound runs many short rounds beside goroutines that want
// the processors too, so that workers are interrupted at every place, and
// checks that no round ends before all of it was done.
func TestPoolJoinsEveryRound(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	for range runtime.GOMAXPROCS(0) {
		go func() {
			for {
				select {
				case <-stop:
					return
				default:
					time.Sleep(time.Microsecond)
				}
			}
		}()
	}
	c := NewCPU(3)
	defer c.Close()
	a := &Args{}
	for round := range 3000 {
		for i := range a.I {
			a.I[i] = 0
		}
		c.pool.run(func(_ *CPU, a *Args, w *worker) {
			if w.index > 0 && round%16 == 0 {
				time.Sleep(100 * time.Microsecond) // longer than the caller's loop
			}
			a.I[w.index]++
		}, c, a)
		if a.I != [4]int64{1, 1, 1, 0} {
			t.Fatalf("round %d: got %v, want every worker once", round, a.I)
		}
	}
}

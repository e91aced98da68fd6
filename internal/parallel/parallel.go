// Package parallel does many pieces of work on a few goroutines.
package parallel

import (
	"context"
	"runtime"
	"sync"
)

// Each does the pieces 0 to n-1, each once, on so many workers, 0 being one per processor. start is called once for
// each worker, before any piece is begun, and returns what does a piece. done, if not nil, is told after each piece how
// many are done, never twice at a time. Of several failures the one of the earliest piece is returned, with its number;
// pieces begun before it are finished, later ones are not begun. A failure of start, or of ctx, has the number -1.
func Each(ctx context.Context, n, workers int, start func() (func(i int) error, error), done func(done int)) (failed int, err error) {
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	do := make([]func(i int) error, min(workers, n))
	for w := range do {
		if do[w], err = start(); err != nil {
			return -1, err
		}
	}
	var (
		mu          sync.Mutex
		next, ended int
		stop        = n
		wg          sync.WaitGroup
	)
	take := func() int {
		mu.Lock()
		defer mu.Unlock()
		if next >= stop || ctx.Err() != nil {
			return -1
		}
		next++
		return next - 1
	}
	for _, do := range do {
		wg.Go(func() {
			for i := take(); i >= 0; i = take() {
				failure := do(i)
				mu.Lock()
				if failure == nil {
					if ended++; done != nil {
						done(ended)
					}
				} else if i < stop {
					stop, err = i, failure
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if err == nil {
		return -1, ctx.Err()
	}
	return stop, err
}

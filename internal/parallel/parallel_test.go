package parallel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
)

func TestEach(t *testing.T) {
	for _, workers := range []int{0, 1, 3, 50} {
		did := make([]int, 20)
		var begun atomic.Int32
		var told []int
		failed, err := Each(t.Context(), len(did), workers, func() (func(int) error, error) {
			begun.Add(1)
			return func(i int) error { did[i]++; return nil }, nil
		}, func(done int) { told = append(told, done) })
		if failed != -1 || err != nil || slices.Max(did) != 1 || slices.Min(did) != 1 || len(told) != 20 || !slices.IsSorted(told) || workers > 0 && int(begun.Load()) != min(workers, 20) {
			t.Errorf("%d workers: got %v, %v; did %v, told %v, %d begun", workers, failed, err, did, told, begun.Load())
		}
	}
}

func TestFailures(t *testing.T) {
	for _, workers := range []int{1, 4} {
		var done atomic.Int32
		failed, err := Each(t.Context(), 100, workers, func() (func(int) error, error) {
			return func(i int) error {
				if done.Add(1); i >= 7 {
					return fmt.Errorf("piece %d", i)
				}
				return nil
			}, nil
		}, nil)
		if failed != 7 || err == nil || err.Error() != "piece 7" || done.Load() > 30 {
			t.Errorf("%d workers: got %d, %v after %d", workers, failed, err, done.Load())
		}
	}
	if failed, err := Each(t.Context(), 3, 1, func() (func(int) error, error) { return nil, errors.New("no worker") }, nil); failed != -1 || err == nil {
		t.Errorf("start: got %d, %v", failed, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	failed, err := Each(ctx, 9, 1, func() (func(int) error, error) {
		return func(i int) error {
			if n++; i == 2 {
				cancel()
			}
			return nil
		}, nil
	}, nil)
	if failed != -1 || !errors.Is(err, context.Canceled) || n != 3 {
		t.Errorf("cancelled: got %d, %v after %d", failed, err, n)
	}
}

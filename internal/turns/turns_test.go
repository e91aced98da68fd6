package turns

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
)

// Turns go round, and past those that have left.
func TestTable(t *testing.T) {
	for _, c := range []struct {
		name  string
		turns []int // that each takes
		want  []int
	}{
		{"one", []int{3}, []int{0, 0, 0}},
		{"even", []int{2, 2, 2}, []int{0, 1, 2, 0, 1, 2}},
		{"uneven", []int{1, 4, 2}, []int{0, 1, 2, 1, 2, 1, 1}},
		{"none", []int{0, 2, 0}, []int{1, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 50 { // of the orders in which goroutines begin and leave
				table := New(len(c.turns))
				var got []int
				var wg sync.WaitGroup
				for i, n := range c.turns {
					wg.Go(func() {
						defer table.Leave(i)
						for range n {
							if err := table.Take(t.Context(), i); err != nil {
								t.Error(err)
								return
							}
							got = append(got, i)
							table.Pass(i)
						}
					})
				}
				wg.Wait()
				if !slices.Equal(got, c.want) {
					t.Fatalf("got %v, want %v", got, c.want)
				}
			}
		})
	}
}

// Who waits in vain stops waiting when the context ends.
func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := New(2).Take(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

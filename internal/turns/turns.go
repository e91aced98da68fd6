// Package turns has goroutines work one after the other, round by round in a fixed order.
package turns

import (
	"context"
	"sync"
)

// Table is where several goroutines, numbered from 0, take turns. The first turn is number 0's.
type Table struct {
	seats []chan struct{} // the turn, where it is not taken

	mu   sync.Mutex
	gone []bool
}

// New returns a table for n goroutines.
func New(n int) *Table {
	t := &Table{gone: make([]bool, n)}
	for range n {
		t.seats = append(t.seats, make(chan struct{}, 1))
	}
	t.seats[0] <- struct{}{}
	return t
}

// Take waits for the turn of number i, or for the end of ctx, whose error it returns.
func (t *Table) Take(ctx context.Context, i int) error {
	select {
	case <-t.seats[i]:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Pass ends the turn of number i, which has taken it: the next one that has not left is to go on.
func (t *Table) Pass(i int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k := 1; k <= len(t.seats); k++ {
		if next := (i + k) % len(t.seats); !t.gone[next] {
			t.seats[next] <- struct{}{}
			return
		}
	}
}

// Leave says that number i takes no turn any more. It must not have one.
func (t *Table) Leave(i int) {
	t.mu.Lock()
	t.gone[i] = true
	t.mu.Unlock()
	select {
	case <-t.seats[i]: // it came and was not taken
		t.Pass(i)
	default:
	}
}

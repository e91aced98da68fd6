//go:build race

package ops

// What a thread of the pool does while it waits. Under the race detector, which
// watches every look, it takes about as long as otherwise.
const (
	spins  = 1 << 9
	yields = 1 << 9
)

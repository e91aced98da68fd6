//go:build !race

package ops

// What a thread of the pool does while it waits: it looks spins times, some 50
// microseconds, then yields times with an offer of its processor before each, a
// millisecond or more, and then sleeps.
const (
	spins  = 1 << 16
	yields = 1 << 12
)

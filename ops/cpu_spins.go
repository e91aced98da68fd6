//go:build !race

package ops

// spins bounds the waiting loops of the pool: some 50 microseconds.
const spins = 1 << 16

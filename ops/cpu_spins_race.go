//go:build race

package ops

// spins bounds the waiting loops of the pool. Under the race detector, which
// watches every look, they take about as long as the others.
const spins = 1 << 9

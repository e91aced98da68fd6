//go:build race

package opstest

// underRace is whether the race detector watches, under which the reference is
// some twenty times slower.
const underRace = true

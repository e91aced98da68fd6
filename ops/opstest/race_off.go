//go:build !race

package opstest

const underRace = false

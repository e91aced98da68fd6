//go:build !race

// Without the race detector there is nobody to tell what operations read and write.

package asm

const raceEnabled = false

func raceRead[T any]([]T)  {}
func raceWrite[T any]([]T) {}
func raceProduct(*product) {}

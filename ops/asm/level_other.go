//go:build !amd64 || noasm

// Builds without assembly have the generic level only.

package asm

func detectLevel() level { return levelGeneric }

func hasVNNI() bool { return false }

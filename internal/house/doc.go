// Package house holds no code, only the tests that keep the repository's
// structure: which package may import which.
package house

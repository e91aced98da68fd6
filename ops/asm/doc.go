// Package asm holds the float32 CPU kernels: Go assembly for amd64, AVX-512 and
// AVX2+FMA, each beside a twin in plain Go. It knows slices and nothing else.
package asm

// Package bench holds benchmarks of whole computations; those of single
// kernels are beside the kernels, in ops/asm.
//
//	go test -run='^$' -bench=. -count=10 ./bench/... | tee new.txt
//
// Names are key=value pairs, so that benchstat can compare by column. Threads
// are bound to processors where the system can do that.
package bench

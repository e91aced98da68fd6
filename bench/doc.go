// Package bench holds benchmarks of whole computations; those of single kernels
// are beside the kernels, in ops/asm.
//
//	go test -bench . ./bench/...                          all, about five minutes
//	go test -bench . -count=10 ./bench/... | tee new.txt  for benchstat
//	go test -bench ./bench/...                            from the root: a selection, one minute
//	go test -bench 'Decode' ./bench/...                   by pattern
//	NETLLM_MODEL=1.1b:Q4_0 go test -bench 'Prefill|Decode' ./bench
//
// NETLLM_MODEL is the path of a GGUF file, or shape:type for a model of random
// weights: shape 15m, 110m, 1.1b or 7b, any type that package tensor has, or
// Q4_K_M. Generated files are kept in netllm-bench in the system's folder of
// temporary files. Without it, models of the shape 15m are measured.
//
// Names are key=value pairs, so that benchstat can compare by column. device=cpu has
// threads=1 and threads=2, bound to processors where the system can do that;
// device=vulkan is skipped where there is no GPU (-software measures a driver that
// computes on the CPU too). A GPU's times include submitting and waiting, and the
// transfers that the work is made of. The metrics are
//
//	GFLOP/s     multiplications and additions, however they are done
//	GB/s        weights read
//	tokens/s    and the like: what the computation is for
//	%peak-fma   GFLOP/s as a share of what a loop of f32 multiply-adds does here.
//	            Products of integers can be above 100.
//	%peak-read  GB/s as a share of what a loop of loads reads from memory here.
//	            Weights that fit a cache can be above 100.
//	transfer-B/op  bytes between host and GPU
//	peak-MB     most memory of the process, mapped files included
//
// Comparisons with other programs are made by bench/peers.
package bench

// Package pretrain trains a small language model from nothing on text that
// every Go user has: the documentation comments of Go's standard library.
//
// The vocabulary is bytes. Training is deterministic: the same text, settings
// and machine class give the same bytes, whatever the number of threads.
//
//	goroot, err := pretrain.Goroot(ctx)
//	...
//	corpus, err := pretrain.GoDocs(goroot)
//	...
//	result, err := pretrain.Run(ctx, backend, corpus, pretrain.Default())
package pretrain

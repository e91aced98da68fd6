// Package pretrain trains a small language model from nothing on text that
// every Go user has: the documentation comments of Go's standard library.
//
// The vocabulary is bytes. Training is deterministic: the same text, settings
// and machine class give the same bytes, whatever the number of threads.
//
//	corpus, err := pretrain.GoDocs(runtime.GOROOT())
//	...
//	result, err := pretrain.Run(ctx, backend, corpus, pretrain.Default())
package pretrain

// Package embedded holds a small language model that this project trained
// itself, so that programs and tests have one without any file.
//
// It is a Llama over bytes, trained on the documentation comments of Go's
// standard library by `netllm pretrain`. model.gguf.json beside it records the
// command, the Go version, hashes of text and file, the settings, the loss
// curve, and what held-out text costs under it.
package embedded

import (
	_ "embed"
)

//go:embed model.gguf
var model []byte

// Name is what the model is called in messages and adapters.
const Name = "go-docs"

// Model returns the name and the GGUF file of the model, which is not to be
// written to. transformer.ParseGGUF reads it.
func Model() (name string, gguf []byte) { return Name, model }

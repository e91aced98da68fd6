// The model that comes with the program.

package main

import "netllm/netllm/embedded"

// embeddedModel returns the name and the GGUF file of the embedded model.
func embeddedModel() (name string, gguf []byte) { return embedded.Model() }

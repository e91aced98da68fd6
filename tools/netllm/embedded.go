// The model that comes with the program.

package main

// embeddedModel returns the name and the GGUF file of the embedded model, ""
// if there is none.
func embeddedModel() (name string, gguf []byte) { return "", nil }

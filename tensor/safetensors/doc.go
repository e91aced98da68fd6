// Package safetensors reads and writes safetensors, the file format of Hugging
// Face: named tensors, and some text about them.
//
//	f, err := safetensors.Open("model.safetensors") // or its index, or the folder
//	if err != nil {
//		return err
//	}
//	defer f.Close()
//	w, err := f.Tensor("model.norm.weight") // in the mapped file
//
// A model may be one file, or several shards with an index
// (model.safetensors.index.json); both look the same once open. Opening checks
// all but the tensors' elements: the header's length against the file's before
// it is parsed, names and fields for duplicates, and that the tensors fill the
// file without gaps or overlaps. Errors name the file and the offset or tensor.
// However it is made, a header or an index makes its reader allocate at most
// sixteen times its size and a megabyte. Tensors of types or of more dimensions
// than package tensor has are listed, and only asking for one fails.
//
// Files are written as the reference implementation writes them, byte for
// byte, and the same tensors always give the same bytes.
//
// The format is described in the README of the safetensors project.
package safetensors

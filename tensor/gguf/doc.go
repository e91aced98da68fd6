// Package gguf reads and writes GGUF, the file format of ggml and llama.cpp:
// named values that describe a model, and its tensors.
//
//	f, err := gguf.Open("model.gguf")
//	if err != nil {
//		return err
//	}
//	defer f.Close()
//	layers, err := f.Int("llama.block_count")
//	...
//	w, err := f.Tensor("blk.0.attn_q.weight") // [rows, columns], in the mapped file
//
// Versions 2 and 3 in little-endian order are read; version 3 is written.
// Opening a file checks all of it but the tensors' elements: every length and
// offset against the file's size before anything is allocated, and that the
// tensors fill the file without gaps or overlaps. Errors name the file and the
// offset, key or tensor. A file may hold tensors of types that package tensor
// does not have, such as IQ2_XXS; they are listed, and only asking for one fails.
// However it is made, a file makes its reader allocate at most twice its size and
// a megabyte; opening an ordinary model takes kilobytes.
//
// A model that is split into several files, as llama.cpp's gguf-split does it, is
// opened by the name of any of them and looks like one file. [Check] lists all
// that is wrong with a file, [Copy] writes files of tensors that lie in others.
//
// GGUF writes dimensions fastest first. Here shapes are row-major, as
// everywhere in package tensor: a file's [C, R] is [R, C].
//
// The format is described in docs/gguf.md of the ggml project.
package gguf

// Package tfbundle reads checkpoints of TensorFlow 1 ("tensor bundles"): an index,
// NAME.index, and the bytes of the tensors, NAME.data-00000-of-00001.
//
// The index is a sorted string table of LevelDB's format: blocks of keys and values, a block that
// lists the blocks, and a footer with a magic number. A key is a tensor's name, its
// value a protobuf message BundleEntryProto with type, shape, place and checksum;
// the value of the empty key is the header, BundleHeaderProto. Tables that are not
// compressed, of one shard, with little-endian tensors are read, which is what
// TensorFlow's Saver writes. Every block and every tensor is compared with its
// checksum, CRC-32C.
//
//	b, err := tfbundle.Parse(index)
//	for _, t := range b.Tensors {
//		data, err := b.Read(file, size, t)
//	}
//
// An index is hostile until proved otherwise: every length is compared with what is
// there before it is used, and memory is in proportion to the file.
package tfbundle

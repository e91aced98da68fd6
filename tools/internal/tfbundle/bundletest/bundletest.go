// Package bundletest writes tensor bundles for tests, whole and harmed.
package bundletest

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
	"strings"
)

// Tensor is a tensor to be written.
type Tensor struct {
	Name  string
	DType int
	Shape []int
	Data  []byte
	Extra []byte // appended to its message
}

// Options change what is written. The zero value writes what TensorFlow does, but
// for the size of the blocks.
type Options struct {
	BlockEntries int              // entries per block; 0 = all in one
	Restart      int              // every so many entries a key stands in full; 0 = 16
	Header       []byte           // message of the header; nil = one shard
	NoHeader     bool             // no entry for it
	Compression  byte             // as the blocks' trailers say
	Footer       func(b []byte)   // changes the footer
	Blocks       func(h [][]byte) // changes the handles in the list of blocks
}

func masked(b []byte) uint32 {
	crc := crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
	return (crc>>15 | crc<<17) + 0xa282ead8
}

// Bundle returns the index and the data of tensors, whose names should be sorted.
func Bundle(tensors []Tensor, o Options) (index, data []byte) {
	var entries [][2]string
	if !o.NoHeader {
		header := o.Header
		if header == nil {
			header = []byte{1 << 3, 1, 3<<3 | 2, 2, 1 << 3, 1} // one shard; a version
		}
		entries = append(entries, [2]string{"", string(header)})
	}
	for _, t := range tensors {
		entries = append(entries, [2]string{t.Name, string(Entry(t, len(data)))})
		data = append(data, t.Data...)
	}
	return Table(entries, o), data
}

// Entry returns the message of a tensor whose bytes begin at offset.
func Entry(t Tensor, offset int) []byte {
	var shape []byte
	for _, d := range t.Shape {
		dim := binary.AppendUvarint([]byte{1 << 3}, uint64(d))
		shape = append(append(shape, 2<<3|2, byte(len(dim))), dim...)
	}
	m := append(binary.AppendUvarint([]byte{1 << 3}, uint64(t.DType)), 2<<3|2, byte(len(shape)))
	m = append(m, shape...)
	if offset > 0 { // protobuf leaves out what is zero
		m = binary.AppendUvarint(append(m, 4<<3), uint64(offset))
	}
	m = binary.AppendUvarint(append(m, 5<<3), uint64(len(t.Data)))
	m = binary.LittleEndian.AppendUint32(append(m, 6<<3|5), masked(t.Data))
	return append(m, t.Extra...)
}

// Table returns a sorted string table of keys and values.
func Table(entries [][2]string, o Options) []byte {
	var table []byte
	add := func(list [][2]string) []byte {
		handle := binary.AppendUvarint(binary.AppendUvarint(nil, uint64(len(table))), 0)
		content := block(list, o.Restart)
		handle = binary.AppendUvarint(handle[:len(handle)-1], uint64(len(content)))
		trailed := append(content, o.Compression)
		table = append(table, binary.LittleEndian.AppendUint32(trailed, masked(trailed))...)
		return handle
	}
	size := o.BlockEntries
	if size == 0 {
		size = max(len(entries), 1)
	}
	var keys []string
	var handles [][]byte
	for list := range slices.Chunk(entries, size) {
		keys = append(keys, list[len(list)-1][0])
		handles = append(handles, add(list))
	}
	if o.Blocks != nil {
		o.Blocks(handles)
	}
	var blocks [][2]string
	for i, key := range keys {
		blocks = append(blocks, [2]string{key, string(handles[i])})
	}
	footer := append(add(nil), add(blocks)...)
	footer = append(footer, make([]byte, 40-len(footer))...)
	footer = binary.LittleEndian.AppendUint64(footer, 0xdb4775248b80fb57)
	if o.Footer != nil {
		o.Footer(footer)
	}
	return append(table, footer...)
}

// block returns a block's content.
func block(entries [][2]string, restart int) []byte {
	if restart == 0 {
		restart = 16
	}
	var b []byte
	restarts := []int{0}
	last := ""
	for i, e := range entries {
		key, shared := e[0], 0
		if i%restart == 0 {
			if i > 0 {
				restarts = append(restarts, len(b))
			}
		} else {
			for shared < min(len(key), len(last)) && strings.HasPrefix(last, key[:shared+1]) {
				shared++
			}
		}
		for _, n := range []int{shared, len(key) - shared, len(e[1])} {
			b = binary.AppendUvarint(b, uint64(n))
		}
		b = append(append(b, key[shared:]...), e[1]...)
		last = key
	}
	for _, r := range restarts {
		b = binary.LittleEndian.AppendUint32(b, uint32(r))
	}
	return binary.LittleEndian.AppendUint32(b, uint32(len(restarts)))
}

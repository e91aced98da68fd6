// Sorted string tables: footer, blocks, entries whose keys share their beginning
// with the key before.

package tfbundle

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
)

const (
	footerBytes  = 48 // two handles, padded to 40, and the magic number
	trailerBytes = 5  // type of compression and checksum, after each block
	tableMagic   = 0xdb4775248b80fb57
	maxKey       = 1 << 12 // bytes; names of tensors are shorter
	maxKeys      = 16      // bytes of keys, written out, per byte of the table
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// masked returns a checksum as it is stored, which is not that of its own bytes.
func masked(crc uint32) uint32 { return (crc>>15 | crc<<17) + 0xa282ead8 }

// reader takes numbers off the front of bytes.
type reader struct{ b []byte }

func (r *reader) uvarint() (uint64, error) {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		return 0, errors.New("a number that does not end, or is beyond 64 bits")
	}
	r.b = r.b[n:]
	return v, nil
}

func (r *reader) take(n uint64) ([]byte, error) {
	if n > uint64(len(r.b)) {
		return nil, fmt.Errorf("%d bytes wanted, %d are left", n, len(r.b))
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b, nil
}

// handle is the place of a block.
type handle struct{ offset, size uint64 }

func (r *reader) handle() (h handle, err error) {
	if h.offset, err = r.uvarint(); err != nil {
		return h, err
	}
	h.size, err = r.uvarint()
	return h, err
}

// parseTable calls f with every key and value, which it may not keep, in the
// order of the table.
func parseTable(table []byte, f func(key string, value []byte) error) error {
	if len(table) < footerBytes {
		return fmt.Errorf("%d bytes, a table has a footer of %d", len(table), footerBytes)
	}
	footer := table[len(table)-footerBytes:]
	if got := binary.LittleEndian.Uint64(footer[footerBytes-8:]); got != tableMagic {
		return fmt.Errorf("magic number %#x, want %#x", got, uint64(tableMagic))
	}
	handles := reader{footer[:footerBytes-8]}
	if _, err := handles.handle(); err != nil { // of further information, which we do not need
		return fmt.Errorf("footer: %w", err)
	}
	index, err := handles.handle()
	if err != nil {
		return fmt.Errorf("footer: %w", err)
	}
	blocks := table[:len(table)-footerBytes]
	last, end, spent := "", uint64(0), 0
	return parseBlock(blocks, index, func(_ string, value []byte) error {
		r := reader{value}
		h, err := r.handle()
		if err != nil {
			return err
		}
		// Blocks follow each other: else one block, listed again and again, would
		// make a small table a large one.
		if h.offset < end {
			return fmt.Errorf("block at byte %d: overlaps the one before, which ends at %d", h.offset, end)
		}
		end = h.offset + h.size
		return parseBlock(blocks, h, func(key string, value []byte) error {
			if key <= last && (key != "" || last != "") {
				return fmt.Errorf("key %.80q is not above %.80q", key, last)
			}
			if spent += len(key); spent > maxKeys*len(table) {
				return fmt.Errorf("keys take more than %d times the table", maxKeys)
			}
			last = key
			return f(key, value)
		})
	})
}

// parseBlock calls f with every entry of a block.
func parseBlock(blocks []byte, h handle, f func(key string, value []byte) error) error {
	wrap := func(err error) error { return fmt.Errorf("block at byte %d: %w", h.offset, err) }
	if rest := uint64(len(blocks)); h.offset > rest || h.size > rest-h.offset || rest-h.offset-h.size < trailerBytes {
		return wrap(fmt.Errorf("%d bytes and a trailer do not lie in the table of %d bytes", h.size, len(blocks)))
	}
	whole := blocks[h.offset : h.offset+h.size+trailerBytes]
	content := whole[:h.size]
	if got, want := masked(crc32.Checksum(whole[:h.size+1], castagnoli)), binary.LittleEndian.Uint32(whole[h.size+1:]); got != want {
		return wrap(fmt.Errorf("checksum is %08x, the file says %08x", got, want))
	}
	if whole[h.size] != 0 {
		return wrap(fmt.Errorf("compressed (type %d): only plain blocks are read", whole[h.size]))
	}
	// At the end stand the entries that begin anew, for searching, and their number.
	if len(content) < 4 {
		return wrap(fmt.Errorf("%d bytes", len(content)))
	}
	restarts := uint64(binary.LittleEndian.Uint32(content[len(content)-4:]))
	if restarts > uint64(len(content)-4)/4 {
		return wrap(fmt.Errorf("%d places to begin at do not fit", restarts))
	}
	r := reader{content[:uint64(len(content))-4-4*restarts]}
	key := ""
	for len(r.b) > 0 {
		var value []byte
		var err error
		if key, value, err = r.entry(key); err == nil {
			err = f(key, value)
		}
		if err != nil {
			return wrap(err)
		}
	}
	return nil
}

// entry takes an entry; last is the key of the one before.
func (r *reader) entry(last string) (key string, value []byte, err error) {
	var n [3]uint64 // bytes shared with the last key, bytes of its own, bytes of the value
	for i := range n {
		if n[i], err = r.uvarint(); err != nil {
			return "", nil, err
		}
	}
	if n[0] > uint64(len(last)) {
		return "", nil, fmt.Errorf("a key shares %d bytes with one of %d", n[0], len(last))
	}
	if n[0]+min(n[1], maxKey+1) > maxKey {
		return "", nil, fmt.Errorf("a key of more than %d bytes", maxKey)
	}
	own, err := r.take(n[1])
	if err != nil {
		return "", nil, err
	}
	value, err = r.take(n[2])
	return strings.Join([]string{last[:n[0]], string(own)}, ""), value, err
}

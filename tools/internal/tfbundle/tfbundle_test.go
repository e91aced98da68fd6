package tfbundle

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"testing"

	"netllm/internal/measure"
	"netllm/tools/internal/tfbundle/bundletest"
)

func floats(n int) []byte {
	var b []byte
	for i := range n {
		b = binary.LittleEndian.AppendUint32(b, uint32(i)<<20)
	}
	return b
}

// some are tensors whose names begin alike, as a network's do.
func some() []bundletest.Tensor {
	var list []bundletest.Tensor
	for _, layer := range []string{"Conv1D", "Conv1D_1", "Dense", "Dense_1"} {
		list = append(list,
			bundletest.Tensor{Name: "actor/" + layer + "/W", DType: 1, Shape: []int{4, 1, 6}, Data: floats(24)},
			bundletest.Tensor{Name: "actor/" + layer + "/W/RMSProp", DType: 1, Shape: []int{4, 1, 6}, Data: floats(24)},
			bundletest.Tensor{Name: "actor/" + layer + "/b", DType: 1, Shape: []int{3}, Data: floats(3)})
	}
	return append(list, bundletest.Tensor{Name: "is_training", DType: 10, Shape: nil, Data: []byte{1}},
		bundletest.Tensor{Name: "nothing", DType: 9, Shape: []int{0, 7}})
}

func TestBundle(t *testing.T) {
	tensors := some()
	for _, o := range []bundletest.Options{{}, {BlockEntries: 1}, {BlockEntries: 3, Restart: 2}, {Restart: 1}} {
		index, data := bundletest.Bundle(tensors, o)
		b, err := Parse(index)
		if err != nil {
			t.Fatalf("%+v: %v", o, err)
		}
		if len(b.Tensors) != len(tensors) {
			t.Fatalf("%+v: got %d tensors, want %d", o, len(b.Tensors), len(tensors))
		}
		for _, want := range tensors {
			got, ok := b.Get(want.Name)
			if !ok || int(got.DType) != want.DType || !slices.Equal(got.Shape, want.Shape) {
				t.Errorf("%s: got %+v (%v), want type %d and shape %v", want.Name, got, ok, want.DType, want.Shape)
			}
			content, err := b.Read(bytes.NewReader(data), int64(len(data)), got)
			if err != nil || !bytes.Equal(content, want.Data) {
				t.Errorf("%s: got %x, %v, want %x", want.Name, content, err, want.Data)
			}
		}
	}
	if _, ok := (&Bundle{}).Get("x"); ok {
		t.Error("got a tensor out of nothing")
	}
}

// TestMasked compares with the checksum of the standard's example, masked by hand.
func TestMasked(t *testing.T) {
	if got := masked(crc32.Checksum([]byte("123456789"), castagnoli)); got != 0xc78ab0e5 {
		t.Errorf("got %#x, want 0xc78ab0e5", got)
	}
}

// TestRefused wants a bad index to be refused with a word about why.
func TestRefused(t *testing.T) {
	good, _ := bundletest.Bundle(some(), bundletest.Options{})
	with := func(o bundletest.Options) []byte {
		index, _ := bundletest.Bundle(some(), o)
		return index
	}
	entry := func(name string, message ...byte) []byte {
		return bundletest.Table([][2]string{{"", "\x08\x01"}, {name, string(message)}}, bundletest.Options{})
	}
	table := func(keys ...string) []byte {
		list := [][2]string{{"", "\x08\x01"}}
		for _, key := range keys {
			list = append(list, [2]string{key, ""})
		}
		return bundletest.Table(list, bundletest.Options{})
	}
	flipped := slices.Clone(good)
	flipped[20] ^= 1
	long := append(binary.AppendUvarint([]byte{0}, 3), 0, 1, 2, 3)
	for _, c := range []struct {
		name  string
		index []byte
		want  string
	}{
		{"nothing", nil, "0 bytes, a table has a footer of 48"},
		{"no table", bytes.Repeat([]byte("x"), 99), "magic number 0x7878787878787878"},
		{"cut", good[:len(good)-1], "magic number"},
		{"flipped", flipped, "checksum is"},
		{"compressed", with(bundletest.Options{Compression: 1}), "compressed (type 1)"},
		{"no header", with(bundletest.Options{NoHeader: true}), "no header"},
		{"two shards", with(bundletest.Options{Header: []byte{8, 2}}), "2 shards"},
		{"no shards", with(bundletest.Options{Header: []byte{}}), "0 shards"},
		{"big-endian", with(bundletest.Options{Header: []byte{8, 1, 16, 1}}), "big-endian"},
		{"shards as bytes", with(bundletest.Options{Header: []byte{10, 1, 1}}), "field 1 has wire type 2, want 0"},
		{"a group", with(bundletest.Options{Header: []byte{11}}), "field 1 has wire type 3"},
		{"handles without an end", with(bundletest.Options{Footer: func(b []byte) { copy(b, bytes.Repeat([]byte{0xff}, 40)) }}), "footer: a number that does not end"},
		{"list of blocks elsewhere", with(bundletest.Options{Footer: func(b []byte) { copy(b, []byte{0, 0, 0xff, 0xff, 0x7f, 1}) }}), "do not lie in the table"},
		{"list of blocks of all memory", with(bundletest.Options{Footer: func(b []byte) {
			copy(b, append([]byte{0, 0, 1}, binary.AppendUvarint(nil, 1<<64-1)...))
		}}), "do not lie in the table"},
		{"a block twice", with(bundletest.Options{BlockEntries: 4, Blocks: func(h [][]byte) { h[1] = h[0] }}), "overlaps the one before"},
		{"a block elsewhere", with(bundletest.Options{Blocks: func(h [][]byte) { h[0] = []byte{0xff, 0xff, 0x7f, 9} }}), "do not lie in the table"},
		{"a block without a size", with(bundletest.Options{Blocks: func(h [][]byte) { h[0] = []byte{9} }}), "does not end"},
		{"keys in disorder", table("b", "a"), `key "a" is not above "b"`},
		{"key twice", table("a", "a"), `key "a" is not above "a"`},
		{"long key", table(strings.Repeat("k", maxKey+1)), "a key of more than 4096 bytes"},
		{"no message", entry("a", 0xff), `tensor "a": a number that does not end`},
		{"field beyond the end", entry("a", 2<<3|2, 9, 1), `tensor "a": 9 bytes wanted, 1 are left`},
		{"type as bytes", entry("a", 1<<3|2, 1, 1), "field 1 has wire type 2, want 0"},
		{"checksum as a number", entry("a", 6<<3, 1), "field 6 has wire type 0, want 5"},
		{"another shard", entry("a", 3<<3, 1), "shard 1 of one"},
		{"negative size", entry("a", append([]byte{5 << 3}, binary.AppendUvarint(nil, 1<<64-1)...)...), "field 5 is 18446744073709551615"},
		{"unknown rank", entry("a", 2<<3|2, 2, 3<<3, 1), "rank is unknown"},
		{"negative dimension", entry("a", append([]byte{2<<3 | 2, 13, 2<<3 | 2, 11, 1 << 3}, binary.AppendUvarint(nil, 1<<64-1)...)...), "dimension -1"},
		{"many dimensions", entry("a", append([]byte{2<<3 | 2, 2 * (maxRank + 1)}, bytes.Repeat([]byte{2<<3 | 2, 0}, maxRank+1)...)...), "more than 16 dimensions"},
		{"restarts that do not fit", harmed(long, 1<<20), "1048576 places to begin at"},
		{"shares what is not there", harmed([]byte{5, 1, 0, 'x'}, 0), "a key shares 5 bytes with one of 0"},
		{"a value beyond the end", harmed([]byte{0, 1, 99, 'x'}, 0), "99 bytes wanted"},
		{"a key beyond the end", harmed([]byte{0, 99, 0, 'x'}, 0), "99 bytes wanted"},
		{"a key of all memory", harmed(append(append([]byte{0}, binary.AppendUvarint(nil, 1<<64-1)...), 0), 0), "a key of more than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Parse(c.index)
			if err == nil {
				t.Fatalf("got %+v, want an error", got)
			}
			if !strings.HasPrefix(err.Error(), "tensor bundle: ") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %q, want %q", err, c.want)
			}
		})
	}
	for n := range good {
		if _, err := Parse(good[:n]); err == nil {
			t.Errorf("the first %d bytes of %d: got no error", n, len(good))
		}
	}
}

// harmed is a table whose list of blocks has these entries and number of restarts.
func harmed(entries []byte, restarts uint32) []byte {
	content := binary.LittleEndian.AppendUint32(entries, restarts)
	table := append(slices.Clone(content), 0)
	table = binary.LittleEndian.AppendUint32(table, masked(crc32.Checksum(table, castagnoli)))
	footer := append([]byte{0, 0, 0}, binary.AppendUvarint(nil, uint64(len(content)))...)
	footer = append(footer, make([]byte, 40-len(footer))...)
	return binary.LittleEndian.AppendUint64(append(table, footer...), tableMagic)
}

func TestReadRefused(t *testing.T) {
	tensors := some()
	index, data := bundletest.Bundle(tensors, bundletest.Options{})
	b, err := Parse(index)
	if err != nil {
		t.Fatal(err)
	}
	first, _ := b.Get(tensors[0].Name)
	size := int64(len(data))
	for _, c := range []struct {
		name   string
		change func(t *Tensor)
		size   int64
		want   string
	}{
		{"a string", func(t *Tensor) { t.DType = 7 }, size, "type 7 is not read"},
		{"slices", func(t *Tensor) { t.sliced = true }, size, "slices"},
		{"beyond the end", func(t *Tensor) { t.Offset = size + 1 }, size, "the data have"},
		{"beyond all numbers", func(t *Tensor) { t.Offset, t.Bytes = 1<<62, 1<<62 }, size, "the data have"},
		{"too long", func(t *Tensor) { t.Bytes = size + 1 }, size, "the data have"},
		{"another size", func(t *Tensor) { t.Bytes-- }, size, "takes 96 bytes, the index says 95"},
		{"another shape", func(t *Tensor) { t.Shape = []int{5} }, size, "takes 20 bytes"},
		{"a shape of all memory", func(t *Tensor) { t.Shape = []int{1 << 30, 1 << 30, 1 << 30} }, size, "more than the data hold"},
		{"other bytes", func(t *Tensor) { t.Offset += 4 }, size, "checksum is"},
		{"less than it says", func(t *Tensor) { t.Offset = size }, 1 << 40, "EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := first
			c.change(&x)
			if got, err := b.Read(bytes.NewReader(data), c.size, x); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), x.Name) {
				t.Errorf("got %d bytes and %v, want %q", len(got), err, c.want)
			}
		})
	}
	broken := errors.New("broken")
	if _, err := b.Read(failing{broken}, size, first); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}

type failing struct{ err error }

func (f failing) ReadAt([]byte, int64) (int, error) { return 0, f.err }

var _ io.ReaderAt = failing{}

// allowed is what an index of so many bytes may make its reader allocate.
func allowed(size int) uint64 { return 1<<16 + 192*uint64(size) }

// Keys that share nearly all of a long key with the one before.
func TestMemory(t *testing.T) {
	list := [][2]string{{"", "\x08\x01"}}
	for i := range 1 << 11 {
		list = append(list, [2]string{strings.Repeat("k", maxKey-5) + fmt.Sprintf("%05d", i), ""})
	}
	index := bundletest.Table(list, bundletest.Options{Restart: 1 << 20})
	got := measure.Allocated(func() {
		if _, err := Parse(index); err == nil || !strings.Contains(err.Error(), "keys take more than") {
			t.Errorf("got %v", err)
		}
	})
	if got > allowed(len(index)) {
		t.Errorf("got %d bytes allocated for an index of %d, want at most %d", got, len(index), allowed(len(index)))
	}
}

// FuzzBundle looks for indices that panic or take more memory than they justify. Checksums
// are put right first, or nothing would come through.
func FuzzBundle(f *testing.F) {
	for _, o := range []bundletest.Options{{}, {BlockEntries: 3, Restart: 2}, {NoHeader: true}} {
		index, _ := bundletest.Bundle(some()[:5], o)
		f.Add(index)
	}
	f.Add(bundletest.Table([][2]string{{"", "\x08\x01"}}, bundletest.Options{}))
	f.Fuzz(func(t *testing.T, index []byte) {
		index = repaired(index)
		var b *Bundle
		var err error
		if n := measure.Allocated(func() { b, err = Parse(index) }); n > allowed(len(index)) {
			t.Errorf("got %d bytes allocated for an index of %d", n, len(index))
		}
		if err != nil {
			return
		}
		data := make([]byte, 64)
		for _, x := range b.Tensors {
			if content, err := b.Read(bytes.NewReader(data), int64(len(data)), x); err == nil && int64(len(content)) != x.Bytes {
				t.Errorf("%+v: got %d bytes", x, len(content))
			}
		}
	})
}

// repaired puts the checksums of an index right, as far as its blocks can be found.
func repaired(index []byte) []byte {
	index = slices.Clone(index)
	if len(index) < footerBytes {
		return index
	}
	blocks := index[:len(index)-footerBytes]
	repair := func(h handle) bool {
		rest := uint64(len(blocks))
		if h.offset > rest || h.size > rest-h.offset || rest-h.offset-h.size < trailerBytes {
			return false
		}
		end := h.offset + h.size
		binary.LittleEndian.PutUint32(blocks[end+1:], masked(crc32.Checksum(blocks[h.offset:end+1], castagnoli)))
		return true
	}
	r := reader{index[len(index)-footerBytes : len(index)-8]}
	if _, err := r.handle(); err != nil {
		return index
	}
	list, err := r.handle()
	if err != nil || !repair(list) {
		return index
	}
	_ = parseBlock(blocks, list, func(_ string, value []byte) error {
		r := reader{value}
		h, err := r.handle()
		if err == nil && !repair(h) {
			err = errors.New("no block")
		}
		return err
	})
	repair(list)
	return index
}

package pickle

// Pickles written by hand, opcode by opcode: what is read, what is refused and where, and
// how much memory a hostile one takes.

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netllm/internal/golden"
	"netllm/internal/measure"
)

// simple turns a value into what cmp can compare and a person can read.
func simple(v any) any {
	list := func(items []any) []any {
		out := []any{}
		for _, item := range items {
			out = append(out, simple(item))
		}
		return out
	}
	switch v := v.(type) {
	case *List:
		return list(v.Items)
	case *Tuple:
		return append([]any{"tuple"}, list(v.Items)...)
	case *Dict:
		out := []any{"dict"}
		for i, key := range v.Keys {
			out = append(out, [2]any{key, simple(v.Values[i])})
		}
		return out
	case *Array:
		return []any{"array", simple(v.Value)}
	}
	return v
}

const (
	arrayHead = "cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85U\x01b\x87Rq\x03"
	typeO8    = "cnumpy\ndtype\nq\x04U\x02O8K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tb"
)

// object is a pickled array whose value is pickled as value.
func object(value string) string {
	return "\x80\x02" + arrayHead + "(K\x01)" + typeO8 + "\x89]" + value + "atb."
}

// nested is a list in a list, so many times.
func nested(depth int) []any {
	if depth == 1 {
		return []any{}
	}
	return []any{nested(depth - 1)}
}

func TestDecode(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       any
	}{
		{"list of numbers", "\x80\x03]q\x00(K\x1cM\x00\x01J\xfe\xff\xff\xffe.", []any{int64(28), int64(256), int64(-2)}},
		{"nothing in it", "\x80\x02].", []any{}},
		{"a scalar", "\x80\x02U\x03a\x00b.", "a\x00b"},
		{"None and False", "\x80\x02(N\x89t.", []any{"tuple", nil, false}},
		{"one at a time", "\x80\x02]K\x01a)a.", []any{int64(1), []any{"tuple"}}},
		{"tuples", "\x80\x02K\x01\x85K\x02K\x03\x87.", []any{"tuple", []any{"tuple", int64(1)}, int64(2), int64(3)}},
		{"order of a dictionary", "\x80\x02}q\x00(K\x05U\x01aK\x02NK\x09)u.", []any{"dict", [2]any{int64(5), "a"}, [2]any{int64(2), nil}, [2]any{int64(9), []any{"tuple"}}}},
		{"kept and recalled", "\x80\x02](U\x01xr\x00\x01\x00\x00q\x07h\x07e.", []any{"x", "x"}},
		{"a shared list", "\x80\x02](]q\x01K\x01ah\x01e.", []any{[]any{int64(1)}, []any{int64(1)}}},
		{"array", object("}(K\x00]K\x07au"), []any{"array", []any{"dict", [2]any{int64(0), []any{int64(7)}}}}},
		{"array of None", object("N"), []any{"array", nil}},
		{"deep", "\x80\x02" + strings.Repeat("]", maxDepth) + strings.Repeat("a", maxDepth-1) + ".", nested(maxDepth)},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Decode([]byte(c.text), 0)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, simple(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestDictGet(t *testing.T) {
	v, err := Decode([]byte("\x80\x02}(K\x05U\x01aNK\x09u."), 0)
	if err != nil {
		t.Fatal(err)
	}
	d := v.(*Dict)
	for _, c := range []struct {
		key, want any
		ok        bool
	}{{int64(5), "a", true}, {nil, int64(9), true}, {int64(6), nil, false}, {"5", nil, false}} {
		if got, ok := d.Get(c.key); got != c.want || ok != c.ok {
			t.Errorf("%v: got %v, %v, want %v, %v", c.key, got, ok, c.want, c.ok)
		}
	}
}

// TestRefused wants the offset of what is wrong, and a word about it.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		name, text string
		at         int // from the end, if negative
		want       string
	}{
		{"nothing", "", 0, "needs 1 more bytes, 0 are left"},
		{"no pickle", "hello", 0, "begins with 0x68"},
		{"protocol 0", "(lp0\n.", 0, "begins with 0x28"},
		{"protocol 4", "\x80\x04].", 0, "protocol 4"},
		{"protocol without a number", "\x80", 0, "needs 1 more bytes"},
		{"protocol again", "\x80\x02]\x80\x02.", 3, "protocol 2"},
		{"no end", "\x80\x02]", 3, "needs 1 more bytes"},
		{"more after the end", "\x80\x02].]", 4, "1 bytes after the end"},
		{"nothing at the end", "\x80\x02.", 2, "0 values"},
		{"two values at the end", "\x80\x02]].", 4, "2 values"},
		{"a mark at the end", "\x80\x02](.", 4, "1 marks"},

		{"os.system", "\x80\x02cos\nsystem\nU\x04true\x85R.", 2, `global "os system" is not allowed`},
		{"eval", "\x80\x02c__builtin__\neval\n.", 2, `global "__builtin__ eval" is not allowed`},
		{"another name of numpy", "\x80\x02cnumpy\nload\n.", 2, `global "numpy load"`},
		{"a name with a space", "\x80\x02cnumpy ndarray\n\n.", 2, `global "numpy ndarray "`},
		{"a name without an end", "\x80\x02cnumpy\nndarray", 2, "does not end"},
		{"a name of megabytes", "\x80\x02c" + strings.Repeat("x", 1<<20) + "\ny\n.", 2, "does not end"},
		{"stack global", "\x80\x02U\x02osU\x06system\x93.", 14, "opcode 0x93"},
		{"instance", "\x80\x02(ios\nsystem\n.", 3, "opcode 0x69"},
		{"object", "\x80\x02(cnumpy\nndarray\no.", 18, "opcode 0x6f"},
		{"new object", "\x80\x02cnumpy\nndarray\n)\x81.", 18, "opcode 0x81"},
		{"extension", "\x80\x02\x82\x01.", 2, "opcode 0x82"},
		{"persistent", "\x80\x02Pid\n.", 2, "opcode 0x50"},
		{"a float", "\x80\x02G\x00\x00\x00\x00\x00\x00\x00\x00.", 2, "opcode 0x47"},
		{"a long string", "\x80\x02X\xff\xff\xff\x7f.", 2, "opcode 0x58"},
		{"a long number", "\x80\x02\x8b\xff\xff\xff\x7f.", 2, "opcode 0x8b"},
		{"True", "\x80\x02\x88.", 2, "opcode 0x88"},
		{"duplicate", "\x80\x02]2.", 3, "opcode 0x32"},
		{"pop", "\x80\x02]0.", 3, "opcode 0x30"},

		{"string beyond the end", "\x80\x02U\xffabc.", 2, "needs 255 more bytes, 4 are left"},
		{"number beyond the end", "\x80\x02J\x01.", 2, "needs 4 more bytes, 2 are left"},
		{"number to keep beyond the end", "\x80\x02]r\x01\x00\x00", 3, "needs 4 more bytes"},
		{"append to nothing", "\x80\x02K\x01a.", 4, "not on the stack"},
		{"append to a number", "\x80\x02K\x01K\x02a.", 6, "appends to a number, not to a list"},
		{"append to a dictionary", "\x80\x02}(K\x02e.", 6, "appends to a dictionary"},
		{"appends without a mark", "\x80\x02]K\x01e.", 5, "takes a mark"},
		{"across a mark", "\x80\x02](a.", 4, "not on the stack"},
		{"items of a list", "\x80\x02](K\x01K\x02u.", 8, "sets items of a list"},
		{"key without a value", "\x80\x02}(K\x01u.", 6, "a key without a value"},
		{"key twice", "\x80\x02}(K\x01NK\x01Nu.", 10, "a key twice"},
		{"list for a key", "\x80\x02}(]Nu.", 6, "a dictionary's key"},
		{"global for a key", "\x80\x02}(cnumpy\ndtype\nNu.", 18, "a dictionary's key"},
		{"triple of one", "\x80\x02K\x01\x87.", 4, "not on the stack"},
		{"single of none", "\x80\x02\x85.", 2, "not on the stack"},
		{"tuple without a mark", "\x80\x02t.", 2, "takes a mark"},
		{"keep nothing", "\x80\x02q\x01.", 2, "not on the stack"},
		{"recall nothing", "\x80\x02h\x01.", 2, "recalls number 1"},

		{"call a string", "\x80\x02U\x01a)R.", 6, "a call of a string"},
		{"call a class", "\x80\x02cnumpy\nndarray\n)R.", 18, "a call of the global numpy ndarray"},
		{"call with a list", "\x80\x02cnumpy\ndtype\n]R.", 16, "arguments are a list"},
		{"call nothing", "\x80\x02)R.", 3, "not on the stack"},
		{"a large array", "\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nJ\xff\xff\xff\x7f\x85U\x01b\x87R.", -2, "_reconstruct of anything but"},
		{"another type", "\x80\x02cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R.", -2, "a type of numpy other than O8"},
		{"state of a list", "\x80\x02])b.", 4, "a state for a list"},
		{"state that is a dictionary", "\x80\x02]}b.", 4, "the state is a dictionary"},
		{"state of nothing", "\x80\x02)b.", 3, "not on the stack"},
		{"array without a state", "\x80\x02" + arrayHead + ".", -4, "an array without a state"},
		{"state of another shape", "\x80\x02" + arrayHead + "(K\x01K\x02\x85" + typeO8 + "\x89](NNetb.", -2, "the state of an array is not"},
		{"state without a type", "\x80\x02" + arrayHead + "(K\x01)N\x89]Natb.", -2, "has None for its type"},
		{"state with two values", "\x80\x02" + arrayHead + "(K\x01)" + typeO8 + "\x89](NNetb.", -2, "not one value"},
		{"state twice", "\x80\x02" + arrayHead + "(K\x01)" + typeO8 + "\x89]Natb(K\x01)" + "h\x04" + "\x89]Natb.", -2, "the state of an array is not"},
		{"another state of the type", "\x80\x02cnumpy\ndtype\nU\x02O8K\x00K\x01\x87R(K\x04tb.", -2, "the state of a type"},
		{"a type for data", "\x80\x02" + typeO8 + ".", -1, "a type of numpy is no data"},
		{"a global for data", "\x80\x02cnumpy\ndtype\n.", -1, "the global numpy dtype is no data"},

		{"too many marks", "\x80\x02" + strings.Repeat("(", maxDepth+1), 2 + maxDepth, "more than 16 marks"},
		{"too deep", "\x80\x02" + strings.Repeat("]", maxDepth+1) + strings.Repeat("a", maxDepth) + ".", 2 + maxDepth, "containers more than 16 deep"},
		{"too deep in tuples", "\x80\x02)" + strings.Repeat("\x85", maxDepth) + ".", 2, "containers more than 16 deep"},
		{"a list in itself", "\x80\x02]q\x01h\x01a.", 2, "containers more than 16 deep"},
		{"a dictionary in itself", "\x80\x02}q\x01(Nh\x01u.", 2, "containers more than 16 deep"},
		{"too deep through a shared part", "\x80\x02](" + strings.Repeat("]", 9) + strings.Repeat("a", 8) + "q\x01" +
			strings.Repeat("]", 8) + "h\x01" + strings.Repeat("a", 8) + "e.", 4, "containers more than 16 deep"},
		{"a billion laughs", laughs(), -1, "values through shared parts"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.at < 0 {
				c.at += len(c.text)
			}
			got, err := Decode([]byte(c.text), 100)
			if err == nil {
				t.Fatalf("got %v, want an error", simple(got))
			}
			if want := fmt.Sprintf("pickle: byte %d: ", 100+c.at); !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %q, want %q and %q", err, want, c.want)
			}
		})
	}
}

// laughs is ten lists of ten times the list before.
func laughs() string {
	var b strings.Builder
	b.WriteString("\x80\x02]q\x00")
	for i := range 10 {
		b.WriteString("](" + strings.Repeat("h"+string(rune(i)), 10) + "eq" + string(rune(i+1)))
	}
	// Only the last may be left.
	b.WriteString(".")
	return "\x80\x02](" + b.String()[2:len(b.String())-1] + "e."
}

// allowed is what a pickle of so many bytes may make its reader allocate.
func allowed(size int) uint64 { return 1<<16 + 192*uint64(size) }

// Pickles of the smallest parts that take the most memory.
func TestMemory(t *testing.T) {
	const n = 1 << 16
	for _, c := range []struct{ name, text string }{
		{"lists", "\x80\x02" + strings.Repeat("]", n) + "."},
		{"dictionaries", "\x80\x02" + strings.Repeat("}", n) + "."},
		{"tuples of one", "\x80\x02)" + strings.Repeat("\x85", n) + "."},
		{"numbers", "\x80\x02](" + strings.Repeat("M\xff\xff", n) + "e."},
		{"Nones", "\x80\x02](" + strings.Repeat("N", n) + "e."},
		{"strings", "\x80\x02](" + strings.Repeat("U\x00", n) + "e."},
		{"appends", "\x80\x02]" + strings.Repeat("Na", n) + "."},
		{"kept", "\x80\x02]" + strings.Repeat("q\x01", n) + "."},
		{"globals", "\x80\x02" + strings.Repeat("cnumpy\ndtype\n", n/8) + "."},
		{"items", "\x80\x02}(" + func() string {
			var b strings.Builder
			for i := range n {
				fmt.Fprintf(&b, "M%c%cN", byte(i%128), byte(i>>8%128))
			}
			return b.String()
		}() + "u."},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := measure.Allocated(func() { _, _ = Decode([]byte(c.text), 0) })
			if limit := allowed(len(c.text)); got > limit {
				t.Errorf("got %d bytes allocated for a pickle of %d, want at most %d", got, len(c.text), limit)
			}
		})
	}
}

// TestPublished reads a list as the published repository has one.
func TestPublished(t *testing.T) {
	data, err := os.ReadFile(golden.Data(t, "import_sample/adaptive_bitrate_streaming/data/traces/test/fcc-test/mahimahi_ptrs.pkl"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(data, 0)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]any{int64(28), int64(32)}, simple(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	golden.Cases(t, 1)
	for n := range data {
		if v, err := Decode(data[:n], 0); err == nil {
			t.Errorf("the first %d bytes: got %v", n, simple(v))
		}
	}
}

// FuzzPickle looks for pickles that panic, take long, or take more memory than they
// justify. Values that are read are of the kinds that the package promises.
func FuzzPickle(f *testing.F) {
	f.Add([]byte("\x80\x03]q\x00(K\x1cK e."))
	f.Add([]byte(object("}q\x06(K\x00}q\x07(U\x0afirst_waveq\x08}(K\x02](M\x13\x11K\x01eK\x05]K\x01auuK\x01}(h\x08}uu")))
	f.Add([]byte("\x80\x02}(NK\x01\x89](])et\x85U\x01au."))
	f.Add([]byte("\x80\x02]q\x01h\x01a."))
	f.Add([]byte("\x80\x02cos\nsystem\nU\x04true\x85R."))
	f.Add([]byte(laughs()))
	f.Fuzz(func(t *testing.T, data []byte) {
		var v any
		var err error
		if n := measure.Allocated(func() { v, err = Decode(data, 0) }); n > allowed(len(data)) {
			t.Errorf("got %d bytes allocated for a pickle of %d", n, len(data))
		}
		if err != nil {
			return
		}
		if n := count(t, v, 1); n > maxExpanded*len(data) {
			t.Errorf("got %d values in a pickle of %d bytes", n, len(data))
		}
	})
}

// count walks all of v and returns the number of values.
func count(t *testing.T, v any, depth int) int {
	n := 1
	each := func(items []any) {
		if depth > maxDepth {
			t.Fatalf("a container at depth %d", depth)
		}
		for _, item := range items {
			n += count(t, item, depth+1)
		}
	}
	switch v := v.(type) {
	case nil, bool, int64, string:
	case *List:
		each(v.Items)
	case *Tuple:
		each(v.Items)
	case *Array:
		each([]any{v.Value})
	case *Dict:
		each(v.Keys)
		each(v.Values)
		for i, key := range v.Keys {
			if got, ok := v.Get(key); !ok || got != v.Values[i] {
				t.Errorf("key %v: got %v, %v", key, got, ok)
			}
		}
	default:
		t.Fatalf("got a %T", v)
	}
	return n
}

// The diff command: what differs between two models.

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"netllm/tensor"
	"netllm/tensor/gguf"
	"netllm/tools/internal/cli"
)

// difference is what diff --json prints.
type difference struct {
	A         string       `json:"a"`
	B         string       `json:"b"`
	Same      bool         `json:"same"` // the tensors are
	Compared  int          `json:"compared"`
	Differing int          `json:"differing"`
	Largest   any          `json:"largest"` // difference of two elements
	Keys      []keyDiff    `json:"keys"`
	Tensors   []tensorDiff `json:"tensors"` // those that differ
}

// keyDiff is a key that one file lacks or that has another value there.
type keyDiff struct {
	Key string   `json:"key"`
	A   *keyInfo `json:"a,omitempty"`
	B   *keyInfo `json:"b,omitempty"`
}

// tensorDiff is a tensor that differs. The numbers are those of its elements in
// float32: how many differ by more than the tolerance, and the largest and the
// root mean square difference; null if they cannot be compared, "NaN" or "+Inf"
// if one is not finite and the other is something else.
type tensorDiff struct {
	Name    string `json:"name"`
	A       string `json:"a,omitempty"` // type and shape: "F16 [2 x 3]"
	B       string `json:"b,omitempty"`
	Count   int64  `json:"count,omitempty"`
	Largest any    `json:"largest,omitempty"`
	RMS     any    `json:"rms,omitempty"`
	What    string `json:"what"` // in one word or two
}

func newDiff() *cobra.Command {
	var flags cli.Flags
	var tolerance float64
	var threads int
	cmd := &cobra.Command{
		Use:   "diff A B",
		Short: "Show what differs between two models",
		Long: "Diff compares the values and tensors of two models by name and prints those that\n" +
			"differ, tensors with the largest and the root mean square difference of their\n" +
			"elements after dequantisation. NaN equals NaN. It fails if any tensor differs, is\n" +
			"missing, or has another type or shape. With --tolerance, types may differ, and so\n" +
			"may elements by that much.",
		Example: "  gguf diff a.gguf b.gguf\n" +
			"  gguf diff --tolerance 0.01 f32.gguf q8_0.gguf\n" +
			"  gguf diff --json difference.json hf-folder other-folder",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return fmt.Errorf("got %d arguments, want two files or folders", len(args))
			}
			return nil
		},
		RunE: cli.Action(func(cmd *cobra.Command, args []string) error {
			n, err := threadCount(threads)
			if err != nil {
				return err
			}
			if math.IsNaN(tolerance) || tolerance < 0 {
				return cli.Usagef("--tolerance %v: want 0 or more", tolerance)
			}
			if err := flags.CheckJSON(); err != nil {
				return err
			}
			a, err := openSource(args[0])
			if err != nil {
				return err
			}
			defer a.close()
			b, err := openSource(args[1])
			if err != nil {
				return err
			}
			defer b.close()
			c := comparison{a: a, b: b, tolerance: tolerance, types: !cmd.Flags().Changed("tolerance"), threads: n, stderr: cmd.ErrOrStderr()}
			d, err := c.run(cmd.Context())
			if err != nil {
				return err
			}
			if flags.JSON != "-" {
				if err := d.print(cmd.OutOrStdout()); err != nil {
					return err
				}
			}
			if err := flags.WriteJSON(cmd, d); err != nil {
				return err
			}
			if !d.Same {
				return fmt.Errorf("%d of %d tensors differ", d.Differing, d.Compared)
			}
			return nil
		}),
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().Float64Var(&tolerance, "tolerance", 0, "let elements differ by `X`, and types")
	cmd.Flags().IntVar(&threads, "threads", 0, "use `N` CPU threads (default all)")
	flags.AddJSON(cmd)
	return cmd
}

// comparison compares two models.
type comparison struct {
	a, b      *source
	tolerance float64
	types     bool // other types are a difference
	threads   int
	stderr    io.Writer
}

func (c *comparison) run(ctx context.Context) (*difference, error) {
	d := &difference{A: c.a.path, B: c.b.path, Keys: []keyDiff{}, Tensors: []tensorDiff{}}
	var err error
	if d.Keys, err = c.keys(); err != nil {
		return nil, err
	}
	// Pairs to be read; the others differ by what is known of them.
	type pair struct {
		ta, tb   tensorInfo
		da, db   []byte
		from, to int // chunks
	}
	var pairs []pair
	var chunks []chunk
	inB := c.b.named()
	found := map[string]*tensorDiff{}
	var order []string
	for _, ta := range c.a.tensors {
		order = append(order, ta.Name)
		tb, ok := inB[ta.Name]
		if !ok {
			found[ta.Name] = &tensorDiff{Name: ta.Name, A: ta.kind(), What: "only in A"}
			continue
		}
		delete(inB, ta.Name)
		if !slices.Equal(ta.Shape, tb.Shape) {
			found[ta.Name] = &tensorDiff{Name: ta.Name, A: ta.kind(), B: tb.kind(), What: "shape"}
			continue
		}
		p := pair{ta: ta, tb: tb, from: len(chunks)}
		if p.da, err = c.a.content(ta.Name); err != nil {
			return nil, err
		}
		if p.db, err = c.b.content(tb.Name); err != nil {
			return nil, err
		}
		if ta.dtype != tensor.Invalid && tb.dtype != tensor.Invalid {
			chunks = chunksOf(chunks, len(pairs), ta.elements())
		}
		p.to = len(chunks)
		pairs = append(pairs, p)
	}
	for _, tb := range c.b.tensors {
		if _, ok := inB[tb.Name]; ok {
			order = append(order, tb.Name)
			found[tb.Name] = &tensorDiff{Name: tb.Name, B: tb.kind(), What: "only in B"}
		}
	}
	sums := make([]sum, len(chunks))
	progress := newByteProgress(c.stderr, "diff", c.a.bytes())
	err = eachChunk(ctx, c.threads, len(chunks), func(i int, b *buffer) {
		p := &pairs[chunks[i].tensor]
		x, y := chunks[i].part(p.da, p.ta.dtype), chunks[i].part(p.db, p.tb.dtype)
		if p.ta.dtype != p.tb.dtype || !bytes.Equal(x, y) {
			sums[i] = difference64(b.numbers(0, p.ta.dtype, x), b.numbers(1, p.tb.dtype, y), c.tolerance)
		}
		c.a.discard(x)
		c.b.discard(y)
		progress.add(int64(len(x)))
	})
	progress.close()
	if err != nil {
		return nil, err
	}
	largest := 0.0
	for _, p := range pairs {
		all := sum{}
		for _, s := range sums[p.from:p.to] {
			all.add(s)
		}
		largest = larger(largest, all.largest)
		t := &tensorDiff{Name: p.ta.Name, A: p.ta.kind(), B: p.tb.kind()}
		switch {
		case p.ta.dtype == tensor.Invalid || p.tb.dtype == tensor.Invalid: // numbers nobody here can read
			if p.ta.Type == p.tb.Type && bytes.Equal(p.da, p.db) {
				continue
			}
			t.What = "bytes"
		case all.count > 0 || all.largest != 0 && c.tolerance == 0:
			t.What = "values"
		case c.types && p.ta.Type != p.tb.Type:
			t.What = "type"
		default:
			continue
		}
		if p.ta.dtype != tensor.Invalid && p.tb.dtype != tensor.Invalid {
			t.Count = all.count
			t.Largest = finite(all.largest)
			t.RMS = finite(math.Sqrt(all.squares / float64(max(p.ta.elements(), 1))))
		}
		found[t.Name] = t
	}
	for _, name := range order {
		if t := found[name]; t != nil {
			d.Tensors = append(d.Tensors, *t)
		}
	}
	d.Compared, d.Differing, d.Largest = len(order), len(d.Tensors), finite(largest)
	d.Same = d.Differing == 0
	return d, nil
}

// kind is a tensor's type and shape in words.
func (t tensorInfo) kind() string { return t.Type + " " + shapeText(t.Shape) }

// sum is what differs in a part of two tensors.
type sum struct {
	count            int64 // of elements that differ by more than the tolerance
	largest, squares float64
}

func (s *sum) add(o sum) {
	s.count += o.count
	s.squares += o.squares
	s.largest = larger(s.largest, o.largest)
}

// larger is the larger of two differences; NaN is the largest.
func larger(a, b float64) float64 {
	if math.IsNaN(a) || math.IsNaN(b) {
		return math.NaN()
	}
	return max(a, b)
}

// difference64 compares elements. Equal are those that compare equal, the same
// infinities, and all NaNs.
func difference64(a, b []float64, tolerance float64) (s sum) {
	for i, x := range a {
		y := b[i]
		if x == y || x != x && y != y {
			continue
		}
		d := math.Abs(x - y)
		if !(d <= tolerance) {
			s.count++
		}
		s.largest = larger(s.largest, d)
		s.squares += d * d
	}
	return s
}

// finite returns x as JSON has it.
func finite(x float64) any {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return fmt.Sprint(x)
	}
	return x
}

// keys compares the values.
func (c *comparison) keys() ([]keyDiff, error) {
	list := []keyDiff{}
	has := map[*source]map[string]bool{c.a: {}, c.b: {}}
	for s, keys := range has {
		for _, key := range s.keys {
			keys[key] = true
		}
	}
	get := func(s *source, key string) (any, *keyInfo, error) {
		if !has[s][key] {
			return nil, nil, nil
		}
		v, err := s.value(key)
		if err != nil {
			return nil, nil, err
		}
		info := keyInfoOf(gguf.KeyValue{Key: key, Value: v}, false)
		return v, &info, nil
	}
	keys := slices.Clone(c.a.keys)
	for _, key := range c.b.keys {
		if !has[c.a][key] {
			keys = append(keys, key)
		}
	}
	for _, key := range keys {
		va, a, errA := get(c.a, key)
		vb, b, errB := get(c.b, key)
		if err := errors.Join(errA, errB); err != nil {
			return nil, err
		}
		if a != nil && b != nil && equalValues(va, vb) {
			continue
		}
		list = append(list, keyDiff{Key: key, A: a, B: b})
	}
	return list, nil
}

// equalValues compares two values of the same type; NaN equals NaN.
func equalValues(a, b any) bool {
	same := func(x, y float64) bool { return x == y || x != x && y != y }
	switch x := a.(type) {
	case float32:
		y, ok := b.(float32)
		return ok && same(float64(x), float64(y))
	case float64:
		y, ok := b.(float64)
		return ok && same(x, y)
	case []float32:
		y, ok := b.([]float32)
		return ok && slices.EqualFunc(x, y, func(x, y float32) bool { return same(float64(x), float64(y)) })
	case []float64:
		y, ok := b.([]float64)
		return ok && slices.EqualFunc(x, y, same)
	}
	return reflect.DeepEqual(a, b)
}

// print writes what people read.
func (d *difference) print(w io.Writer) error {
	if len(d.Keys) > 0 {
		t := &cli.Table{Columns: []string{"key", "A", "B"}, Text: 3}
		text := func(k *keyInfo) string {
			if k == nil {
				return "-"
			}
			return k.Type + " " + k.text()
		}
		for _, k := range d.Keys {
			t.Add(k.Key, text(k.A), text(k.B))
		}
		if err := t.Print(w); err != nil {
			return err
		}
		fmt.Fprintln(w)
	}
	if len(d.Tensors) > 0 {
		t := &cli.Table{Columns: []string{"tensor", "A", "B", "differs", "elements", "largest", "rms"}, Text: 4}
		number := func(v any) string {
			switch x := v.(type) {
			case float64:
				return fmt.Sprintf("%.4g", x)
			case string:
				return x
			}
			return "-"
		}
		for _, x := range d.Tensors {
			a, b := x.A, x.B
			if a == "" {
				a = "-"
			}
			if b == "" {
				b = "-"
			}
			t.Add(x.Name, a, b, x.What, strconv.FormatInt(x.Count, 10), number(x.Largest), number(x.RMS))
		}
		if err := t.Print(w); err != nil {
			return err
		}
		fmt.Fprintln(w)
	}
	word := "none differs"
	if d.Differing > 0 {
		word = fmt.Sprintf("%d differ", d.Differing)
	}
	_, err := fmt.Fprintf(w, "%d tensors compared, %s, largest difference %v; %d values differ\n", d.Compared, word, d.Largest, len(d.Keys))
	return err
}

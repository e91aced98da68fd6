// The inspect command: what is in a model file.

package main

import (
	"fmt"
	"io"
	"math"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"netllm/tensor/gguf"
	"netllm/tools/internal/cli"
)

// shownElements is how many elements of a long array are shown without --all.
const shownElements = 8

// contents is what inspect --json prints.
type contents struct {
	File          string       `json:"file"`
	Format        string       `json:"format"`
	Files         []string     `json:"files"`
	Keys          []keyInfo    `json:"keys,omitempty"`
	Tensors       []tensorInfo `json:"tensors,omitempty"`
	Types         []typeTotal  `json:"types,omitempty"`
	Parameters    int64        `json:"parameters"`
	Bytes         int64        `json:"bytes"` // of the tensors
	BitsPerWeight float64      `json:"bits_per_weight"`

	tensors int // that the sums are of
}

// keyInfo is a value and its type: "u32", "str", or "f32[]" for an array, which
// is shortened unless all of it is wanted; Count is its true length.
type keyInfo struct {
	Key   string `json:"key"`
	Type  string `json:"type"`
	Count int    `json:"count,omitempty"`
	Value any    `json:"value"`
}

// typeTotal sums up the tensors of one type.
type typeTotal struct {
	Type          string  `json:"type"`
	Tensors       int     `json:"tensors"`
	Parameters    int64   `json:"parameters"`
	Bytes         int64   `json:"bytes"`
	BitsPerWeight float64 `json:"bits_per_weight"`
}

func newInspect() *cobra.Command {
	var flags cli.Flags
	var markdown, all bool
	var keys, tensors string
	cmd := &cobra.Command{
		Use:   "inspect FILE|DIR",
		Short: "Show what is in a model file",
		Long: "Inspect shows the values and tensors of a GGUF file (of a split model: any of its\n" +
			"files), a safetensors file, or a folder of those, and what they come to by type.\n" +
			"Tensors are not read, so that a file of any size takes no time.\n\n" +
			"Patterns are as in file names (*, ?, [a-z]). With one of --keys and --tensors\n" +
			"alone, only these are shown.",
		Example: "  gguf inspect model.gguf\n" +
			"  gguf inspect --keys 'llama.*' model.gguf\n" +
			"  gguf inspect --tensors 'blk.0.*' --markdown model.gguf\n" +
			"  gguf inspect --json contents.json hf-folder",
		Args: oneFile,
		RunE: cli.Action(func(cmd *cobra.Command, args []string) error {
			for _, p := range []string{keys, tensors} {
				if _, err := path.Match(p, ""); err != nil {
					return cli.Usagef("pattern %q: %w", p, err)
				}
			}
			if err := flags.CheckJSON(); err != nil {
				return err
			}
			s, err := openSource(args[0])
			if err != nil {
				return err
			}
			defer s.close()
			c, err := inspect(s, keys, tensors, all)
			if err != nil {
				return err
			}
			if flags.JSON != "-" {
				if err := c.print(cmd.OutOrStdout(), markdown); err != nil {
					return err
				}
			}
			return flags.WriteJSON(cmd, c)
		}),
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&keys, "keys", "", "show values whose key matches `PATTERN`")
	cmd.Flags().StringVar(&tensors, "tensors", "", "show tensors whose name matches `PATTERN`")
	cmd.Flags().BoolVar(&all, "all", false, "show all elements of arrays and all of long texts")
	cmd.Flags().BoolVar(&markdown, "markdown", false, "print tables in Markdown")
	flags.AddJSON(cmd)
	return cmd
}

// oneFile wants a single argument.
func oneFile(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("got %d arguments, want one file or folder", len(args))
	}
	return nil
}

// inspect collects what matches the patterns; an empty one beside another
// matches nothing, two empty ones everything. The sums are those of the tensors
// shown, or of all if none are to be.
func inspect(s *source, keys, tensors string, all bool) (*contents, error) {
	if keys == "" && tensors == "" {
		keys, tensors = "*", "*"
	}
	matches := func(pattern, name string) bool {
		// A slash is like any other letter in a name.
		ok, _ := path.Match(strings.ReplaceAll(pattern, "/", "\x00"), strings.ReplaceAll(name, "/", "\x00"))
		return ok
	}
	c := &contents{File: s.path, Format: s.format, Files: s.files}
	if keys != "" {
		for _, key := range s.keys {
			if !matches(keys, key) {
				continue
			}
			v, err := s.value(key)
			if err != nil {
				return nil, err
			}
			c.Keys = append(c.Keys, keyInfoOf(gguf.KeyValue{Key: key, Value: v}, all))
		}
	}
	types := map[string]*typeTotal{}
	for _, t := range s.tensors {
		if tensors != "" && !matches(tensors, t.Name) {
			continue
		}
		if tensors != "" {
			c.Tensors = append(c.Tensors, t)
		}
		total := types[t.Type]
		if total == nil {
			total = &typeTotal{Type: t.Type}
			types[t.Type] = total
		}
		total.Tensors++
		total.Parameters += t.elements()
		total.Bytes += max(t.Bytes, 0)
		c.tensors++
		c.Parameters += t.elements()
		c.Bytes += max(t.Bytes, 0)
	}
	for _, total := range types {
		total.BitsPerWeight = bitsPerWeight(total.Bytes, total.Parameters)
		c.Types = append(c.Types, *total)
	}
	slices.SortFunc(c.Types, func(a, b typeTotal) int {
		if a.Bytes != b.Bytes {
			return int(max(-1, min(1, b.Bytes-a.Bytes)))
		}
		return strings.Compare(a.Type, b.Type)
	})
	c.BitsPerWeight = bitsPerWeight(c.Bytes, c.Parameters)
	return c, nil
}

func bitsPerWeight(size, parameters int64) float64 {
	if parameters == 0 {
		return 0
	}
	return math.Round(float64(size)*8/float64(parameters)*1e4) / 1e4
}

// typeNames are short names of the types of values, as set takes them.
var typeNames = map[reflect.Kind]string{
	reflect.Uint8: "u8", reflect.Int8: "i8", reflect.Uint16: "u16", reflect.Int16: "i16", reflect.Uint32: "u32", reflect.Int32: "i32",
	reflect.Uint64: "u64", reflect.Int64: "i64", reflect.Float32: "f32", reflect.Float64: "f64", reflect.Bool: "bool", reflect.String: "str",
}

// typeName names the type of a value.
func typeName(v any) string {
	t := reflect.TypeOf(v)
	if t.Kind() == reflect.Slice {
		return typeNames[t.Elem().Kind()] + "[]"
	}
	return typeNames[t.Kind()]
}

// keyInfoOf describes a value, shortened unless all of it is wanted.
func keyInfoOf(kv gguf.KeyValue, all bool) keyInfo {
	info := keyInfo{Key: kv.Key, Type: typeName(kv.Value)}
	v := reflect.ValueOf(kv.Value)
	if v.Kind() != reflect.Slice {
		info.Value = printable(v, all)
		return info
	}
	info.Count = v.Len()
	shown := v.Len()
	if !all {
		shown = min(shown, shownElements)
	}
	list := make([]any, shown)
	for i := range list {
		list[i] = printable(v.Index(i), all)
	}
	info.Value = list
	return info
}

// printable returns a value that JSON has: floats that are not finite are text.
func printable(v reflect.Value, all bool) any {
	const longText = 200
	switch v.Kind() {
	case reflect.Float32, reflect.Float64:
		if x := v.Float(); math.IsNaN(x) || math.IsInf(x, 0) {
			return fmt.Sprint(x)
		}
	case reflect.String:
		if s := v.String(); !all && len(s) > longText {
			return strings.ToValidUTF8(s[:longText], "") + "..."
		}
	}
	return v.Interface()
}

// text is a value in one line: texts are quoted where they hold anything
// unusual.
func (k keyInfo) text() string {
	list, ok := k.Value.([]any)
	if !ok {
		return valueText(k.Value)
	}
	words := make([]string, len(list))
	for i, v := range list {
		words[i] = valueText(v)
		if s, ok := v.(string); ok {
			words[i] = strconv.Quote(s)
		}
	}
	text := "[" + strings.Join(words, ", ")
	if k.Count > len(list) {
		text += fmt.Sprintf(", ... %d in all", k.Count)
	}
	return text + "]"
}

func valueText(v any) string {
	s, ok := v.(string)
	if !ok {
		return fmt.Sprint(v)
	}
	if q := strconv.Quote(s); s == "" || q != `"`+s+`"` {
		return q
	}
	return s
}

// print writes what people read.
func (c *contents) print(w io.Writer, markdown bool) error {
	title, show := "%s: %s", (*cli.Table).Print
	if markdown {
		title, show = "# %s\n\n%s", printMarkdown
	}
	fmt.Fprintf(w, title, c.File, c.Format)
	if len(c.Files) > 1 {
		fmt.Fprintf(w, " in %d files", len(c.Files))
	}
	if c.tensors > 0 {
		fmt.Fprintf(w, ", %d tensors, %s parameters, %s, %.2f bits per weight", c.tensors, grouped(c.Parameters), sizeText(c.Bytes), c.BitsPerWeight)
	}
	fmt.Fprintln(w)
	var tables []*cli.Table
	if len(c.Keys) > 0 {
		t := &cli.Table{Columns: []string{"key", "type", "value"}, Text: 3}
		for _, k := range c.Keys {
			t.Add(k.Key, k.Type, k.text())
		}
		tables = append(tables, t)
	}
	if len(c.Tensors) > 0 {
		t := &cli.Table{Columns: []string{"tensor", "type", "shape", "bytes", "offset"}, Text: 3}
		if len(c.Files) > 1 {
			t.Columns, t.Text = []string{"tensor", "type", "shape", "file", "bytes", "offset"}, 4
		}
		for _, x := range c.Tensors {
			size := strconv.FormatInt(x.Bytes, 10)
			if x.Bytes < 0 {
				size = "?"
			}
			row := []string{x.Name, x.Type, shapeText(x.Shape)}
			if len(c.Files) > 1 {
				row = append(row, path.Base(strings.ReplaceAll(x.File, `\`, "/")))
			}
			t.Add(append(row, size, strconv.FormatInt(x.Offset, 10))...)
		}
		types := &cli.Table{Columns: []string{"type", "tensors", "parameters", "bytes", "bits per weight"}, Text: 1}
		for _, x := range c.Types {
			types.Add(x.Type, strconv.Itoa(x.Tensors), strconv.FormatInt(x.Parameters, 10), strconv.FormatInt(x.Bytes, 10), fmt.Sprintf("%.2f", x.BitsPerWeight))
		}
		tables = append(tables, t, types)
	}
	for _, t := range tables {
		fmt.Fprintln(w)
		if err := show(t, w); err != nil {
			return err
		}
	}
	return nil
}

// printMarkdown writes a table as Markdown.
func printMarkdown(t *cli.Table, w io.Writer) error {
	var b strings.Builder
	line := func(cells []string) {
		for _, c := range cells {
			c = strings.ReplaceAll(strings.ReplaceAll(c, `\`, `\\`), "|", `\|`)
			b.WriteString("| " + c + " ")
		}
		b.WriteString("|\n")
	}
	line(t.Columns)
	for i := range t.Columns {
		if i < t.Text {
			b.WriteString("|---")
		} else {
			b.WriteString("|--:")
		}
	}
	b.WriteString("|\n")
	for _, row := range t.Rows {
		line(row)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// grouped is n with its digits in groups of three.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// sizeText is a number of bytes in the largest unit of a thousand that fits.
func sizeText(n int64) string {
	units := []string{"bytes", "kB", "MB", "GB", "TB"}
	x, i := float64(n), 0
	for x >= 999.5 && i < len(units)-1 {
		x, i = x/1000, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.3g %s", x, units[i])
}

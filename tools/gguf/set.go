// The set command: change what a GGUF file says of itself.

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"netllm/tensor/gguf"
	"netllm/tools/internal/cli"
)

func newSet() *cobra.Command {
	var flags cli.Flags
	var out string
	var deleted []string
	cmd := &cobra.Command{
		Use:   "set KEY=VALUE... FILE",
		Short: "Change what a GGUF file says of itself",
		Long: "Set changes values of a GGUF file, or of one file of a split model; its tensors stay\n" +
			"as they are, byte for byte. A value keeps its type. A new one needs it: KEY:TYPE=VALUE\n" +
			"with u8 i8 u16 i16 u32 i32 u64 i64 f32 f64 bool str, or an array such as\n" +
			"KEY:f32[]=1,2.5 or KEY:str[]='[\"a\",\"b\"]' (elements between commas, or JSON). New\n" +
			"values come last. general.architecture and the keys of a split model, which say how\n" +
			"the tensors are to be read, are not changed.\n\n" +
			"Without --out the file itself is replaced, which needs --force.",
		Example: "  gguf set --force general.name='My model' model.gguf\n" +
			"  gguf set --out new.gguf tokenizer.ggml.eos_token_id=2 general.version:str=1.1 model.gguf\n" +
			"  gguf set --out new.gguf --delete tokenizer.chat_template model.gguf",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("got no arguments, want KEY=VALUE... FILE")
			}
			return nil
		},
		RunE: cli.Action(func(cmd *cobra.Command, args []string) error {
			assignments, path := args[:len(args)-1], args[len(args)-1]
			if len(assignments)+len(deleted) == 0 {
				return cli.Usagef("nothing to change: KEY=VALUE or --delete KEY is needed")
			}
			target := out
			if target == "" {
				target = path
				if !flags.Force {
					return cli.Usagef("%s would be replaced: --force does that, --out FILE writes another", path)
				}
			} else if err := cli.CheckNew(target, flags.Force); err != nil {
				return err
			}
			f, err := gguf.OpenShard(path)
			if err != nil {
				return err
			}
			defer f.Close()
			values, err := f.KeyValues()
			if err != nil {
				return err
			}
			if values, err = changed(values, assignments, deleted); err != nil {
				return cli.Usage(fmt.Errorf("%s: %w", path, err))
			}
			c, err := gguf.NewCopy(f.Version(), values, sourcesOf(f))
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			c.Unpadded = f.Unpadded()
			p := newByteProgress(cmd.ErrOrStderr(), "set", c.Size())
			defer p.close()
			return cli.WriteFile(target, flags.Force, func(w io.Writer) error {
				if err := encode(cmd.Context(), c, w, p); err != nil {
					return err
				}
				return f.Close() // not every system replaces a file that is mapped
			})
		}),
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&out, "out", "", "write to `FILE` (default the file itself)")
	cmd.Flags().StringArrayVar(&deleted, "delete", nil, "leave the value `KEY` out; may be repeated")
	flags.AddForce(cmd)
	return cmd
}

// sourcesOf returns all tensors of f, to be copied.
func sourcesOf(f *gguf.File) []gguf.Source {
	var list []gguf.Source
	for _, name := range f.Names() {
		list = append(list, gguf.Source{File: f, Name: name})
	}
	return list
}

// changed returns the values after assignments and deletions.
func changed(values []gguf.KeyValue, assignments, deleted []string) ([]gguf.KeyValue, error) {
	at := map[string]int{}
	for i, kv := range values {
		at[kv.Key] = i
	}
	values = slices.Clone(values)
	touched := map[string]bool{}
	touch := func(key string) error {
		if key == "general.architecture" || strings.HasPrefix(key, "split.") {
			return fmt.Errorf("key %q says how the tensors are to be read, it is not changed", key)
		}
		if touched[key] {
			return fmt.Errorf("key %q is given twice", key)
		}
		touched[key] = true
		return nil
	}
	for _, text := range assignments {
		left, right, ok := strings.Cut(text, "=")
		if !ok {
			return nil, fmt.Errorf("%q: want KEY=VALUE", text)
		}
		key, typ := left, ""
		i, exists := at[key]
		if colon := strings.LastIndexByte(left, ':'); !exists && colon >= 0 {
			key, typ = left[:colon], left[colon+1:]
			i, exists = at[key]
		}
		if err := touch(key); err != nil {
			return nil, err
		}
		var t reflect.Type
		switch {
		case typ != "":
			if t = valueTypeOf(typ); t == nil {
				return nil, fmt.Errorf("key %q: unknown type %q", key, typ)
			}
		case exists:
			t = reflect.TypeOf(values[i].Value)
		default:
			return nil, fmt.Errorf("no key %q: a new one needs a type, %s:str=%s for example", key, key, right)
		}
		v, err := parseValue(t, right)
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", key, err)
		}
		if exists {
			values[i].Value = v
		} else {
			values = append(values, gguf.KeyValue{Key: key, Value: v})
		}
	}
	for _, key := range deleted {
		if _, ok := at[key]; !ok {
			return nil, fmt.Errorf("no key %q", key)
		}
		if err := touch(key); err != nil {
			return nil, err
		}
		values = slices.DeleteFunc(values, func(kv gguf.KeyValue) bool { return kv.Key == key })
	}
	return values, nil
}

// valueTypes are the types by their short names.
var valueTypes = map[string]reflect.Type{
	"u8": reflect.TypeFor[uint8](), "i8": reflect.TypeFor[int8](), "u16": reflect.TypeFor[uint16](), "i16": reflect.TypeFor[int16](),
	"u32": reflect.TypeFor[uint32](), "i32": reflect.TypeFor[int32](), "u64": reflect.TypeFor[uint64](), "i64": reflect.TypeFor[int64](),
	"f32": reflect.TypeFor[float32](), "f64": reflect.TypeFor[float64](), "bool": reflect.TypeFor[bool](), "str": reflect.TypeFor[string](),
}

// valueTypeOf returns the type of a name such as "u32" or "f32[]", or nil.
func valueTypeOf(name string) reflect.Type {
	element, array := strings.CutSuffix(name, "[]")
	t := valueTypes[element]
	if array && t != nil {
		return reflect.SliceOf(t)
	}
	return t
}

// parseValue reads a value of type t.
func parseValue(t reflect.Type, text string) (any, error) {
	if t.Kind() != reflect.Slice {
		v := reflect.New(t).Elem()
		return scalar(v, text)
	}
	var words []string
	switch {
	case strings.HasPrefix(text, "["):
		var parts []json.RawMessage
		if err := json.Unmarshal([]byte(text), &parts); err != nil {
			return nil, fmt.Errorf("%.60q: %w", text, err)
		}
		for _, part := range parts {
			word := string(part)
			if word[0] == '"' {
				if err := json.Unmarshal(part, &word); err != nil {
					return nil, err
				}
			} else if t.Elem().Kind() == reflect.String {
				return nil, fmt.Errorf("%s is not a text", word)
			}
			words = append(words, word)
		}
	case text != "":
		words = strings.Split(text, ",")
	}
	list := reflect.MakeSlice(t, len(words), len(words))
	for i, word := range words {
		if _, err := scalar(list.Index(i), word); err != nil {
			return nil, err
		}
	}
	return list.Interface(), nil
}

// scalar sets v to what text says.
func scalar(v reflect.Value, text string) (any, error) {
	bits := 0
	if v.Kind() != reflect.String && v.Kind() != reflect.Bool {
		bits = v.Type().Bits()
		text = strings.TrimSpace(text)
	}
	var err error
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		switch text {
		case "true", "1":
			v.SetBool(true)
		case "false", "0":
			v.SetBool(false)
		default:
			err = fmt.Errorf("%.60q is not true or false", text)
		}
	case reflect.Float32, reflect.Float64:
		var x float64
		x, err = strconv.ParseFloat(text, bits)
		v.SetFloat(x)
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		var n int64
		n, err = strconv.ParseInt(text, 10, bits)
		v.SetInt(n)
	default:
		var n uint64
		n, err = strconv.ParseUint(text, 10, bits)
		v.SetUint(n)
	}
	if e := (*strconv.NumError)(nil); errors.As(err, &e) {
		err = fmt.Errorf("%.60q is not a value of type %s: %w", text, typeNames[v.Kind()], e.Err)
	}
	return v.Interface(), err
}

// The split and merge commands: one GGUF file to several, and back. Source:
// gguf-split of llama.cpp, whose names, keys and flags these are.

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"netllm/internal/atomicfile"
	"netllm/tensor/gguf"
	"netllm/tools/internal/cli"
)

// splitKeys are what the files of a split model say of that, beside their own
// number.
var splitKeys = []string{"split.no", "split.count", "split.tensors.count"}

// maxFiles is the largest number of files that the key split.count has room for.
const maxFiles = math.MaxUint16

func newSplit() *cobra.Command {
	var flags cli.Flags
	var maxSize string
	var maxTensors int
	var bare, dryRun bool
	cmd := &cobra.Command{
		Use:   "split FILE PREFIX",
		Short: "Split a GGUF file into several",
		Long: "Split writes the model as PREFIX-00001-of-00003.gguf and so on, as llama.cpp's\n" +
			"gguf-split does. The first file has the model's values; any of them opens the whole\n" +
			"model. merge gives the file back byte for byte. Nothing is there until all files are\n" +
			"written; the first gets its name last.",
		Example: "  gguf split --split-max-size 2G model.gguf model\n" +
			"  gguf split --split-max-tensors 100 --no-tensor-first-split model.gguf parts/model",
		Args: twoNames("FILE PREFIX"),
		RunE: cli.Action(func(cmd *cobra.Command, args []string) error {
			limit, err := splitLimit(cmd, maxSize, maxTensors)
			if err != nil {
				return err
			}
			f, err := gguf.Open(args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			if len(f.Files()) > 1 {
				return fmt.Errorf("%s: is split already, into %d files; merge them first", args[0], len(f.Files()))
			}
			groups := limit.groups(f.Tensors(), int64(f.Alignment()), bare)
			if len(groups) > maxFiles {
				return fmt.Errorf("%s: would be %d files, at most %d", args[0], len(groups), maxFiles)
			}
			copies, err := shardsOf(f, groups)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			paths := make([]string, len(copies))
			total := int64(0)
			for i, c := range copies {
				paths[i] = gguf.ShardPath(args[1], i, len(copies))
				total += c.Size()
			}
			if !dryRun {
				if err := cli.MakeFolder(args[1]); err != nil {
					return err
				}
				p := newByteProgress(cmd.ErrOrStderr(), "split", total)
				err := atomicfile.WriteSet(paths, flags.Force, func(i int, w io.Writer) error {
					return encode(cmd.Context(), copies[i], w, p)
				})
				p.close()
				if err != nil {
					return forceHint(err)
				}
			}
			for i, c := range copies {
				fmt.Fprintf(cmd.OutOrStdout(), "%s: %d tensors, %s\n", paths[i], len(groups[i]), sizeText(c.Size()))
			}
			return nil
		}),
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&maxSize, "split-max-size", "", "at most `SIZE` of tensors in a file: 500M, 2G (a larger tensor gets a file of its own)")
	cmd.Flags().IntVar(&maxTensors, "split-max-tensors", 128, "at most `N` tensors in a file")
	cmd.Flags().BoolVar(&bare, "no-tensor-first-split", false, "put no tensors into the first file")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only print what the files would be")
	flags.AddForce(cmd)
	return cmd
}

// twoNames wants two arguments.
func twoNames(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 2 {
			return fmt.Errorf("got %d arguments, want %s", len(args), what)
		}
		return nil
	}
}

// limit is the most that a file is to have: bytes of tensors, or tensors.
type limit struct {
	bytes   int64 // 0: does not count
	tensors int
}

// splitLimit reads the flags, of which one may be given.
func splitLimit(cmd *cobra.Command, maxSize string, maxTensors int) (limit, error) {
	if maxSize == "" {
		if maxTensors < 1 {
			return limit{}, cli.Usagef("--split-max-tensors %d: want 1 or more", maxTensors)
		}
		return limit{tensors: maxTensors}, nil
	}
	if cmd.Flags().Changed("split-max-tensors") {
		return limit{}, cli.Usagef("--split-max-size and --split-max-tensors exclude one another")
	}
	unit, digits := int64(1), maxSize
	for suffix, n := range map[string]int64{"K": 1e3, "M": 1e6, "G": 1e9} { // of a thousand, as in llama.cpp
		if d, ok := strings.CutSuffix(maxSize, suffix); ok {
			digits, unit = d, n
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 1 || n > math.MaxInt64/unit {
		return limit{}, cli.Usagef("--split-max-size %q: want a number of bytes with K, M or G, such as 2G", maxSize)
	}
	return limit{bytes: n * unit}, nil
}

// groups distributes the tensors over files, in their order. The first group is
// empty if bare is set.
func (l limit) groups(tensors []gguf.Info, alignment int64, bare bool) [][]string {
	groups := [][]string{nil}
	if bare {
		groups = append(groups, nil)
	}
	used := int64(0)
	for _, t := range tensors {
		last := len(groups) - 1
		n := (max(t.Bytes, 0) + alignment - 1) &^ (alignment - 1)
		full := len(groups[last]) == l.tensors
		if l.bytes > 0 {
			full = len(groups[last]) > 0 && n > l.bytes-used
		}
		if full {
			groups = append(groups, nil)
			last, used = last+1, 0
		}
		groups[last] = append(groups[last], t.Name)
		used += n
	}
	if last := len(groups) - 1; last > 0 && len(groups[last]) == 0 { // bare, and no tensors
		groups = groups[:last]
	}
	return groups
}

// shardsOf returns the files of f.
func shardsOf(f *gguf.File, groups [][]string) ([]*gguf.Copy, error) {
	values, err := withoutSplitKeys(f)
	if err != nil {
		return nil, err
	}
	var copies []*gguf.Copy
	for i, names := range groups {
		var own []gguf.KeyValue
		if i == 0 {
			own = values
		} else if j := slices.IndexFunc(values, func(kv gguf.KeyValue) bool { return kv.Key == "general.alignment" }); j >= 0 {
			own = values[j : j+1] // the tensors here want it too
		}
		own = append(slices.Clip(own),
			gguf.KeyValue{Key: "split.no", Value: uint16(i)},
			gguf.KeyValue{Key: "split.count", Value: uint16(len(groups))},
			gguf.KeyValue{Key: "split.tensors.count", Value: int32(len(f.Names()))})
		var sources []gguf.Source
		for _, name := range names {
			sources = append(sources, gguf.Source{File: f, Name: name})
		}
		c, err := gguf.NewCopy(f.Version(), own, sources)
		if err != nil {
			return nil, err
		}
		copies = append(copies, c)
	}
	copies[len(copies)-1].Unpadded = f.Unpadded()
	return copies, nil
}

// withoutSplitKeys returns the values that a model has when it is one file.
func withoutSplitKeys(f *gguf.File) ([]gguf.KeyValue, error) {
	values, err := f.KeyValues()
	return slices.DeleteFunc(values, func(kv gguf.KeyValue) bool { return slices.Contains(splitKeys, kv.Key) }), err
}

// forceHint adds to an error that a file exists what can be done about it.
func forceHint(err error) error {
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w (--force replaces it)", err)
	}
	return err
}

func newMerge() *cobra.Command {
	var flags cli.Flags
	cmd := &cobra.Command{
		Use:   "merge FIRST OUT",
		Short: "Merge the files of a split model into one",
		Long: "Merge writes the GGUF file OUT of a split model, of which FIRST is the first file, as\n" +
			"it was before split. The files must belong together, and all must be there.",
		Example: "  gguf merge model-00001-of-00003.gguf model.gguf",
		Args:    twoNames("FIRST OUT"),
		RunE: cli.Action(func(cmd *cobra.Command, args []string) error {
			if err := cli.CheckNew(args[1], flags.Force); err != nil {
				return err
			}
			f, err := gguf.Open(args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			files := f.Files()
			if !f.Has("split.count") {
				return fmt.Errorf("%s: not a file of a split model", args[0])
			}
			if files[0] != args[0] {
				return fmt.Errorf("%s: the first file is wanted, %s", args[0], filepath.Base(files[0]))
			}
			values, err := withoutSplitKeys(f)
			if err != nil {
				return err
			}
			c, err := gguf.NewCopy(f.Version(), values, sourcesOf(f))
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			c.Unpadded = f.Unpadded()
			p := newByteProgress(cmd.ErrOrStderr(), "merge", c.Size())
			err = cli.WriteFile(args[1], flags.Force, func(w io.Writer) error {
				if err := encode(cmd.Context(), c, w, p); err != nil {
					return err
				}
				return f.Close() // not every system replaces a file that is mapped
			})
			p.close()
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %d files, %d tensors, %s\n", args[1], len(files), len(f.Names()), sizeText(c.Size()))
			return nil
		}),
	}
	flags.AddForce(cmd)
	return cmd
}

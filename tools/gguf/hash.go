// The hash command: SHA-256 of a model file and of its tensors.

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"netllm/tools/internal/cli"
)

// hashes is what hash --json prints.
type hashes struct {
	File    string       `json:"file"`
	Files   []fileHash   `json:"files"`
	Tensors string       `json:"tensors"` // of all, whatever their order
	Each    []tensorHash `json:"each,omitempty"`
}

type fileHash struct {
	File   string `json:"file"`
	SHA256 string `json:"sha256"`
}

type tensorHash struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
}

func newHash() *cobra.Command {
	var flags cli.Flags
	var each bool
	var threads int
	cmd := &cobra.Command{
		Use:   "hash FILE|DIR",
		Short: "Print the SHA-256 of a model file and of its tensors",
		Long: "Hash prints the SHA-256 of each file of a model, as sha256sum does (\"file\"), and one\n" +
			"of all its tensors (\"tensors\"), which does not depend on their order, on the values\n" +
			"beside them, or on how they are split into files: that of the lines\n" +
			"\"SHA256  NAME TYPE SHAPE\" of all tensors, sorted by name. With --tensors it prints\n" +
			"that of every tensor's bytes too, with the names of llama.cpp's gguf-hash.",
		Example: "  gguf hash model.gguf\n" +
			"  gguf hash --tensors model.gguf\n" +
			"  gguf hash --json hashes.json hf-folder",
		Args: oneFile,
		RunE: cli.Action(func(cmd *cobra.Command, args []string) error {
			n, err := threadCount(threads)
			if err != nil {
				return err
			}
			if err := flags.CheckJSON(); err != nil {
				return err
			}
			s, err := openSource(args[0])
			if err != nil {
				return err
			}
			defer s.close()
			h, err := hashAll(cmd.Context(), s, n, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if !each {
				h.Each = nil
			}
			if flags.JSON != "-" {
				h.print(cmd.OutOrStdout())
			}
			return flags.WriteJSON(cmd, h)
		}),
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().BoolVar(&each, "tensors", false, "print the SHA-256 of every tensor")
	cmd.Flags().IntVar(&threads, "threads", 0, "use `N` CPU threads (default all)")
	flags.AddJSON(cmd)
	return cmd
}

// print writes one line for each hash: what it is of, the hash, the name.
func (h *hashes) print(w io.Writer) {
	for _, t := range h.Each {
		fmt.Fprintf(w, "%-8s  %s  %s:%s\n", "sha256", t.SHA256, filepath.Base(h.File), t.Name)
	}
	fmt.Fprintf(w, "%-8s  %s  %s\n", "tensors", h.Tensors, filepath.Base(h.File))
	for _, f := range h.Files {
		fmt.Fprintf(w, "%-8s  %s  %s\n", "file", f.SHA256, filepath.Base(f.File))
	}
}

// hashAll hashes all files and all tensors of a model.
func hashAll(ctx context.Context, s *source, threads int, stderr io.Writer) (*hashes, error) {
	h := &hashes{File: s.path, Files: make([]fileHash, len(s.files)), Each: make([]tensorHash, len(s.tensors))}
	contents := make([][]byte, len(s.tensors))
	for i, t := range s.tensors {
		var err error
		if contents[i], err = s.content(t.Name); err != nil {
			return nil, err
		}
	}
	p := newByteProgress(stderr, "hash", s.bytes())
	// The files come first: they are the longest works.
	errs := make([]error, len(s.files)+len(s.tensors))
	err := eachChunk(ctx, threads, len(errs), func(i int, _ *buffer) {
		if i < len(s.files) {
			h.Files[i].File = s.files[i]
			h.Files[i].SHA256, errs[i] = fileSHA256(ctx, s.files[i])
			return
		}
		t := i - len(s.files)
		sum := sha256.New()
		w := &watched{ctx: ctx, w: sum, p: p}
		for piece := range slices.Chunk(contents[t], 1<<20) {
			if _, errs[i] = w.Write(piece); errs[i] != nil {
				return
			}
			s.discard(piece)
		}
		h.Each[t] = tensorHash{s.tensors[t].Name, hex.EncodeToString(sum.Sum(nil))}
	})
	p.close()
	if err != nil {
		return nil, err
	}
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	lines := make([]string, len(s.tensors))
	order := make([]int, len(s.tensors))
	for i, t := range s.tensors {
		order[i] = i
		lines[i] = fmt.Sprintf("%s  %s %s %s\n", h.Each[i].SHA256, t.Name, t.Type, strings.ReplaceAll(fmt.Sprint(t.Shape), " ", ","))
	}
	slices.SortFunc(order, func(a, b int) int { return strings.Compare(s.tensors[a].Name, s.tensors[b].Name) })
	all := sha256.New()
	for _, i := range order {
		io.WriteString(all, lines[i])
	}
	h.Tensors = hex.EncodeToString(all.Sum(nil))
	return h, nil
}

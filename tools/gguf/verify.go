// The verify command: all that is wrong with a model file.

package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"netllm/tensor"
	"netllm/tensor/gguf"
	"netllm/tools/internal/cli"
)

// verdict is what verify --json prints.
type verdict struct {
	File    string   `json:"file"`
	OK      bool     `json:"ok"`
	Faults  []string `json:"faults"`
	Tensors int      `json:"tensors"`
	Bytes   int64    `json:"bytes"`  // of the tensors
	SHA256  []string `json:"sha256"` // what the files' checksums were compared with
}

func newVerify() *cobra.Command {
	var flags cli.Flags
	var sums checksums
	var threads int
	cmd := &cobra.Command{
		Use:   "verify FILE|DIR",
		Short: "Find all that is wrong with a model file",
		Long: "Verify checks a GGUF file (of a split model: all its files), a safetensors file, or\n" +
			"a folder of those: its structure, that tensors lie in the file, apart and aligned,\n" +
			"the keys that its architecture needs, that the parts of the vocabulary agree, and\n" +
			"that every number is finite, the scales of blocks too. It prints one line for\n" +
			"each fault and fails if there is any.\n\n" +
			"Files are compared with the SHA-256 of --sha256, of the lines of --checksum-file\n" +
			"(as sha256sum prints them) or of a file FILE.sha256 beside each.",
		Example: "  gguf verify model.gguf\n" +
			"  gguf verify --checksum-file SHA256SUMS model-00001-of-00003.gguf\n" +
			"  gguf verify hf-folder",
		Args: oneFile,
		RunE: cli.Action(func(cmd *cobra.Command, args []string) error {
			n, err := threadCount(threads)
			if err != nil {
				return err
			}
			if err := sums.check(); err != nil {
				return err
			}
			if err := flags.CheckJSON(); err != nil {
				return err
			}
			v, err := verify(cmd.Context(), args[0], &sums, n, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			for _, fault := range v.Faults {
				fmt.Fprintln(flags.Results(cmd), fault)
			}
			if v.OK {
				fmt.Fprintf(flags.Results(cmd), "%s: ok, %d tensors, %s%s\n", v.File, v.Tensors, sizeText(v.Bytes), sums.word(v))
			}
			if err := flags.WriteJSON(cmd, v); err != nil {
				return err
			}
			if !v.OK {
				return fmt.Errorf("%s: %d faults", v.File, len(v.Faults))
			}
			return nil
		}),
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&sums.hex, "sha256", "", "the file's SHA-256 must be `HEX`")
	cmd.Flags().StringVar(&sums.file, "checksum-file", "", "the files' SHA-256 must be those in `FILE`")
	cmd.Flags().IntVar(&threads, "threads", 0, "use `N` CPU threads (default all)")
	flags.AddJSON(cmd)
	return cmd
}

// verify looks at all of a model. The error is one of doing so.
func verify(ctx context.Context, path string, sums *checksums, threads int, stderr io.Writer) (*verdict, error) {
	v := &verdict{File: path, Faults: []string{}, SHA256: []string{}}
	s, faults, err := openChecked(path)
	if err != nil {
		return nil, err
	}
	add := func(errs ...error) {
		for _, err := range errs {
			v.Faults = append(v.Faults, cli.OneLine(err.Error()))
		}
	}
	add(faults...)
	files := []string{path}
	if s != nil {
		defer s.close()
		files = s.files
		v.Tensors = len(s.tensors)
		for _, t := range s.tensors {
			v.Bytes += max(t.Bytes, 0)
		}
		if s.gguf != nil {
			add(checkKeys(s.gguf)...)
			add(checkVocabulary(s.gguf)...)
		}
		wrong, unread, err := checkFinite(ctx, s, threads, stderr)
		if err != nil {
			return nil, err
		}
		add(wrong...)
		for _, t := range unread {
			fmt.Fprintf(stderr, "%s: tensor %q: the numbers of type %s are not looked at\n", t.File, t.Name, t.Type)
		}
	}
	wrong, used, err := sums.compare(ctx, files)
	if err != nil {
		return nil, err
	}
	add(wrong...)
	v.SHA256 = append(v.SHA256, used...)
	v.OK = len(v.Faults) == 0
	return v, nil
}

// openChecked opens a model with all faults of its structure. The source is nil
// if they leave nothing to look at; the error is that of a missing file.
func openChecked(path string) (*source, []error, error) {
	kind, err := formatOf(path)
	if err != nil {
		return nil, nil, err
	}
	if kind == formatGGUF {
		f, faults := gguf.Check(path)
		if f == nil {
			return nil, faults, nil
		}
		return ggufSource(f), faults, nil
	}
	s, err := openSource(path)
	if err != nil {
		return nil, []error{err}, nil
	}
	return s, nil, nil
}

// checkFinite returns a fault for each tensor that has numbers that are not
// finite, and the tensors whose type it cannot read.
func checkFinite(ctx context.Context, s *source, threads int, stderr io.Writer) (faults []error, unread []tensorInfo, err error) {
	var chunks []chunk
	content := make([][]byte, len(s.tensors))
	for i, t := range s.tensors {
		if t.dtype == tensor.Invalid {
			unread = append(unread, t)
			continue
		}
		if content[i], err = s.content(t.Name); err != nil {
			return nil, nil, err
		}
		chunks = chunksOf(chunks, i, t.elements())
	}
	type result struct{ count, first int }
	results := make([]result, len(chunks))
	p := newByteProgress(stderr, "verify", s.bytes())
	err = eachChunk(ctx, threads, len(chunks), func(i int, b *buffer) {
		c := chunks[i]
		dtype := s.tensors[c.tensor].dtype
		part := c.part(content[c.tensor], dtype)
		results[i].count, results[i].first = b.notFinite(dtype, part)
		s.discard(part)
		p.add(int64(len(part)))
	})
	p.close()
	if err != nil {
		return nil, nil, err
	}
	type total struct{ count, first int64 }
	totals := map[int]total{}
	for i, r := range results {
		if r.count == 0 {
			continue
		}
		t, seen := totals[chunks[i].tensor]
		if !seen {
			t.first = chunks[i].from + int64(r.first)
		}
		t.count += int64(r.count)
		totals[chunks[i].tensor] = t
	}
	for i, t := range s.tensors {
		if n, ok := totals[i]; ok {
			faults = append(faults, fmt.Errorf("%s: tensor %q: %d of %d elements are not finite, the first at %d", t.File, t.Name, n.count, t.elements(), n.first))
		}
	}
	return faults, unread, nil
}

// requiredKeys are what a model of an architecture must say, without the
// architecture's name. Source: docs/gguf.md of the ggml project.
var requiredKeys = map[string][]string{
	"llama": {"attention.layer_norm_rms_epsilon"},
	"qwen2": {"attention.layer_norm_rms_epsilon"},
	"gpt2":  {"attention.layer_norm_epsilon"},
	"opt":   {"attention.layer_norm_epsilon"},
}

// checkKeys returns a fault for each key that the file needs and lacks.
func checkKeys(f *gguf.File) (faults []error) {
	lacks := func(err error) {
		if err != nil {
			faults = append(faults, err)
		}
	}
	arch, err := f.String("general.architecture")
	lacks(err)
	if kind, err := f.String("general.type"); err == nil && kind == "adapter" {
		_, err := f.String("adapter.type")
		lacks(err)
		_, err = f.Float("adapter.lora.alpha")
		lacks(err)
		return faults
	}
	more, known := requiredKeys[arch]
	if !known || len(f.Names()) == 0 { // another architecture, or nothing but a vocabulary
		return faults
	}
	for _, key := range []string{"context_length", "embedding_length", "block_count", "feed_forward_length", "attention.head_count"} {
		n, err := f.Int(arch + "." + key)
		if err == nil && n < 1 {
			err = fmt.Errorf("gguf: %s: key %q is %d, want 1 or more", f.Path(), arch+"."+key, n)
		}
		lacks(err)
	}
	for _, key := range more {
		_, err := f.Float(arch + "." + key)
		lacks(err)
	}
	return faults
}

// checkVocabulary returns a fault for each part of the vocabulary that does not
// fit the others or the tensors.
func checkVocabulary(f *gguf.File) (faults []error) {
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("gguf: %s: "+format, append([]any{f.Path()}, args...)...))
	}
	const prefix = "tokenizer.ggml."
	if !f.Has(prefix + "tokens") {
		return nil
	}
	tokens, err := f.Strings(prefix + "tokens")
	if err != nil {
		return []error{err}
	}
	for _, key := range []string{"scores", "token_type"} {
		v, err := f.Value(prefix + key)
		if err != nil {
			continue // not every tokenizer has it
		}
		var n int
		switch list := v.(type) {
		case []float32:
			n = len(list)
		case []int32:
			n = len(list)
		case []uint32:
			n = len(list)
		default:
			fault("key %q is %s, want an array of numbers", prefix+key, typeName(v))
			continue
		}
		if n != len(tokens) {
			fault("key %q has %d elements, %d tokens", prefix+key, n, len(tokens))
		}
	}
	for _, key := range f.Keys() {
		if !slices.Contains([]string{"bos_token_id", "eos_token_id", "eot_token_id", "unknown_token_id", "padding_token_id", "separator_token_id", "mask_token_id", "cls_token_id"}, strings.TrimPrefix(key, prefix)) {
			continue
		}
		id, err := f.Uint(key)
		switch {
		case err != nil:
			faults = append(faults, err)
		case id >= uint64(len(tokens)) && id != 1<<32-1: // which says that there is none
			fault("key %q is %d, there are %d tokens", key, id, len(tokens))
		}
	}
	arch, _ := f.String("general.architecture")
	if key := arch + ".vocab_size"; f.Has(key) {
		if n, err := f.Int(key); err != nil {
			faults = append(faults, err)
		} else if n != len(tokens) {
			fault("key %q is %d, there are %d tokens", key, n, len(tokens))
		}
	}
	for _, name := range []string{"token_embd.weight", "output.weight"} {
		if info, ok := f.Info(name); ok && len(info.Shape) == 2 && info.Shape[0] != len(tokens) {
			fault("tensor %q has %d rows, there are %d tokens", name, info.Shape[0], len(tokens))
		}
	}
	return faults
}

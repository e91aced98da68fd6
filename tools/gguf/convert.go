// The convert command: model files into one another.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"netllm/tools/internal/cli"
	"netllm/transformer/convert"
)

func newConvert(_ string) *cobra.Command {
	var work conversion
	var shard string
	cmd := &cobra.Command{
		Use:   "convert --in DIR|FILE --out FILE|DIR",
		Short: "Convert between Hugging Face folders, GGUF and llama2.c",
		Long: "Convert reads a GGUF file (also a split one), a folder of Hugging Face or a .bin of\n" +
			"llama2.c. It writes a GGUF file if --out ends in .gguf, else a folder.\n\n" +
			"A type such as q4_0 or q4_k is that of every matrix; q4_k_m and the others that end\n" +
			"in _s, _m or _l are llama.cpp's mixtures. Vectors, norms and positions are F32. Rows\n" +
			"that do not fit a type's blocks get the type nearest to it that they do fit.\n\n" +
			"Types: " + strings.Join(convert.Types(), " ") + ".\n\n" + adapterHelp,
		Example: "  gguf convert --in TinyLlama --out tinyllama-q4_k_m.gguf --type q4_k_m\n" +
			"  gguf convert --in tinyllama-f16.gguf --out TinyLlama-copy\n" +
			"  gguf convert --in stories260K.bin --tokenizer tok512.bin --out stories.gguf",
		Args: cli.NoArgs,
		RunE: cli.Action(func(cmd *cobra.Command, _ []string) error {
			if work.in == "" || work.out == "" {
				return cli.Usagef("--in and --out are needed")
			}
			if shard != "" {
				n, err := byteCount("--max-shard-size", shard)
				if err != nil {
					return err
				}
				work.MaxShard = n
			}
			if err := work.checkBase(); err != nil {
				return err
			}
			return work.run(cmd)
		}),
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&work.in, "in", "", "read the model `PATH`")
	work.addOut(cmd)
	work.addType(cmd, convert.Auto)
	work.addChoice(cmd)
	cmd.Flags().BoolVar(&work.VocabOnly, "vocab-only", false, "convert the vocabulary alone")
	cmd.Flags().StringVar(&work.Vocab, "tokenizer", "", "take the vocabulary from `PATH`: a folder, tokenizer.json, .model, .gguf or llama2.c's .bin")
	cmd.Flags().StringVar(&work.Name, "model-name", "", "write `NAME` as general.name (default the folder's)")
	cmd.Flags().StringVar(&shard, "max-shard-size", "", "split a folder's tensors into files of `SIZE`, such as 2G (default 5G)")
	work.addBase(cmd)
	work.addRest(cmd)
	return cmd
}

// conversion is the work that convert, quantize and dequantize share.
type conversion struct {
	convert.Options
	flags             cli.Flags
	in, out           string
	output, embedding string
	adapterWork
}

func (c *conversion) addOut(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.out, "out", "", "write `PATH`")
}

func (c *conversion) addType(cmd *cobra.Command, value string) {
	cmd.Flags().StringVar(&c.Type, "type", value, "write matrices as `TYPE`; auto: as they are")
}

// addChoice adds the flags of llama-quantize about single tensors.
func (c *conversion) addChoice(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&c.Requantize, "allow-requantize", false, "quantise what is quantised already: it loses twice")
	cmd.Flags().BoolVar(&c.LeaveOutput, "leave-output-tensor", false, "keep the type of output.weight")
	cmd.Flags().StringVar(&c.output, "output-tensor-type", "", "write output.weight as `TYPE`")
	cmd.Flags().StringVar(&c.embedding, "token-embedding-type", "", "write token_embd.weight as `TYPE`")
}

func (c *conversion) addRest(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&c.DryRun, "dry-run", false, "print what would be written, and write nothing")
	cmd.Flags().IntVar(&c.Threads, "threads", 0, "use `N` CPU threads (default all)")
	c.flags.AddJSON(cmd)
}

// run converts and prints what came of it.
func (c *conversion) run(cmd *cobra.Command) (err error) {
	if c.Threads, err = threadCount(c.Threads); err != nil {
		return err
	}
	if c.output != "" {
		if c.OutputType, err = convert.TypeOf(c.output); err != nil {
			return cli.Usage(fmt.Errorf("--output-tensor-type: %w", err))
		}
	}
	if c.embedding != "" {
		if c.EmbeddingType, err = convert.TypeOf(c.embedding); err != nil {
			return cli.Usage(fmt.Errorf("--token-embedding-type: %w", err))
		}
	}
	if err := c.flags.CheckJSON(); err != nil {
		return err
	}
	c.Replace = c.flags.Force
	name, _, _ := strings.Cut(cmd.Use, " ")
	result, err := c.convert(cmd.Context(), cmd.ErrOrStderr(), name)
	var unknown convert.ErrType
	switch {
	case errors.As(err, &unknown), errors.Is(err, convert.ErrUsage):
		return cli.Usage(err)
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%w (--force replaces it)", err)
	case err != nil:
		return err
	}
	for _, w := range result.Warnings {
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s\n", w)
	}
	if c.flags.JSON != "-" {
		if err := printConversion(cmd.OutOrStdout(), result); err != nil {
			return err
		}
	}
	return c.flags.WriteJSON(cmd, result)
}

func (c *conversion) convert(ctx context.Context, stderr io.Writer, name string) (*convert.Result, error) {
	var bar *byteProgress
	last := int64(0)
	o := c.Options
	o.Progress = func(done, total int64) {
		if bar == nil {
			bar = newByteProgress(stderr, name, total)
		}
		bar.add(done - last)
		last = done
	}
	result, err := c.do(ctx, o)
	if bar != nil {
		bar.close()
	}
	return result, err
}

// printConversion prints a line for each tensor and one for all.
func printConversion(w io.Writer, r *convert.Result) error {
	t := &cli.Table{Columns: []string{"tensor", "shape", "from", "to", "note", "bytes"}, Text: 5}
	for _, x := range r.Tensors {
		t.Add(x.Name, shapeText(x.Shape), x.From, x.To, x.Note, fmt.Sprint(x.Bytes))
	}
	if len(r.Tensors) > 0 {
		if err := t.Print(w); err != nil {
			return err
		}
	}
	verb := "wrote"
	if r.DryRun {
		verb = "would write"
	}
	tokens := ""
	if r.Tokens > 0 {
		tokens = fmt.Sprintf(", %d tokens", r.Tokens)
	}
	_, err := fmt.Fprintf(w, "%s %s: %s, %d tensors, %d parameters%s, type %s: %s of tensors, were %s in %s\n",
		verb, r.Out, r.To, len(r.Tensors), r.Elements, tokens, r.Type, sizeText(r.Bytes), sizeText(r.BytesIn), r.From)
	return err
}

// byteCount reads a number of bytes such as 2G; the units are of a thousand.
func byteCount(flag, text string) (int64, error) {
	unit, digits := int64(1), strings.TrimSuffix(strings.ToUpper(text), "B")
	for i, suffix := range []string{"K", "M", "G"} {
		if d, ok := strings.CutSuffix(digits, suffix); ok {
			digits = d
			for range i + 1 {
				unit *= 1000
			}
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 1 || n > math.MaxInt64/unit {
		return 0, cli.Usagef("%s %q: want a number of bytes with K, M or G, such as 2G", flag, text)
	}
	return n * unit, nil
}

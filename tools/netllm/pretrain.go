// The pretrain command: a small language model is trained from nothing.

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"netllm/netllm/pretrain"
	"netllm/ops"
	"netllm/tensor/gguf"
	"netllm/tools/internal/cli"
	"netllm/transformer"
)

// pretraining holds the flags of pretrain.
type pretraining struct {
	flags  cli.Flags
	dev    cli.Device
	text   string
	out    string
	config pretrain.Config
}

// pretrainRecord is the JSON beside a trained model: all that is needed to
// make it again, and what it is worth.
type pretrainRecord struct {
	Model        string          `json:"model"` // file name
	SHA256       string          `json:"sha256"`
	Command      string          `json:"command"`
	Go           string          `json:"go"`
	Device       string          `json:"device"`
	CPU          string          `json:"cpu"`
	Threads      int             `json:"threads"`
	Text         string          `json:"text"`
	TextSHA256   string          `json:"text_sha256"`
	TrainBytes   int             `json:"train_bytes"`
	HeldOutBytes int             `json:"held_out_bytes"`
	Config       pretrain.Config `json:"config"`
	Parameters   int             `json:"parameters"`
	Seconds      float64         `json:"seconds"`
	FirstLosses  []float64       `json:"first_losses"` // of the first steps, one by one, to be compared with
	Loss         []curvePoint    `json:"loss"`         // nats per byte

	// What held-out text costs under the model as it was written, and under
	// a byte model with two bytes of context.
	BitsPerByte       float64 `json:"bits_per_byte"`
	Order2BitsPerByte float64 `json:"order2_bits_per_byte"`
}

// firstLosses is how many losses are recorded exactly: a run is the same if it
// begins with them.
const firstLosses = 20

func newPretrain(line string) *cobra.Command {
	p := &pretraining{config: pretrain.Default()}
	cmd := &cobra.Command{
		Use:   "pretrain",
		Short: "Train a small language model on text",
		Long: "Pretrain trains a small Llama over bytes from nothing and writes it as a GGUF file,\n" +
			"with a JSON record beside it: command, versions, hash of the text, settings, loss\n" +
			"curve, and bits per byte of held-out text against a model of order 2. The text is\n" +
			"the documentation of Go's standard library, or a folder of .txt and .md files. The\n" +
			"same text, settings and kernels give the same bytes.",
		Example: "  netllm pretrain --out run/pretrain/model.gguf\n" +
			"  netllm pretrain --text notes --out notes.gguf --steps 500",
		Args: cli.NoArgs,
		RunE: cli.Action(func(cmd *cobra.Command, _ []string) error { return p.run(cmd, line) }),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&p.text, "text", "", "learn the .txt and .md files in `DIR` (default the documentation of Go)")
	fs.StringVar(&p.out, "out", filepath.Join("run", "pretrain", "model.gguf"), "write the model to `FILE` and the record to FILE.json")
	fs.IntVar(&p.config.Steps, "steps", p.config.Steps, "train `N` steps")
	fs.IntVar(&p.config.Batch, "batch", p.config.Batch, "learn from `N` sequences per step")
	fs.Float32Var(&p.config.LearningRate, "lr", p.config.LearningRate, "begin with the learning rate `R`, after the warm-up")
	p.flags.AddSeed(cmd, p.config.Seed)
	p.dev.AddFlags(cmd)
	p.flags.AddJSON(cmd)
	return cmd
}

func (p *pretraining) run(cmd *cobra.Command, line string) error {
	p.config.Seed = p.flags.Seed
	p.config.WarmUp = min(p.config.WarmUp, p.config.Steps/4)
	if err := p.config.Validate(); err != nil {
		return cli.Usage(err)
	}
	used, err := p.dev.Resolve()
	if err != nil {
		return err
	}
	recordPath := p.out + ".json"
	for _, path := range []string{p.out, recordPath} {
		if err := cli.CheckNew(path, p.flags.Force); err != nil {
			return err
		}
	}
	if err := p.flags.CheckJSON(); err != nil {
		return err
	}
	corpus, err := p.corpus(cmd.Context())
	if err != nil {
		return err
	}
	b, err := used.OpenPinned()
	if err != nil {
		return err
	}
	defer b.Close()
	used.Print(cmd.ErrOrStderr())
	fmt.Fprintf(cmd.ErrOrStderr(), "text: %s, %d bytes to train on, %d held out\n", corpus.Source, len(corpus.Train), len(corpus.HeldOut))
	record := &pretrainRecord{
		Model: filepath.Base(p.out), Command: line, Go: runtime.Version(), Device: used.Device, CPU: used.CPU, Threads: used.Threads,
		Text: corpus.Source, TextSHA256: corpus.Hash(), TrainBytes: len(corpus.Train), HeldOutBytes: len(corpus.HeldOut), Config: p.config,
	}
	if err := p.train(cmd.Context(), b, corpus, record, cmd.ErrOrStderr()); err != nil {
		return err
	}
	if err := cli.WriteFile(recordPath, p.flags.Force, func(w io.Writer) error { return cli.EncodeJSON(w, record) }); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(p.flags.Results(cmd), "%s: %d parameters, %.4f bits per byte of held-out text (order 2: %.4f), sha256 %s\n",
		p.out, record.Parameters, record.BitsPerByte, record.Order2BitsPerByte, record.SHA256); err != nil {
		return err
	}
	return p.flags.WriteJSON(cmd, record)
}

// corpus reads the text.
func (p *pretraining) corpus(ctx context.Context) (*pretrain.Corpus, error) {
	if p.text != "" {
		return pretrain.TextDir(p.text)
	}
	goroot, err := pretrain.Goroot(ctx)
	if err != nil {
		return nil, fmt.Errorf("no documentation of Go (name a folder with --text): %w", err)
	}
	return pretrain.GoDocs(goroot)
}

// train trains, writes and measures the model.
func (p *pretraining) train(ctx context.Context, b ops.Backend, corpus *pretrain.Corpus, record *pretrainRecord, chatter io.Writer) error {
	progress := cli.NewProgress(chatter, "pretrain", "steps", p.config.Steps)
	var losses curve
	began := time.Now()
	m, err := pretrain.Run(ctx, b, corpus, p.config, func(step int, loss float64) {
		if step <= firstLosses {
			record.FirstLosses = append(record.FirstLosses, loss)
		}
		losses.add(step, p.config.Steps, loss)
		progress.Set(step, fmt.Sprintf("loss %.4f", losses.recent))
	})
	progress.Close()
	if err != nil {
		return err
	}
	record.Seconds, record.Loss = time.Since(began).Seconds(), losses.points
	if err := cli.MakeFolder(p.out); err != nil {
		return err
	}
	if err := pretrain.Write(b, p.out, m, p.flags.Force); err != nil {
		return err
	}
	if record.SHA256, err = hashFile(os.DirFS(filepath.Dir(p.out)), filepath.Base(p.out)); err != nil {
		return err
	}
	read, err := transformer.Load(b, p.out)
	if err != nil {
		return err
	}
	defer read.Close()
	if record.Parameters, err = countParameters(p.out); err != nil {
		return err
	}
	if record.BitsPerByte, err = pretrain.BitsPerByte(ctx, b, read, corpus.HeldOut); err != nil {
		return err
	}
	record.Order2BitsPerByte = pretrain.Order2BitsPerByte(corpus)
	return nil
}

// countParameters returns the number of elements of all tensors of a file.
func countParameters(path string) (int, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	total := 0
	for _, t := range f.Tensors() {
		n := 1
		for _, d := range t.Shape {
			n *= d
		}
		total += n
	}
	return total, nil
}

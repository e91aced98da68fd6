// The plan command: how much memory a job takes, before anything is loaded.

package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"netllm/ops"
	"netllm/ops/dry"
	"netllm/tensor"
	"netllm/tools/internal/cli"
	"netllm/transformer"
)

// planResult is what plan --json prints. All sizes are bytes.
type planResult struct {
	Model      string   `json:"model"`
	Positions  int      `json:"positions"` // that the model takes
	Tokens     int      `json:"tokens"`
	Batch      int      `json:"batch"`
	Rank       int      `json:"rank,omitempty"`
	Targets    []string `json:"targets,omitempty"`
	Checkpoint bool     `json:"checkpoint,omitempty"`

	File     int       `json:"file"`     // weights that stay in the mapped file
	Weights  int       `json:"weights"`  // weights in the layout that is computed with
	Tables   int       `json:"tables"`   // of positions
	Generate planPart  `json:"generate"` // a prompt, then token by token
	Train    *planPart `json:"train,omitempty"`
}

// planPart is one kind of work with the model.
type planPart struct {
	Cache       int `json:"cache,omitempty"`     // keys and values
	LoRA        int `json:"lora,omitempty"`      // low-rank matrices
	Gradients   int `json:"gradients,omitempty"` // of these
	Moments     int `json:"moments,omitempty"`   // AdamW's two
	Activations int `json:"activations"`
	Total       int `json:"total"` // with weights and tables
}

// planOptions are the command's own flags.
type planOptions struct {
	tokens, batch, rank int
	targets             []string
	checkpoint          bool
	noRepack            bool
}

func newPlan() *cobra.Command {
	var flags cli.Flags
	var model modelFlags
	var opt planOptions
	cmd := &cobra.Command{
		Use:   "plan --model FILE",
		Short: "Say how much memory a job takes",
		Long: "Plan says how much memory a job takes before anything is loaded: it runs the\n" +
			"model's own code on a device that computes nothing and counts. The sizes are\n" +
			"those on the CPU; a GPU takes the same but for padding. Not counted are a task's\n" +
			"encoder and head, and scratch space of a few megabytes per thread.",
		Example: "  netllm plan --model llama-2-7b-q4_0.gguf --tokens 4096\n" +
			"  netllm plan --model llama-2-7b-q4_0.gguf --tokens 160 --rank 128 --targets q_proj,v_proj --checkpoint",
		Args: cli.NoArgs,
		RunE: cli.Action(func(cmd *cobra.Command, _ []string) error {
			if err := opt.check(); err != nil {
				return err
			}
			if err := flags.CheckJSON(); err != nil {
				return err
			}
			result, err := opt.plan(&model)
			if err != nil {
				return err
			}
			if err := result.print(flags.Results(cmd)); err != nil {
				return err
			}
			return flags.WriteJSON(cmd, result)
		}),
	}
	cmd.Flags().SortFlags = false
	model.add(cmd)
	cmd.Flags().IntVar(&opt.tokens, "tokens", 0, "sequences of `N` tokens (default all that the model takes)")
	cmd.Flags().IntVar(&opt.batch, "batch", 1, "`N` sequences at a time")
	cmd.Flags().IntVar(&opt.rank, "rank", 0, "training too, of low-rank matrices of rank `R`")
	cmd.Flags().StringSliceVar(&opt.targets, "targets", nil, "low-rank matrices beside the layers `NAMES` (default query and value)")
	cmd.Flags().BoolVar(&opt.checkpoint, "checkpoint", false, "training computes activations again instead of keeping them")
	cmd.Flags().BoolVar(&opt.noRepack, "no-repack", false, "compute from the model file as it is")
	flags.AddJSON(cmd)
	return cmd
}

func (o *planOptions) check() error {
	switch {
	case o.tokens < 0:
		return cli.Usagef("--tokens %d: want 1 or more", o.tokens)
	case o.batch < 1:
		return cli.Usagef("--batch %d: want 1 or more", o.batch)
	case o.rank < 0:
		return cli.Usagef("--rank %d: want 1 or more", o.rank)
	case o.rank == 0 && (o.checkpoint || len(o.targets) > 0):
		return cli.Usagef("--targets and --checkpoint are for training: --rank is needed")
	}
	return nil
}

// plan runs the job on a backend that counts.
func (o *planOptions) plan(model *modelFlags) (*planResult, error) {
	var options []ops.CPUOption
	if o.noRepack {
		options = append(options, ops.NoRepack())
	}
	cpu := ops.NewCPU(1, options...)
	defer cpu.Close()
	mapped := 0
	b := dry.New(func(w tensor.Tensor) int {
		n := cpu.PreparedBytes(w)
		if n == 0 {
			mapped += w.DType().Bytes(w.Len())
		}
		return n
	})
	m, err := model.load(b)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	if o.tokens == 0 {
		o.tokens = m.MaxPositions()
	}
	if o.tokens > m.MaxPositions() {
		return nil, fmt.Errorf("--tokens %d: the model takes %d", o.tokens, m.MaxPositions())
	}
	r := &planResult{
		Model: model.name(), Positions: m.MaxPositions(), Tokens: o.tokens, Batch: o.batch,
		Rank: o.rank, Checkpoint: o.checkpoint, File: mapped, Weights: b.Weights(), Tables: b.Held(),
	}
	fixed := r.File + r.Weights + r.Tables
	o.generate(b, m, &r.Generate)
	r.Generate.Total = fixed + r.Generate.Cache + r.Generate.Activations
	if o.rank == 0 {
		return r, nil
	}
	r.Train = &planPart{}
	if r.Targets, err = o.train(b, m, r.Train); err != nil {
		return nil, err
	}
	r.Train.Total = fixed + r.Train.LoRA + r.Train.Gradients + r.Train.Moments + r.Train.Activations
	return r, nil
}

// generate takes a prompt that leaves room for one token, and then that token.
func (o *planOptions) generate(b *dry.Backend, m transformer.Model, part *planPart) {
	before := b.Held()
	cache := m.NewCache(b, o.batch, o.tokens)
	defer cache.Free()
	part.Cache = b.Held() - before
	c := ops.NewContext(b)
	defer c.Arena.Free()
	for _, n := range []int{max(o.tokens-1, 1), 1} {
		if cache.Len+n > o.tokens {
			break
		}
		x := m.Forward(c, m.EmbedTokens(c, c.New(tensor.I32, o.batch, n)), cache)
		m.Logits(c, ops.Contiguous(c, x.Slice(1, n-1, n)))
		c.Reset()
	}
	part.Activations = c.Arena.Bytes()
}

// train does one step on sequences of token vectors whose gradient is wanted, as
// encoders below the model need it.
func (o *planOptions) train(b *dry.Backend, m transformer.Model, part *planPart) (targets []string, err error) {
	targets = o.targets
	if len(targets) == 0 {
		targets = transformer.QueryValue(m)
	}
	before := b.Held()
	lora, err := transformer.NewLoRA(b, m, transformer.LoRAConfig{Rank: o.rank, Alpha: float64(o.rank), Targets: targets}, 1)
	if err != nil {
		return nil, err
	}
	part.LoRA = (b.Held() - before) / 2
	part.Gradients = part.LoRA
	body, err := m.WithLoRA(lora)
	if err != nil {
		return nil, err
	}
	before = b.Held()
	optimizer := ops.NewAdamW(b, lora.Params(), 1e-4)
	part.Moments = b.Held() - before
	before = b.Held()
	input := ops.NewParam(b, "input", o.batch, o.tokens, m.Width())
	c := ops.NewContext(b)
	defer c.Arena.Free()
	c.Tape, c.Training, c.Checkpointing = ops.NewTape(), true, o.checkpoint
	c.Tape.Watch(slices.Concat(lora.Params(), []*ops.Param{input})...)
	y := body.Forward(c, input.Value, nil)
	c.Tape.Backward(c, ops.MSE(c, y, c.New(tensor.F32, y.Shape()...)))
	optimizer.Step(c, 1)
	part.Activations = b.Held() - before
	return targets, nil
}

func (r *planResult) print(w io.Writer) error {
	t := cli.Table{Columns: []string{"memory", "generate"}, Text: 1}
	if r.Train != nil {
		t.Columns = append(t.Columns, "train")
	}
	row := func(what string, value func(p *planPart) int) {
		cells := []string{what, byteSize(value(&r.Generate))}
		used := value(&r.Generate) > 0
		if r.Train != nil {
			cells = append(cells, byteSize(value(r.Train)))
			used = used || value(r.Train) > 0
		}
		if used {
			t.Add(cells...)
		}
	}
	row("weights, as mapped from the file", func(*planPart) int { return r.File })
	row("weights, repacked", func(*planPart) int { return r.Weights })
	row("tables of positions", func(*planPart) int { return r.Tables })
	row("keys and values", func(p *planPart) int { return p.Cache })
	row("low-rank matrices", func(p *planPart) int { return p.LoRA })
	row("their gradients", func(p *planPart) int { return p.Gradients })
	row("moments of AdamW", func(p *planPart) int { return p.Moments })
	row("activations", func(p *planPart) int { return p.Activations })
	row("total", func(p *planPart) int { return p.Total })
	job := fmt.Sprintf("%s: %d times %d tokens", r.Model, r.Batch, r.Tokens)
	if r.Train != nil {
		job += fmt.Sprintf("; training with rank %d beside %s", r.Rank, strings.Join(r.Targets, ", "))
	}
	if r.Checkpoint {
		job += ", activations computed again"
	}
	if _, err := fmt.Fprintln(w, job); err != nil {
		return err
	}
	return t.Print(w)
}

// byteSize is a number of bytes for people.
func byteSize(n int) string {
	for _, unit := range []struct {
		name string
		size float64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if float64(n) >= unit.size {
			return fmt.Sprintf("%.2f %s", float64(n)/unit.size, unit.name)
		}
	}
	return fmt.Sprintf("%d B", n)
}

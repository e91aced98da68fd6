// The generate command: a language model continues a prompt.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"netllm/netllm/pretrain"
	"netllm/ops"
	"netllm/tools/internal/cli"
	"netllm/transformer"
)

// generateResult is what generate --json prints.
type generateResult struct {
	Model     string  `json:"model"`
	Device    string  `json:"device"`
	CPU       string  `json:"cpu"`
	Threads   int     `json:"threads"`
	Seed      uint64  `json:"seed"`
	Temp      float64 `json:"temp"`
	Tokens    []int32 `json:"tokens"`    // of the prompt
	Generated []int32 `json:"generated"` // after it
	Text      string  `json:"text,omitempty"`
	Seconds   float64 `json:"seconds"`
}

// generateOptions are the command's own flags.
type generateOptions struct {
	tokens, prompt, stop string
	stopIDs              []int32
	n                    int
	temp                 float64
}

func newGenerate() *cobra.Command {
	var flags cli.Flags
	var dev cli.Device
	var model modelFlags
	var opt generateOptions
	cmd := &cobra.Command{
		Use:   "generate (--tokens IDS | --prompt TEXT)",
		Short: "Continue a prompt with a language model",
		Long: "Generate continues a prompt and prints the new tokens. Text needs a model whose\n" +
			"vocabulary is the bytes, such as the embedded one; with any other model give\n" +
			"token ids.",
		Example: "  netllm generate --model stories260k-f32.gguf --tokens 1,403,407 -n 64\n" +
			"  netllm generate --prompt 'Package tls' -n 200 --temp 0.8 --seed 7",
		Args: cli.NoArgs,
		RunE: cli.Action(func(cmd *cobra.Command, _ []string) error {
			if err := opt.check(cmd); err != nil {
				return err
			}
			used, err := dev.Resolve()
			if err != nil {
				return err
			}
			if err := flags.CheckJSON(); err != nil {
				return err
			}
			b, err := used.Open()
			if err != nil {
				return err
			}
			defer b.Close()
			m, err := model.open(b)
			if err != nil {
				return err
			}
			defer m.Close()
			prompt, err := opt.ids(m, model.name())
			if err != nil {
				return err
			}
			used.Print(cmd.ErrOrStderr())
			result := &generateResult{
				Model: model.name(), Device: used.Device, CPU: used.CPU, Threads: used.Threads,
				Seed: flags.Seed, Temp: opt.temp, Tokens: prompt,
			}
			if err := result.run(cmd.Context(), b, m, opt, flags.Results(cmd), cmd.ErrOrStderr()); err != nil {
				return err
			}
			return flags.WriteJSON(cmd, result)
		}),
	}
	cmd.Flags().SortFlags = false
	model.add(cmd)
	cmd.Flags().StringVar(&opt.tokens, "tokens", "", "continue the tokens `IDS`, separated by commas")
	cmd.Flags().StringVar(&opt.prompt, "prompt", "", "continue `TEXT`")
	cmd.Flags().IntVarP(&opt.n, "number", "n", 64, "stop after `N` tokens")
	cmd.Flags().Float64Var(&opt.temp, "temp", 0, "draw at temperature `T`; 0 takes the likeliest token")
	cmd.Flags().StringVar(&opt.stop, "stop", "", "end after one of the tokens `IDS`")
	flags.AddSeed(cmd, evalSeed)
	dev.AddFlags(cmd)
	flags.AddJSON(cmd)
	return cmd
}

func (o *generateOptions) check(cmd *cobra.Command) error {
	tokens, prompt := cmd.Flags().Changed("tokens"), cmd.Flags().Changed("prompt")
	switch {
	case tokens && prompt:
		return cli.Usagef("--tokens and --prompt exclude each other")
	case !tokens && !prompt:
		return cli.Usagef("--tokens or --prompt is needed")
	case o.n < 1:
		return cli.Usagef("-n %d: want 1 or more", o.n)
	case !(o.temp >= 0 && o.temp <= 1e6):
		return cli.Usagef("--temp %v: want 0 or more", o.temp)
	case o.stop == "":
		return nil
	}
	var err error
	o.stopIDs, err = parseTokens("--stop", o.stop)
	return err
}

// text says whether the prompt is text.
func (o *generateOptions) text() bool { return o.tokens == "" }

// ids returns the prompt's tokens.
func (o *generateOptions) ids(m *transformer.Llama, name string) ([]int32, error) {
	if !o.text() {
		return parseTokens("--tokens", o.tokens)
	}
	if m.Config.Vocab != pretrain.Vocab {
		return nil, fmt.Errorf("--prompt: %s has a vocabulary of %d, not the bytes: text needs its tokenizer, which is not there yet; give --tokens",
			name, m.Config.Vocab)
	}
	return pretrain.Encode(o.prompt), nil
}

// run generates and prints token after token to w.
func (r *generateResult) run(ctx context.Context, b ops.Backend, m *transformer.Llama, opt generateOptions, w, chatter io.Writer) error {
	room := min(len(r.Tokens)+opt.n, m.MaxPositions())
	if room < len(r.Tokens) {
		return fmt.Errorf("%d tokens in the prompt, the model takes %d", len(r.Tokens), m.MaxPositions())
	}
	cache := m.NewCache(b, 1, room)
	defer cache.Free()
	c := ops.NewContext(b)
	defer c.Arena.Free()

	// The last stop token is none until Ctrl-C, or until nobody reads the output
	// any more: then it is whatever token was just chosen, and the loop ends there.
	var writeErr error
	stop := append(slices.Clone(opt.stopIDs), -1)
	began := time.Now()
	ids, err := transformer.Generate(c, m, r.Tokens, cache, transformer.Sampling{
		Tokens: opt.n, Temperature: opt.temp, Seed: r.Seed, Stop: stop,
		Each: func(id int32) {
			var err error
			switch {
			case opt.text():
				_, err = w.Write(pretrain.Decode([]int32{id}))
			case len(r.Generated) > 0:
				_, err = fmt.Fprintf(w, ",%d", id)
			default:
				_, err = fmt.Fprint(w, id)
			}
			r.Generated = append(r.Generated, id)
			writeErr = errors.Join(writeErr, err)
			if ctx.Err() != nil || err != nil {
				stop[len(stop)-1] = id
			}
		},
	})
	r.Seconds = time.Since(began).Seconds()
	if opt.text() {
		r.Text = string(pretrain.Decode(r.Generated))
	}
	if len(r.Generated) > 0 && writeErr == nil {
		_, writeErr = fmt.Fprintln(w)
	}
	if err := errors.Join(err, writeErr, ctx.Err()); err != nil {
		return err
	}
	fmt.Fprintf(chatter, "%d tokens in %.2f s, %.1f tokens/s\n", len(ids), r.Seconds, float64(len(ids))/r.Seconds)
	if len(ids) < opt.n && cache.Len+1 > cache.Positions() {
		fmt.Fprintf(chatter, "ended early: the model takes %d tokens, prompt included\n", m.MaxPositions())
	}
	return nil
}

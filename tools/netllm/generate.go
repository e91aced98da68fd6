// The generate command: a language model continues a prompt.

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"netllm/ops"
	"netllm/tools/internal/cli"
	"netllm/transformer"
	"netllm/transformer/tokenizer"
)

// generateResult is what generate --json prints.
type generateResult struct {
	Model     string  `json:"model"`
	Device    string  `json:"device"`
	CPU       string  `json:"cpu"`
	Threads   int     `json:"threads"`
	Seed      uint64  `json:"seed"`
	Temp      float64 `json:"temp"`
	TopK      int     `json:"top_k,omitempty"`
	TopP      float64 `json:"top_p,omitempty"`
	Tokens    []int32 `json:"tokens"`    // of the prompt
	Generated []int32 `json:"generated"` // after it
	Text      string  `json:"text,omitempty"`
	Ended     string  `json:"ended"`          // number, stop, end (the model's own), full, interrupted
	Prompt    float64 `json:"prompt_seconds"` // until the first token
	Seconds   float64 `json:"seconds"`        // in all
}

// generateOptions are the command's own flags.
type generateOptions struct {
	sampling           transformer.Sampling
	tokens, prompt     string
	stopTokens         string
	stop               []string
	stopIDs            []int32
	n                  int
	special, ignoreEnd bool
}

func newGenerate() *cobra.Command {
	var flags cli.Flags
	var dev cli.Device
	var model modelFlags
	var opt generateOptions
	cmd := &cobra.Command{
		Use:   "generate (--prompt TEXT | --tokens IDS)",
		Short: "Continue a prompt with a language model",
		Long: "Generate continues a prompt and prints what comes, token by token: text with the\n" +
			"model's own tokenizer, or token ids for a prompt of ids. It takes the likeliest\n" +
			"token unless --temp is given, and ends at the model's own end of text.",
		Example: "  netllm generate --prompt 'Package tls' -n 200 --temp 0.8 --seed 7\n" +
			"  netllm generate --model stories260k --prompt 'Once upon a time' --top-p 0.9 --temp 1 --stop 'The end'\n" +
			"  netllm generate --model stories260k-f32.gguf --tokens 1,403,407 -n 64",
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
			var words *tokenizer.Tokenizer
			if opt.text() {
				if words, err = model.tokenizer(); err != nil {
					return fmt.Errorf("--prompt: %w", err)
				}
			}
			b, err := used.Open()
			if err != nil {
				return err
			}
			defer b.Close()
			m, err := model.load(b)
			if err != nil {
				return err
			}
			defer m.Close()
			prompt, err := opt.ids(words)
			if err != nil {
				return err
			}
			used.Print(cmd.ErrOrStderr())
			opt.sampling.Seed = flags.Seed
			g := &generator{opt: opt, words: words, w: flags.Results(cmd), result: generateResult{
				Model: model.name(), Device: used.Device, CPU: used.CPU, Threads: used.Threads,
				Seed: flags.Seed, Temp: opt.sampling.Temperature, TopK: opt.sampling.TopK, TopP: opt.sampling.TopP, Tokens: prompt,
			}}
			if err := g.run(cmd.Context(), b, m, cmd.ErrOrStderr()); err != nil {
				return err
			}
			return flags.WriteJSON(cmd, g.result)
		}),
	}
	cmd.Flags().SortFlags = false
	model.add(cmd)
	cmd.Flags().StringVarP(&opt.prompt, "prompt", "p", "", "continue `TEXT`")
	cmd.Flags().StringVar(&opt.tokens, "tokens", "", "continue the tokens `IDS`, separated by commas")
	cmd.Flags().IntVarP(&opt.n, "number", "n", 64, "stop after `N` tokens")
	cmd.Flags().Float64Var(&opt.sampling.Temperature, "temp", 0, "draw at temperature `T`; 0 takes the likeliest token")
	cmd.Flags().IntVar(&opt.sampling.TopK, "top-k", 0, "draw among the `K` likeliest tokens; 0: all")
	cmd.Flags().Float64Var(&opt.sampling.TopP, "top-p", 0, "draw among the likeliest tokens that together have probability `P`; 0: all")
	cmd.Flags().StringArrayVar(&opt.stop, "stop", nil, "end before `TEXT`; may be given several times")
	cmd.Flags().StringVar(&opt.stopTokens, "stop-tokens", "", "end after one of the tokens `IDS`")
	cmd.Flags().BoolVar(&opt.special, "special", false, "special tokens may stand in the prompt, such as </s>")
	cmd.Flags().BoolVar(&opt.ignoreEnd, "ignore-eos", false, "go on after the model's own end of text")
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
	case tokens && (len(o.stop) > 0 || o.special || o.ignoreEnd):
		return cli.Usagef("--stop, --special and --ignore-eos are for text, --stop-tokens for --tokens")
	}
	for _, word := range o.stop {
		if word == "" {
			return cli.Usagef("--stop: an empty text occurs everywhere")
		}
	}
	if err := o.sampling.Validate(); err != nil {
		return cli.Usage(err)
	}
	if o.sampling.Temperature == 0 && (o.sampling.TopK > 0 || o.sampling.TopP > 0) {
		return cli.Usagef("--top-k and --top-p cut what is drawn from: --temp is needed")
	}
	if o.stopTokens == "" {
		return nil
	}
	var err error
	o.stopIDs, err = parseTokens("--stop-tokens", o.stopTokens)
	return err
}

// text says whether the prompt is text.
func (o *generateOptions) text() bool { return o.tokens == "" }

// ids returns the prompt's tokens.
func (o *generateOptions) ids(words *tokenizer.Tokenizer) ([]int32, error) {
	if !o.text() {
		return parseTokens("--tokens", o.tokens)
	}
	ids := words.EncodePrompt(o.prompt, o.special)
	if len(ids) == 0 {
		return nil, errors.New("--prompt: no tokens, and the model has no token that begins a text")
	}
	return ids, nil
}

// generator is one run of the command.
type generator struct {
	opt    generateOptions
	words  *tokenizer.Tokenizer // nil: ids are printed
	w      io.Writer
	result generateResult

	stream *tokenizer.Stream
	stop   stopper
	err    error // of the writer
}

// run generates, and prints how fast it was to chatter.
func (g *generator) run(ctx context.Context, b ops.Backend, m transformer.Model, chatter io.Writer) error {
	r := &g.result
	room := min(len(r.Tokens)+g.opt.n, m.MaxPositions())
	if room < len(r.Tokens) {
		return fmt.Errorf("%d tokens in the prompt, the model takes %d", len(r.Tokens), m.MaxPositions())
	}
	cache := m.NewCache(b, 1, room)
	defer cache.Free()
	c := ops.NewContext(b)
	defer c.Arena.Free()
	if g.words != nil {
		g.stream, g.stop = g.words.Stream(), stopper{words: g.opt.stop}
		for _, id := range r.Tokens { // what comes continues the prompt
			g.stream.Next(id)
		}
	}
	began := time.Now()
	_, err := transformer.Generate(c, m, r.Tokens, cache, transformer.Generation{
		Sampling: g.opt.sampling, Tokens: g.opt.n, Stop: g.opt.stopIDs,
		Each: func(id int32) bool {
			if len(r.Generated) == 0 {
				r.Prompt = time.Since(began).Seconds()
			}
			r.Generated = append(r.Generated, id)
			if ctx.Err() != nil {
				r.Ended = "interrupted"
				return false
			}
			return g.take(id) && g.err == nil
		},
	})
	r.Seconds = time.Since(began).Seconds()
	g.finish(m.MaxPositions())
	if err := errors.Join(err, g.err, ctx.Err()); err != nil {
		return err
	}
	g.speed(chatter)
	if r.Ended == "full" {
		fmt.Fprintf(chatter, "ended early: the model takes %d tokens, prompt included\n", m.MaxPositions())
	}
	return nil
}

// take prints a new token, and says whether to go on.
func (g *generator) take(id int32) bool {
	if g.words == nil {
		separator := ","
		if len(g.result.Generated) == 1 {
			separator = ""
		}
		_, g.err = fmt.Fprintf(g.w, "%s%d", separator, id)
		return true
	}
	// A token that begins a text ends the one before it, too.
	if v := g.words.Vocab(); (id == v.EOS || id == v.BOS) && !g.opt.ignoreEnd {
		g.result.Ended = "end"
		return false
	}
	show, stopped := g.stop.add(g.stream.Next(id))
	g.show(show)
	if stopped {
		g.result.Ended = "stop"
	}
	return !stopped
}

func (g *generator) show(text string) {
	g.result.Text += text
	_, err := io.WriteString(g.w, text)
	g.err = errors.Join(g.err, err)
}

// finish prints what was held back, and says why the text ended.
func (g *generator) finish(positions int) {
	r := &g.result
	if g.words != nil && r.Ended != "stop" {
		show, stopped := g.stop.add(g.stream.Flush())
		if !stopped {
			show += g.stop.flush()
		}
		g.show(show)
	}
	if r.Ended == "" {
		switch {
		case len(r.Generated) == g.opt.n:
			r.Ended = "number"
		case len(r.Tokens)+len(r.Generated) > positions:
			r.Ended = "full"
		default:
			r.Ended = "stop"
		}
	}
	if len(r.Generated) > 0 && g.err == nil {
		_, g.err = fmt.Fprintln(g.w)
	}
}

// speed says how many tokens there were per second.
func (g *generator) speed(chatter io.Writer) {
	r := &g.result
	rate := func(n int, seconds float64) float64 { return float64(n) / max(seconds, 1e-9) }
	fmt.Fprintf(chatter, "prompt: %d tokens in %.2f s, %.1f tokens/s", len(r.Tokens), r.Prompt, rate(len(r.Tokens), r.Prompt))
	if n := len(r.Generated) - 1; n > 0 {
		fmt.Fprintf(chatter, "; then %d in %.2f s, %.1f tokens/s", n, r.Seconds-r.Prompt, rate(n, r.Seconds-r.Prompt))
	}
	fmt.Fprintf(chatter, "; ended: %s\n", cmp.Or(r.Ended, "number"))
}

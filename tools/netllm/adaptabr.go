// The adapt abr command: a policy is learned from a pool.

package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"netllm/netllm"
	"netllm/netllm/abr"
	"netllm/ops"
	"netllm/tools/internal/cli"
	"netllm/transformer"
)

// adaptABR holds the flags of adapt abr.
type adaptABR struct {
	flags  cli.Flags
	dev    cli.Device
	model  modelFlags
	pool   string
	out    string
	recipe string
	epochs int
}

// adaptResult is what adapt --json prints.
type adaptResult struct {
	Task       string           `json:"task"`
	Model      string           `json:"model"`
	Body       string           `json:"body"`
	Adapter    string           `json:"adapter"` // folder
	Device     string           `json:"device"`
	CPU        string           `json:"cpu"`
	Threads    int              `json:"threads"`
	Seed       uint64           `json:"seed"`
	Pool       *collectResult   `json:"pool"`
	Recipe     abr.Recipe       `json:"recipe"`
	Returns    abr.Conditioning `json:"conditioning"`
	Parameters int              `json:"parameters"` // trained
	Seconds    float64          `json:"seconds"`
	Loss       []curvePoint     `json:"loss"`
	Command    string           `json:"command"`

	// BaseSHA256 is the hash of the frozen weights, the same before and
	// after training.
	BaseSHA256 string `json:"base_sha256"`
}

func newAdaptABR(line string) *cobra.Command {
	a := &adaptABR{}
	cmd := &cobra.Command{
		Use:   "abr --out DIR",
		Short: "Learn an adaptive bitrate policy from a pool",
		Long: "Adapt abr trains an adapter - low-rank matrices, encoder, head - around a frozen\n" +
			"language model to act as a pool's episodes of high return do, and writes it to a\n" +
			"folder. Recipe paper is the published training, scaled to the model; best is this\n" +
			"project's own.",
		Example: "  netllm adapt abr --model stories260k-f32.gguf --pool pool.safetensors --out run/abr\n" +
			"  netllm adapt abr --model stories260k-f32.gguf --pool pool.safetensors --out run/control --body random",
		Args: cli.NoArgs,
		RunE: cli.Action(func(cmd *cobra.Command, _ []string) error { return a.run(cmd, line) }),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	a.model.add(cmd)
	a.model.addBody(cmd)
	fs.StringVar(&a.pool, "pool", "", "learn from `POOL`, as collect abr writes it (default: what\nquickstart collects, on generated data)")
	fs.StringVar(&a.out, "out", "", "write the adapter to the folder `DIR`")
	fs.StringVar(&a.recipe, "recipe", "best", "train as `NAME` says: "+strings.Join(abr.Recipes, " or "))
	fs.IntVar(&a.epochs, "epochs", 0, "go over the pool `N` times (default the recipe's)")
	a.flags.AddSeed(cmd, 1)
	a.dev.AddFlags(cmd)
	a.flags.AddJSON(cmd)
	return cmd
}

func (a *adaptABR) run(cmd *cobra.Command, line string) error {
	if a.epochs < 0 {
		return cli.Usagef("--epochs %d: want 1 or more", a.epochs)
	}
	if err := checkRecipe(a.recipe, abr.Recipes); err != nil {
		return err
	}
	used, err := readyToAdapt(&a.dev, &a.flags, a.out)
	if err != nil {
		return err
	}
	b, err := used.OpenPinned()
	if err != nil {
		return err
	}
	defer b.Close()
	m, err := a.model.open(b)
	if err != nil {
		return err
	}
	defer m.Close()
	var pool *netllm.Pool
	if a.pool != "" {
		if pool, err = netllm.ReadPool(a.pool, "abr"); err != nil {
			return err
		}
	}
	used.Print(cmd.ErrOrStderr())
	if pool == nil {
		if pool, err = collectDefault(cmd.Context(), used, line, cmd.ErrOrStderr()); err != nil {
			return err
		}
	}
	r, err := abr.NewRecipe(a.recipe, m, a.flags.Seed)
	if err != nil {
		return err
	}
	if a.epochs > 0 {
		r.Epochs = a.epochs
	}
	adapter, result, err := trainABR(cmd.Context(), b, m, pool, r, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	if err := adapter.Write(b, a.out, m, a.model.name(), a.flags.Force); err != nil {
		return err
	}
	result.Model, result.Body, result.Adapter, result.Command = a.model.name(), a.model.body, a.out, line
	result.Device, result.CPU, result.Threads, result.Seed = used.Device, used.CPU, used.Threads, a.flags.Seed
	result.Pool = describePool(a.pool, pool)
	if _, err := fmt.Fprintf(a.flags.Results(cmd), "%s: %d parameters trained in %.1f s, loss %.4f\n",
		a.out, result.Parameters, result.Seconds, result.Loss[len(result.Loss)-1].Loss); err != nil {
		return err
	}
	return a.flags.WriteJSON(cmd, result)
}

// trainABR trains an adapter around body and says how it went.
func trainABR(ctx context.Context, b ops.Backend, body transformer.Adaptable, pool *netllm.Pool, r abr.Recipe, chatter io.Writer) (*abr.Adapter, *adaptResult, error) {
	adapter, err := abr.NewAdapter(b, body, pool, r)
	if err != nil {
		return nil, nil, err
	}
	result := &adaptResult{Task: "abr", Recipe: r}
	for _, p := range adapter.Params() {
		result.Parameters += p.Value.Len()
	}
	fmt.Fprintf(chatter, "adapt: recipe %s, rank %d, window %d steps, %d epochs, %d parameters to train\n",
		r.Name, r.LoRA.Rank, r.Network.Window, r.Epochs, result.Parameters)
	var losses curve
	progress := steps{chatter: chatter}
	defer progress.close()
	began := time.Now()
	result.BaseSHA256, err = keepFrozen(b, body, chatter, func() error {
		return adapter.Train(ctx, b, pool, func(p abr.Progress) {
			losses.add(p.Step, p.Steps, p.Loss)
			progress.set(p.Step, p.Steps, fmt.Sprintf("loss %.4f", losses.recent))
		})
	})
	if err != nil {
		return nil, nil, err
	}
	result.Seconds, result.Loss, result.Returns = time.Since(began).Seconds(), losses.points, adapter.Cond
	return adapter, result, nil
}

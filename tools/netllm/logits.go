// The logits command: what a model expects after each of some tokens.

package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"netllm/ops"
	"netllm/tools/internal/cli"
	"netllm/transformer"
)

// logitsResult is what logits --json prints.
type logitsResult struct {
	Tokens    []int32          `json:"tokens"`
	Positions []positionLogits `json:"positions"`
}

// positionLogits are the largest logits after the token at a position, largest
// first, of equal ones that of the smaller id.
type positionLogits struct {
	Pos int          `json:"pos"`
	Top []tokenLogit `json:"top"`
}

type tokenLogit struct {
	ID    int32   `json:"id"`
	Logit float32 `json:"logit"`
}

func newLogits() *cobra.Command {
	var flags cli.Flags
	var dev cli.Device
	var model modelFlags
	var tokens string
	var top int
	cmd := &cobra.Command{
		Use:   "logits --tokens IDS",
		Short: "Print a language model's largest logits at every position",
		Long: "Logits runs tokens through a language model in one pass and prints, for every\n" +
			"position, the largest logits of the token that follows.",
		Example: "  netllm logits --model stories260k-f32.gguf --tokens 1,403,407 --top 3\n" +
			"  netllm logits --model stories260k-f32.gguf --tokens 1,403,407 --json",
		Args: cli.NoArgs,
		RunE: cli.Action(func(cmd *cobra.Command, _ []string) error {
			if tokens == "" {
				return cli.Usagef("--tokens is needed")
			}
			ids, err := parseTokens("--tokens", tokens)
			if err != nil {
				return err
			}
			if top < 1 {
				return cli.Usagef("--top %d: want 1 or more", top)
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
			m, err := model.load(b)
			if err != nil {
				return err
			}
			defer m.Close()
			used.Print(cmd.ErrOrStderr())
			result, err := topLogits(b, m, ids, top)
			if err != nil {
				return err
			}
			if flags.JSON != "-" {
				if err := result.table().Print(cmd.OutOrStdout()); err != nil {
					return err
				}
			}
			return flags.WriteJSON(cmd, result)
		}),
	}
	cmd.Flags().SortFlags = false
	model.add(cmd)
	cmd.Flags().StringVar(&tokens, "tokens", "", "run the tokens `IDS`, separated by commas")
	cmd.Flags().IntVar(&top, "top", 10, "print the `N` largest logits of each position")
	dev.AddFlags(cmd)
	flags.AddJSON(cmd)
	return cmd
}

// topLogits runs ids through m.
func topLogits(b ops.Backend, m transformer.Model, ids []int32, top int) (*logitsResult, error) {
	c := ops.NewContext(b)
	defer c.Arena.Free()
	logits, err := transformer.TokenLogits(c, m, ids)
	if err != nil {
		return nil, err
	}
	all, err := c.Floats(logits)
	if err != nil {
		return nil, err
	}
	result := &logitsResult{Tokens: ids}
	vocab := m.Shape().Vocab
	for pos := range ids {
		row := make([]tokenLogit, vocab)
		for id := range row {
			row[id] = tokenLogit{int32(id), all[pos*vocab+id]}
		}
		slices.SortStableFunc(row, func(a, b tokenLogit) int { return cmp.Compare(b.Logit, a.Logit) })
		result.Positions = append(result.Positions, positionLogits{pos, row[:min(top, vocab)]})
	}
	return result, nil
}

func (r *logitsResult) table() *cli.Table {
	t := &cli.Table{Columns: []string{"pos", "token", "next: id logit"}}
	for i, p := range r.Positions {
		cells := make([]string, len(p.Top))
		for j, l := range p.Top {
			cells[j] = fmt.Sprintf("%d %.4f", l.ID, l.Logit)
		}
		t.Add(strconv.Itoa(p.Pos), strconv.Itoa(int(r.Tokens[i])), strings.Join(cells, ", "))
	}
	return t
}

// What the adapt commands share.

package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"netllm/netllm"
	"netllm/ops"
	"netllm/tools/internal/cli"
	"netllm/transformer"
)

// readyToAdapt decides what computes, and fails if what is to be written exists and must not be
// replaced: better before the work than after it.
func readyToAdapt(dev *cli.Device, flags *cli.Flags, out string) (cli.Used, error) {
	if out == "" {
		return cli.Used{}, cli.Usagef("--out is needed")
	}
	used, err := dev.Resolve()
	if err != nil {
		return used, err
	}
	if err := cli.CheckNew(out, flags.Force); err != nil {
		return used, err
	}
	return used, flags.CheckJSON()
}

// bodyFlag is --body.
type bodyFlag struct{ text string }

func (f *bodyFlag) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.text, "body", string(netllm.PretrainedBody), "put `BODY` between encoder and heads: pretrained (frozen), or, as a control,\n"+
		"random[:SEED] (frozen), trained[:SEED] (random, all of it trained), none,\nattention[:SEED] (one trained layer), tuned (pretrained, all of it trained)")
}

func (f *bodyFlag) spec() (netllm.BodySpec, error) {
	spec, err := netllm.ParseBody(f.text)
	if err != nil {
		return spec, cli.Usagef("--%w", err)
	}
	return spec, nil
}

// adaptable is a backend with a body on it.
type adaptable struct {
	ops.Backend
	model transformer.Model // that the body is, or has the shape of
	body  transformer.Adaptable
	close func()
}

// openBody opens a backend, the model on it, and the body that spec makes of that.
func openBody(open func() (ops.Backend, error), m *modelFlags, spec netllm.BodySpec) (*adaptable, error) {
	b, err := open()
	if err != nil {
		return nil, err
	}
	model, err := m.load(b)
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	body, closeBody, err := spec.Open(b, model)
	if err != nil {
		return nil, errors.Join(err, model.Close(), b.Close())
	}
	return &adaptable{b, model, body, func() {
		closeBody()
		model.Close()
		b.Close()
	}}, nil
}

// withBody lends do the body that spec makes of the model, on b.
func (m *modelFlags) withBody(b ops.Backend, spec netllm.BodySpec, do func(body transformer.Adaptable) error) error {
	model, err := m.load(b)
	if err != nil {
		return err
	}
	defer model.Close()
	body, done, err := spec.Open(b, model)
	if err != nil {
		return err
	}
	defer done()
	return do(body)
}

// keepFrozen trains and fails if that changed the frozen weights, whose hash it returns.
func keepFrozen(b ops.Backend, body transformer.Adaptable, chatter io.Writer, train func() error) (hash string, err error) {
	if hash, err = body.Hash(b); err != nil {
		return "", err
	}
	if err := train(); err != nil {
		return "", err
	}
	after, err := body.Hash(b)
	if err == nil && after != hash {
		err = fmt.Errorf("adapt: the frozen weights changed: hash %.12s before training, %.12s after", hash, after)
	}
	if err == nil {
		fmt.Fprintf(chatter, "adapt: frozen weights unchanged, sha256 %.12s\n", hash)
	}
	return hash, err
}

// steps shows the progress of a training whose steps are known when the first is done.
type steps struct {
	chatter  io.Writer
	what     string // "adapt" if it is empty
	progress *cli.Progress
}

func (s *steps) set(done, all int, note string) {
	if s.progress == nil {
		fill(&s.what, "adapt")
		s.progress = cli.NewProgress(s.chatter, s.what, "steps", all)
	}
	s.progress.Set(done, note)
}

func (s *steps) close() {
	if s.progress != nil {
		s.progress.Close()
	}
}

func checkRecipe(name string, known []string) error {
	if slices.Contains(known, name) {
		return nil
	}
	return cli.Usagef("--recipe %q: want %s", name, strings.Join(known, " or "))
}

// validNote tells the loss of late, and the smallest validation error if there is one yet.
func validNote(loss, best float64) string {
	note := fmt.Sprintf("loss %.4f", loss)
	if !math.IsNaN(best) {
		note += fmt.Sprintf(", validation %.4f", best)
	}
	return note
}

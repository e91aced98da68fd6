// What the adapt commands share.

package main

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"netllm/tools/internal/cli"
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

// The data commands: folders of data are made and checked.

package main

import (
	"github.com/spf13/cobra"

	"netllm/tools/internal/cli"
)

func newData(line string) *cobra.Command {
	cmd := cli.Group(&cobra.Command{Use: "data", Short: "Import data sets and check them"})
	cmd.AddCommand(newDataImport(line), newDataCheck(line))
	return cmd
}

// Package datacheck reads a whole folder of data, as docs/data.md lays it out, with the
// readers that the tasks use, and tells what is there and what is wrong with it.
//
//	report, err := datacheck.Check(ctx, "data", nil)
//	for _, fault := range report.Faults { ... }
//
// A fault is what would make a command fail, named as file:line: what. Notes are about
// what is worth knowing and harms nothing, such as the holes of the published sets.
// A task is one file here and one line in tasks.
package datacheck

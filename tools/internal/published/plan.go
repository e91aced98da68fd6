// What is to be done, and doing it.

package published

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// tasks are the parts of the project that have data, in the order of the report.
// Each adds its parts to the plan, and returns an error only if it was interrupted.
var tasks = []func(ctx context.Context, c *Clone, p *Plan) error{planVP, planABR, planCJS}

// Item is a file to be made.
type Item struct {
	From  string // in the clone, with slashes
	To    string // below the folder of data, with slashes
	Bytes int64  // of the result; of a conversion, before it is written, without its header
	write func(ctx context.Context, path string, replace bool) error
}

// Part is a group of files: a data set, a video ...
type Part struct {
	Task, Name string
	Items      []Item
}

// Bytes returns the size of all files of the part.
func (p *Part) Bytes() (n int64) {
	for _, item := range p.Items {
		n += item.Bytes
	}
	return n
}

// Gap is something that was expected and is not imported.
type Gap struct {
	What string `json:"what"` // a part, or a path in the clone
	Why  string `json:"why"`
}

// String returns the gap as one line.
func (g Gap) String() string { return fmt.Sprintf("%s: %s", g.What, g.Why) }

// Plan is what an import will do.
type Plan struct {
	Parts   []Part
	Missing []Gap    // parts that the clone does not have, or has in part
	Refused []Gap    // what the clone has but what is not safe or not right
	Notes   []string // choices made
}

// add adds a part that has files.
func (p *Plan) add(part Part) {
	if len(part.Items) > 0 {
		p.Parts = append(p.Parts, part)
	}
}

func (p *Plan) missing(what, format string, args ...any) {
	p.Missing = append(p.Missing, Gap{what, fmt.Sprintf(format, args...)})
}

func (p *Plan) refuse(path string, err error) {
	p.Refused = append(p.Refused, Gap{fmt.Sprintf("%q", path), err.Error()})
}

// Files returns the number of files.
func (p *Plan) Files() (n int) {
	for _, part := range p.Parts {
		n += len(part.Items)
	}
	return n
}

// Plan finds out what is to be done. There may be nothing.
func (c *Clone) Plan(ctx context.Context) (*Plan, error) {
	p := &Plan{}
	for _, task := range tasks {
		if err := task(ctx, c, p); err != nil {
			return nil, err
		}
	}
	return p, ctx.Err()
}

// Check fails if one of the files exists in the folder to, unless replace is set.
func (p *Plan) Check(to string, replace bool) error {
	var first string
	n := 0
	for _, part := range p.Parts {
		for _, item := range part.Items {
			path := filepath.Join(to, filepath.FromSlash(item.To))
			switch _, err := os.Lstat(path); {
			case errors.Is(err, fs.ErrNotExist):
			case err != nil:
				return err
			default:
				if n++; n == 1 {
					first = path
				}
			}
		}
	}
	switch {
	case n == 0 || replace:
		return nil
	case n == 1:
		return fmt.Errorf("%s: %w (--force replaces it)", first, fs.ErrExist)
	}
	return fmt.Errorf("%s and %d more: %w (--force replaces them)", first, n-1, fs.ErrExist)
}

// Write makes the files below the folder to. Each is whole or not there; those
// written before an error or an interruption stay. A file that exists is an error
// unless replace is set, and then nothing is written. progress, which may be nil,
// is told how many files are done.
func (p *Plan) Write(ctx context.Context, to string, replace bool, progress func(done int)) error {
	if err := p.Check(to, replace); err != nil {
		return err
	}
	done := 0
	for _, part := range p.Parts {
		for i := range part.Items {
			item := &part.Items[i]
			if err := ctx.Err(); err != nil {
				return err
			}
			path := filepath.Join(to, filepath.FromSlash(item.To))
			if err := item.write(ctx, path, replace); err != nil {
				return err
			}
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			item.Bytes = info.Size()
			if done++; progress != nil {
				progress(done)
			}
		}
	}
	return nil
}

// Going through a folder, and what is kept of it.

package datacheck

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// tasks are the folders of data, each with the one who finds its files.
var tasks = []struct {
	folder string
	find   func(c *check, dir string)
}{
	{"vp", findVP},
	{"abr", findABR},
	{"cjs", findCJS},
}

// maxListed is how many faults of one kind of files are listed.
const maxListed = 20

// Part is a group of files: a data set, a video ...
type Part struct {
	Task  string `json:"task"`
	Name  string `json:"name"`
	Files int    `json:"files"`
	Rows  int    `json:"rows"`  // of all files that could be read
	Holds string `json:"holds"` // in words: "27 videos, 84 users"
}

// Report is what a check found.
type Report struct {
	Parts  []Part
	Faults []string // one line each, at most 20 for a part, and then how many more
	Count  int      // of all faults
	Notes  []string
}

// check is a check under way. The tasks first say what there is to read, which is then
// read file by file.
type check struct {
	report Report
	work   []work
	listed map[string]int // faults by part
}

// work is to read files and to say how it went.
type work struct {
	files int
	do    func()
}

// Check checks the folder dir. It fails if there is no data in it, or if it is
// interrupted; faults of the data are no error. progress, which may be nil, is told how
// many files are done, and of how many.
func Check(ctx context.Context, dir string, progress func(done, total int)) (*Report, error) {
	c := &check{listed: map[string]int{}}
	if info, err := os.Stat(dir); err != nil {
		return nil, err
	} else if !info.IsDir() {
		return nil, fmt.Errorf("%s is not a folder", dir)
	}
	var absent []string
	for _, task := range tasks {
		folder := filepath.Join(dir, task.folder)
		if info, err := os.Stat(folder); err != nil || !info.IsDir() {
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
			absent = append(absent, task.folder+"/")
			continue
		}
		task.find(c, folder)
	}
	if len(absent) == len(tasks) {
		return nil, fmt.Errorf("no data in %s: it has no folder %s", dir, strings.Join(absent, " or "))
	}
	for _, name := range absent {
		c.note("no folder %s", name)
	}
	total := 0
	for _, w := range c.work {
		total += w.files
	}
	done := 0
	for _, w := range c.work {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		w.do()
		if done += w.files; progress != nil && w.files > 0 {
			progress(done, total)
		}
	}
	for _, part := range c.report.Parts {
		name := part.Task + " " + part.Name
		if more := c.listed[name] - maxListed; more > 0 {
			c.report.Faults = append(c.report.Faults, fmt.Sprintf("%s: %d more faults", name, more))
		}
		c.report.Count += c.listed[name]
	}
	return &c.report, nil
}

// part adds a part and returns its index: the list moves while it grows.
func (c *check) part(task, name string) int {
	c.report.Parts = append(c.report.Parts, Part{Task: task, Name: name})
	return len(c.report.Parts) - 1
}

func (c *check) later(files int, do func()) { c.work = append(c.work, work{files, do}) }

func (c *check) note(format string, args ...any) {
	c.report.Notes = append(c.report.Notes, fmt.Sprintf(format, args...))
}

// fault records what is wrong with the file at path, which belongs to a part.
func (c *check) fault(part int, path string, err error) {
	p := c.report.Parts[part]
	name := p.Task + " " + p.Name
	if c.listed[name]++; c.listed[name] <= maxListed {
		c.report.Faults = append(c.report.Faults, located(path, err))
	}
}

// located returns an error as one line that begins with the file, and the line in it if
// the error has one. The readers say the same in several ways.
func located(path string, err error) string {
	text := err.Error()
	_, after, ok := strings.Cut(text, path+":")
	if !ok {
		return path + ": " + text
	}
	if line, ok := strings.CutPrefix(after, " line "); ok {
		return path + ":" + line
	}
	return path + ":" + after
}

// list returns the entries of a folder that are not hidden, in the order of their names.
func (c *check) list(part int, dir string) []fs.DirEntry {
	entries, err := os.ReadDir(dir)
	if err != nil {
		c.fault(part, dir, plain(err))
		return nil
	}
	var shown []fs.DirEntry
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			shown = append(shown, e)
		}
	}
	return shown
}

// regular reports whether path is, or leads to, a regular file; else that is a fault.
// Anything else may wait for ever when it is opened.
func (c *check) regular(part int, path string) bool {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		c.fault(part, path, plain(err))
	case !info.Mode().IsRegular():
		c.fault(part, path, errors.New("not a regular file"))
	default:
		return true
	}
	return false
}

// plain is err without the path, which stands before it already.
func plain(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// isDir reports whether path is, or leads to, a folder.
func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// counted is a number with its noun: "1 video", "2 videos".
func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// some lists the first few of names.
func some(names []string) string {
	const few = 5
	if len(names) > few {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
	}
	return strings.Join(names, ", ")
}

// Reading a clone without trusting it.

package published

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"netllm/tools/internal/cli"
)

// Clone is a folder that nothing is read from the outside of: a link that leads
// out of it does not open.
type Clone struct {
	root *os.Root
}

// Open opens the folder of a clone.
func Open(dir string) (*Clone, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &Clone{root}, nil
}

// Close closes the folder. Plans of it cannot be written any more.
func (c *Clone) Close() error { return c.root.Close() }

// has reports whether the clone has something of that name, whatever it is, and be it
// behind a link that is not followed.
func (c *Clone) has(name string) bool {
	_, err := c.root.Lstat(filepath.FromSlash(name))
	return !errors.Is(err, fs.ErrNotExist)
}

// list returns the names in a folder in the order of their bytes, none if there
// is no such folder. Hidden files are passed over; names that are no plain names are refused.
func (c *Clone) list(p *Plan, dir string) []string {
	info, err := c.root.Stat(filepath.FromSlash(dir))
	if err == nil && !info.IsDir() {
		err = errors.New("is not a folder")
	}
	var entries []fs.DirEntry
	if err == nil {
		entries, err = c.readDir(dir)
	}
	if err != nil {
		if c.has(dir) {
			p.refuse(dir, plain(err))
		}
		return nil
	}
	var names []string
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, ".") {
			continue
		}
		if err := checkName(name); err != nil {
			p.refuse(dir+"/"+name, err)
			continue
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (c *Clone) readDir(dir string) ([]fs.DirEntry, error) {
	f, err := c.root.Open(filepath.FromSlash(dir))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.ReadDir(-1)
}

// checkName refuses names that mean something else on some system, or that
// cannot be shown.
func checkName(name string) error {
	switch {
	case !utf8.ValidString(name):
		return errors.New("the name is not UTF-8")
	case strings.ContainsAny(name, `/\`):
		return errors.New("the name has a separator of paths in it")
	case strings.ContainsFunc(name, unicode.IsControl):
		return errors.New("the name has a control character in it")
	case !filepath.IsLocal(name):
		return errors.New("the name is no plain name of a file")
	}
	return nil
}

// size returns the size of a regular file, or why it is not to be read.
func (c *Clone) size(name string) (int64, error) {
	info, err := c.root.Stat(filepath.FromSlash(name))
	if err != nil {
		return 0, plain(err)
	}
	if !info.Mode().IsRegular() {
		return 0, fmt.Errorf("is not a regular file (%v)", info.Mode().Type())
	}
	return info.Size(), nil
}

// open opens a regular file.
func (c *Clone) open(name string) (*os.File, error) {
	if _, err := c.size(name); err != nil { // before opening: a named pipe would wait
		return nil, err
	}
	f, err := c.root.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, plain(err)
	}
	return f, nil
}

// read returns the content of a regular file of at most limit bytes.
func (c *Clone) read(name string, limit int64) ([]byte, error) {
	n, err := c.size(name)
	if err != nil {
		return nil, err
	}
	if n > limit {
		return nil, fmt.Errorf("has %d bytes, at most %d are read", n, limit)
	}
	f, err := c.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) != n {
		err = fmt.Errorf("has %d bytes, had %d", len(data), n)
	}
	return data, err
}

// copied adds to part the file name, which is to be to, unchanged.
func (c *Clone) copied(p *Plan, part *Part, name, to string) {
	n, err := c.size(name)
	if err != nil {
		p.refuse(name, err)
		return
	}
	part.Items = append(part.Items, Item{From: name, To: to, Bytes: n, write: func(ctx context.Context, path string, replace bool) error {
		f, err := c.open(name)
		if err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
		defer f.Close()
		return cli.WriteFile(path, replace, func(w io.Writer) error {
			got, err := io.Copy(&watched{ctx, w}, f)
			if err == nil && got != n {
				err = fmt.Errorf("%q: has %d bytes, had %d", name, got, n)
			}
			return errors.Join(err, ctx.Err())
		})
	}})
}

// watched is a writer that fails once the import is interrupted.
type watched struct {
	ctx context.Context
	w   io.Writer
}

func (w *watched) Write(b []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.w.Write(b)
}

// plain is err without the operation and the path, which the reader is told already.
func plain(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// numbered reads the number of a name such as "video12", which must have no
// leading zero.
func numbered(name, prefix, suffix string) (digits string, ok bool) {
	digits, ok = strings.CutPrefix(name, prefix)
	if ok {
		digits, ok = strings.CutSuffix(digits, suffix)
	}
	if !ok || digits == "" || len(digits) > 6 || digits[0] == '0' || strings.Trim(digits, "0123456789") != "" {
		return "", false
	}
	return digits, true
}

// leftOut notes the names in dir that were no part of anything.
func (p *Plan) leftOut(dir string, names []string) {
	switch len(names) {
	case 0:
	case 1:
		p.Notes = append(p.Notes, fmt.Sprintf("%q is left out: not a name that is known there", path.Join(dir, names[0])))
	default:
		p.Notes = append(p.Notes, fmt.Sprintf("%q and %d more in its folder are left out: not names that are known there", path.Join(dir, names[0]), len(names)-1))
	}
}

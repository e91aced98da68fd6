package pretrain

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Corpus is text in two parts: one to train on and one to measure with.
type Corpus struct {
	Source  string // what it was made from
	Train   []byte
	HeldOut []byte
}

// heldOutEvery is how many packages there are per held-out one.
const heldOutEvery = 20

// Hash returns the SHA-256 of both parts.
func (c *Corpus) Hash() string {
	h := sha256.New()
	fmt.Fprintf(h, "%d %d\n", len(c.Train), len(c.HeldOut))
	h.Write(c.Train)
	h.Write(c.HeldOut)
	return hex.EncodeToString(h.Sum(nil))
}

// Goroot returns the folder of the Go installation: the environment's GOROOT,
// or what the go command on the path says.
func Goroot(ctx context.Context) (string, error) {
	if dir := os.Getenv("GOROOT"); dir != "" {
		return dir, nil
	}
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("pretrain: go env GOROOT: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// GoDocs returns the documentation comments of the standard library in
// goroot/src: of packages, declarations, fields and methods, package after
// package in the order of import paths, without the tools (cmd), vendored code
// and tests. Whole packages are held out, so that no sentence is in both parts
// because its package repeats it.
func GoDocs(goroot string) (*Corpus, error) {
	src := filepath.Join(goroot, "src")
	packages := map[string][]string{}
	err := fs.WalkDir(os.DirFS(src), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			switch d.Name() {
			case "cmd", "vendor", "testdata":
				return fs.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			dir := path.Dir(name)
			packages[dir] = append(packages[dir], name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("pretrain: documentation of Go in %s: %w", goroot, err)
	}
	dirs := make([]string, 0, len(packages))
	for dir := range packages {
		dirs = append(dirs, dir)
	}
	slices.Sort(dirs)
	c := &Corpus{Source: "documentation comments of Go's standard library"}
	for i, dir := range dirs {
		part := &c.Train
		if i%heldOutEvery == heldOutEvery-1 {
			part = &c.HeldOut
		}
		slices.Sort(packages[dir])
		for _, name := range packages[dir] {
			if *part, err = appendDocs(*part, filepath.Join(src, filepath.FromSlash(name))); err != nil {
				return nil, err
			}
		}
	}
	if len(c.Train) == 0 || len(c.HeldOut) == 0 {
		return nil, fmt.Errorf("pretrain: no documentation in %s", src)
	}
	return c, nil
}

// TextDir returns the files of a folder that end in .txt or .md, in the order
// of their names; every twentieth is held out, or, of fewer files, the last
// twentieth of the text.
func TextDir(dir string) (*Corpus, error) {
	var names []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && (strings.HasSuffix(name, ".txt") || strings.HasSuffix(name, ".md")) {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("pretrain: %w", err)
	}
	slices.Sort(names)
	c := &Corpus{Source: dir}
	for i, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("pretrain: %w", err)
		}
		if i%heldOutEvery == heldOutEvery-1 {
			c.HeldOut = append(c.HeldOut, text...)
		} else {
			c.Train = append(c.Train, text...)
		}
	}
	if len(c.HeldOut) == 0 {
		cut := len(c.Train) - len(c.Train)/heldOutEvery
		c.Train, c.HeldOut = c.Train[:cut], c.Train[cut:]
	}
	if len(c.HeldOut) < 2 {
		return nil, fmt.Errorf("pretrain: %s: %d bytes of text in %d files (.txt, .md)", dir, len(c.Train)+len(c.HeldOut), len(names))
	}
	return c, nil
}

// appendDocs appends the text of a file's documentation comments, in the order
// of the file, an empty line after each.
func appendDocs(text []byte, name string) ([]byte, error) {
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("pretrain: %w", err)
	}
	add := func(doc *ast.CommentGroup) {
		if s := doc.Text(); s != "" {
			text = append(append(text, s...), '\n')
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.File:
			add(n.Doc)
		case *ast.FuncDecl:
			add(n.Doc)
			return false // comments inside functions are no documentation
		case *ast.GenDecl:
			add(n.Doc)
		case *ast.TypeSpec:
			add(n.Doc)
		case *ast.ValueSpec:
			add(n.Doc)
			return false
		case *ast.Field:
			add(n.Doc)
		}
		return true
	})
	return text, nil
}

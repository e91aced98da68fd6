package house

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// pkg is what `go list -json` says of a package.
type pkg struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
	Standard     bool
}

// layer is a part of the house: who belongs to it, which other parts it may
// import, and which modules from outside.
type layer struct {
	prefix  string
	parts   []string
	modules []string
}

// layers lists the arrows of docs/architecture.md. A package belongs to the
// first layer whose prefix it has.
var layers = []layer{
	{"netllm/internal", []string{"netllm/internal", "netllm/tensor", "netllm/ops"}, []string{"golang.org/x/sys"}},
	{"netllm/tensor", []string{"netllm/tensor", "netllm/internal"}, []string{"golang.org/x/sys"}},
	{"netllm/ops/asm", []string{"netllm/internal/guard"}, []string{"golang.org/x/sys", "github.com/klauspost/cpuid/v2"}},
	{"netllm/ops", []string{"netllm/ops", "netllm/tensor", "netllm/internal"}, []string{"golang.org/x/sys"}},
	{"netllm/gpu", []string{"netllm/gpu", "netllm/ops", "netllm/tensor", "netllm/internal"}, []string{"golang.org/x/sys", "github.com/vulkan-go/vulkan", "github.com/ebitengine/purego"}},
	{"netllm/transformer", []string{"netllm/transformer", "netllm/ops", "netllm/tensor", "netllm/internal"}, nil},
	{"netllm/netllm", []string{"netllm/netllm", "netllm/transformer", "netllm/ops", "netllm/tensor", "netllm/internal"}, []string{"golang.org/x/image"}},
	{"netllm/tools", []string{"netllm"}, []string{""}},
	{"netllm/bench", []string{"netllm"}, nil},
	{"netllm", []string{"netllm"}, nil}, // the selection of benchmarks at the root
}

// forTests may be imported by all tests; those of gputest, which try models on a
// GPU, import what they like of this module.
var forTests = []string{"github.com/google/go-cmp", "netllm/internal", "netllm/gpu/gputest"}

// tasks never import each other.
var tasks = []string{"netllm/netllm/abr", "netllm/netllm/vp", "netllm/netllm/cjs"}

func TestImports(t *testing.T) {
	packages := list(t)
	if len(packages) < len(layers)/2 {
		t.Fatalf("packages listed: got %d", len(packages))
	}
	for _, p := range packages {
		i := slices.IndexFunc(layers, func(l layer) bool { return l.holds(p.ImportPath) })
		if i < 0 {
			t.Errorf("%s belongs to no layer", p.ImportPath)
			continue
		}
		for _, imported := range p.Imports {
			if !layers[i].allows(imported) {
				t.Errorf("%s imports %s", p.ImportPath, imported)
			}
		}
		for _, imported := range slices.Concat(p.TestImports, p.XTestImports) {
			if !layers[i].allows(imported) && !slices.ContainsFunc(forTests, func(s string) bool { return within(imported, s) }) &&
				imported != p.ImportPath && !(p.ImportPath == "netllm/gpu/gputest" && within(imported, "netllm")) {
				t.Errorf("tests of %s import %s", p.ImportPath, imported)
			}
		}
		for _, a := range tasks {
			for _, b := range tasks {
				if a != b && within(p.ImportPath, a) && slices.ContainsFunc(p.Imports, func(s string) bool { return within(s, b) }) {
					t.Errorf("%s imports a package of another task, %s", p.ImportPath, b)
				}
			}
		}
	}
}

func (l layer) allows(imported string) bool {
	if standard(imported) {
		return true
	}
	if within(imported, "netllm") {
		return slices.ContainsFunc(l.parts, func(prefix string) bool { return within(imported, prefix) })
	}
	return slices.ContainsFunc(l.modules, func(m string) bool { return m == "" || within(imported, m) })
}

// standard reports whether a path is of Go's own library: its first part has
// no dot, and it is not this module.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".") && first != "netllm"
}

// holds reports whether a package is of the layer; the root is a layer of its own.
func (l layer) holds(path string) bool {
	if l.prefix == "netllm" {
		return path == "netllm"
	}
	return within(path, l.prefix)
}

func within(path, prefix string) bool {
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}

func list(t *testing.T) []pkg {
	t.Helper()
	// What go list reads is no input of this test that go test knows of: look
	// at every file, so that a cached result is used only if none has changed.
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".go") {
			_, err = os.Stat(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports,Standard", "netllm/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var packages []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

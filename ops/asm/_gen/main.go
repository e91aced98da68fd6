// Command _gen writes the assembly of package asm: for every file below a .s and
// the Go file with its stubs. The output depends on nothing but this program.
//
//	go -C ops/asm/_gen run .
package main

import (
	"bytes"
	"log"
	"os"
	"path/filepath"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/pass"
	"github.com/mmcloughlin/avo/printer"
)

var files = []struct {
	name string
	emit func(*gen)
}{
	{"gemm", gemmFile},
	{"gemv", gemvFile},
	{"pack", packFile},
	{"strips", stripsFile},
	{"elementwise", elementwiseFile},
	{"reduce", reduceFile},
	{"exp", expFile},
	{"convert", convertFile},
	{"layers", layersFile},
	{"blockgemv", blockGemvFile},
	{"blockgemm", blockGemmFile},
	{"blockexpand", blockExpandFile},
	{"blockgemv_avx2", blockGemvAVX2File},
	{"blockgemv_quantize", quantizeVectorFile},
	{"blockgemv_file", blockGemvFileFile},
}

func main() {
	log.SetFlags(0)
	for _, f := range files {
		g := &gen{Context: build.NewContext()}
		g.ConstraintExpr("!noasm")
		f.emit(g)
		if err := g.write("..", f.name); err != nil {
			log.Fatalf("%s: %v", f.name, err)
		}
	}
}

// gen is avo's context with the few things that kernels share.
type gen struct {
	*build.Context
	masks      operand.Mem // see maskTable
	haveMasks  bool
	spread     operand.Mem // see spreadTable
	haveSpread bool
	iq4        operand.Mem // see iq4Table
	haveIQ4    bool
}

func (g *gen) write(dir, name string) error {
	file, err := g.Result()
	if err != nil {
		return err
	}
	if err := pass.Compile.Execute(file); err != nil {
		return err
	}
	cfg := printer.Config{Argv: []string{"go", "-C", "_gen", "run", "."}, Pkg: "asm"}
	if err := writeTo(filepath.Join(dir, name+"_amd64.s"), printer.NewGoAsm(cfg), file); err != nil {
		return err
	}
	return writeTo(filepath.Join(dir, name+"_stubs_amd64.go"), printer.NewStubs(cfg), file)
}

func writeTo(path string, p printer.Printer, file *ir.File) error {
	out, err := p.Print(file)
	if err != nil {
		return err
	}
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, out) {
		return nil
	}
	return os.WriteFile(path, out, 0o644)
}

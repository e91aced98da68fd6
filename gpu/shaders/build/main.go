// Command build compiles the shaders of the folder above it to spirv/, and
// notes in spirv/SUMS from which source, options and compiler each came.
//
//	go run ./gpu/shaders/build            compile what has changed, and all that this compiler made differently
//	go run ./gpu/shaders/build -check     compile nothing new, fail if a checked-in file is not that of its source
//	go run ./gpu/shaders/build -only 'matvec'
//
// glslc is Debian 12's. Sources marked tool=glslang need glslang 15 or newer; -glslang
// or the environment's GLSLANG says where it is. Without it those are left as they
// are, which is told, and an error if their source has changed.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func main() {
	dir := flag.String("dir", "gpu/shaders", "folder of the sources")
	check := flag.Bool("check", false, "compare with the checked-in files, and write nothing")
	only := flag.String("only", "", "compile the shaders whose name matches this pattern")
	glslang := flag.String("glslang", os.Getenv("GLSLANG"), "a glslang of version 15 or newer")
	flag.Parse()
	if err := build(*dir, *check, *only, *glslang); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

func build(dir string, check bool, only, glslang string) error {
	pattern, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	variants, err := list(dir)
	if err != nil {
		return err
	}
	sums, err := readSums(filepath.Join(dir, "spirv", "SUMS"))
	if err != nil {
		return err
	}
	compilers := map[string]*compiler{"glslc": newCompiler("glslc", "glslc"), "glslang": newCompiler("glslang", glslang)}
	compiled, left := 0, 0
	var faults []string
	for _, v := range variants {
		if !pattern.MatchString(v.name) {
			continue
		}
		c := compilers[v.tool]
		if c == nil {
			return fmt.Errorf("%s: no tool %q", v.source, v.tool)
		}
		out := filepath.Join(dir, "spirv", v.name+".spv")
		old, _ := os.ReadFile(out)
		noted := sums[v.name]
		same := noted.source == v.hash && noted.binary == hash(old) && len(old) > 0
		if c.version == "" || (check && c.version != noted.compiler) || (!check && same && c.version == noted.compiler) {
			// Nothing to compile with, or nothing to be learned from it.
			if !same {
				faults = append(faults, fmt.Sprintf("%s: source, options or file are not those of spirv/SUMS, and it was not compiled with %s", v.name, c.describe()))
			}
			left++
			continue
		}
		code, err := c.compile(dir, v)
		if err != nil {
			return err
		}
		compiled++
		switch {
		case check && !bytes.Equal(code, old):
			faults = append(faults, fmt.Sprintf("%s: compiling %s gives other code than spirv/%s.spv", v.name, v.source, v.name))
		case check && !same:
			faults = append(faults, v.name+": spirv/SUMS is not up to date")
		case !check:
			if err := os.WriteFile(out, code, 0o644); err != nil {
				return err
			}
			sums[v.name] = sum{v.hash, hash(code), c.version}
		}
	}
	names := make([]string, len(variants))
	for i, v := range variants {
		names[i] = v.name
	}
	for name := range sums {
		if !slices.Contains(names, name) {
			if check {
				faults = append(faults, name+": in spirv/SUMS, but nothing makes it")
				continue
			}
			delete(sums, name)
			if err := os.Remove(filepath.Join(dir, "spirv", name+".spv")); err != nil {
				return err
			}
		}
	}
	fmt.Printf("%d shaders compiled, %d left as they are\n", compiled, left)
	if len(faults) > 0 {
		return fmt.Errorf("%d faults:\n%s", len(faults), strings.Join(faults, "\n"))
	}
	if check {
		return nil
	}
	return writeSums(filepath.Join(dir, "spirv", "SUMS"), sums)
}

// compiler is one program that makes SPIR-V.
type compiler struct {
	tool, path, version string // version is empty if it is not there
}

var versionLine = regexp.MustCompile(`(?m)^(shaderc|Glslang Version|glslang).*$`)

func newCompiler(tool, path string) *compiler {
	c := &compiler{tool: tool, path: path}
	if path == "" {
		return c
	}
	out, err := exec.Command(path, "--version").CombinedOutput()
	if err == nil {
		lines := versionLine.FindAllString(string(out), -1)
		c.version = strings.ReplaceAll(strings.Join(lines, "; "), " ", "_")
	}
	return c
}

func (c *compiler) describe() string {
	if c.version == "" {
		return c.tool + ", which is not there"
	}
	return c.version
}

func (c *compiler) compile(dir string, v variant) ([]byte, error) {
	out, err := os.CreateTemp("", "shader-*.spv")
	if err != nil {
		return nil, err
	}
	defer os.Remove(out.Name())
	defer out.Close()
	args := []string{"-O", "--target-env=vulkan1.1", "-fshader-stage=comp", "-o", out.Name()}
	if c.tool == "glslang" {
		args = []string{"--target-env", "vulkan1.3", "-S", "comp", "-V", "-o", out.Name()}
	}
	cmd := exec.Command(c.path, append(append(args, v.defines...), v.source)...)
	cmd.Dir = dir
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s of %s: %w\n%s", v.name, v.source, err, text)
	}
	return os.ReadFile(out.Name())
}

// Package shaders holds the compute shaders of package gpu as SPIR-V. README.md,
// beside the sources, has the conventions.
package shaders

import (
	"embed"
	"strings"
)

//go:generate go run ./build

//go:embed spirv
var binaries embed.FS

// Code returns the SPIR-V of a shader, such as "swiglu", and whether there is one
// of that name.
func Code(name string) ([]byte, bool) {
	code, err := binaries.ReadFile("spirv/" + name + ".spv")
	return code, err == nil
}

// Names returns the names of all shaders.
func Names() []string {
	entries, err := binaries.ReadDir("spirv")
	if err != nil {
		panic(err) // the folder is embedded
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".spv"); ok {
			names = append(names, name)
		}
	}
	return names
}

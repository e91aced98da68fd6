// The env command: what this machine and this build offer.

package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"netllm/gpu"
	"netllm/ops/asm"
	"netllm/tools/internal/cli"
)

// environment is what env prints.
type environment struct {
	Version    string   `json:"version"`
	Go         string   `json:"go"`
	OS         string   `json:"os"`
	Arch       string   `json:"arch"`
	CPU        cpuInfo  `json:"cpu"`
	Devices    []device `json:"devices"`
	Modules    []module `json:"modules"`
	NETLLMCPU  string   `json:"netllm_cpu"`      // "ok", or what is wrong with the variable
	BuildFlags []string `json:"build,omitempty"` // those that matter: tags, CGO_ENABLED, revision
	Embedded   string   `json:"embedded_model"`
	DataDir    string   `json:"data,omitempty"` // NETLLM_DATA
	DataError  string   `json:"data_error,omitempty"`
}

type cpuInfo struct {
	Name    string   `json:"name"`
	Level   string   `json:"level"`  // kernels in use
	Levels  []string `json:"levels"` // kernels that can run, best first
	Threads int      `json:"threads"`
	Cores   int      `json:"cores"` // logical processors
	L1Data  int      `json:"l1_data_bytes"`
	L2      int      `json:"l2_bytes"`
	L3      int      `json:"l3_bytes"`
}

type device struct {
	Kind  string `json:"kind"`
	Ready bool   `json:"ready"`
	Name  string `json:"name,omitempty"`
	Why   string `json:"why,omitempty"` // it is not ready
}

type module struct {
	Path    string `json:"path"`
	Version string `json:"version"`
}

func newEnv() *cobra.Command {
	var flags cli.Flags
	cmd := &cobra.Command{
		Use:     "env",
		Short:   "Print what this machine and this build offer",
		Example: "  netllm env\n  netllm env --json",
		Args:    cli.NoArgs,
		RunE: cli.Action(func(cmd *cobra.Command, _ []string) error {
			if err := flags.CheckJSON(); err != nil {
				return err
			}
			e := readEnvironment(&flags)
			if flags.JSON != "-" {
				if err := e.print(cmd.OutOrStdout()); err != nil {
					return err
				}
			}
			return flags.WriteJSON(cmd, e)
		}),
	}
	cmd.Flags().SortFlags = false
	flags.AddData(cmd)
	flags.AddJSON(cmd)
	return cmd
}

func readEnvironment(flags *cli.Flags) environment {
	caches := asm.CacheSizes()
	e := environment{
		Version: version(), Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH,
		CPU: cpuInfo{
			Name: asm.CPUName(), Level: asm.Level(), Levels: asm.Implementations(), Threads: runtime.GOMAXPROCS(0),
			Cores: runtime.NumCPU(), L1Data: caches.L1Data, L2: caches.L2, L3: caches.L3,
		},
		Devices:   append([]device{{Kind: "cpu", Ready: true, Name: cli.CPU()}}, vulkanDevices()...),
		Modules:   []module{},
		NETLLMCPU: "ok",
	}
	if err := asm.LevelErr(); err != nil {
		e.NETLLMCPU = cli.OneLine(err.Error())
	}
	e.Embedded, _ = embeddedModel()
	if dir, err := flags.DataDir(); err != nil {
		e.DataError = cli.OneLine(err.Error())
	} else {
		e.DataDir = dir
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Replace != nil {
				m = m.Replace
			}
			e.Modules = append(e.Modules, module{m.Path, m.Version})
		}
		for _, s := range info.Settings {
			switch s.Key {
			case "-tags", "CGO_ENABLED", "GOAMD64", "vcs.revision", "vcs.modified":
				e.BuildFlags = append(e.BuildFlags, s.Key+"="+s.Value)
			}
		}
	}
	return e
}

// vulkanDevices lists the devices of --device vulkan, or says why there is none.
func vulkanDevices() []device {
	list, err := gpu.Devices()
	if err == nil && len(list) == 0 {
		err = gpu.ErrNoDevice
	}
	if err != nil {
		return []device{{Kind: "vulkan", Why: cli.OneLine(err.Error())}}
	}
	var all []device
	for _, d := range list {
		all = append(all, device{
			Kind: fmt.Sprintf("vulkan:%d", d.Index), Ready: true,
			Name: fmt.Sprintf("%s (%s, Vulkan %s through %s, %d MiB)", d.Name, d.Kind, d.API, d.Driver, d.Memory>>20),
		})
	}
	return all
}

func (e environment) print(w io.Writer) error {
	t := cli.Table{Columns: []string{"what", "is"}, Text: 2}
	t.Add("netllm", e.Version)
	t.Add("go", fmt.Sprintf("%s %s/%s", e.Go, e.OS, e.Arch))
	if len(e.BuildFlags) > 0 {
		t.Add("build", strings.Join(e.BuildFlags, " "))
	}
	t.Add("cpu", e.CPU.Name)
	t.Add("kernels", fmt.Sprintf("%s (can run: %s)", e.CPU.Level, strings.Join(e.CPU.Levels, ", ")))
	t.Add("NETLLM_CPU", e.NETLLMCPU)
	t.Add("threads", fmt.Sprintf("%d of %d processors", e.CPU.Threads, e.CPU.Cores))
	t.Add("caches", fmt.Sprintf("L1d %d KiB, L2 %d KiB, L3 %d KiB", e.CPU.L1Data>>10, e.CPU.L2>>10, e.CPU.L3>>10))
	for _, d := range e.Devices {
		state := d.Name
		if !d.Ready {
			state = "none: " + d.Why
		}
		t.Add("device "+d.Kind, state)
	}
	t.Add("embedded model", e.Embedded)
	switch {
	case e.DataError != "":
		t.Add("data", e.DataError)
	case e.DataDir != "":
		t.Add("data", e.DataDir)
	default:
		t.Add("data", "none: NETLLM_DATA is not set")
	}
	for _, m := range e.Modules {
		t.Add("module "+m.Path, m.Version)
	}
	return t.Print(w)
}

// version is the module's version as the build knows it.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(unknown)"
}

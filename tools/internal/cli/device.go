// What computes: --device and --threads, and what they came to.

package cli

import (
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"netllm/ops"
	"netllm/ops/asm"
)

// Device is what --device and --threads ask for.
type Device struct {
	name     string
	threads  int
	noRepack bool
}

// NoVulkan says why there is no device of that kind.
const NoVulkan = "this build has no Vulkan backend"

// AddFlags adds --device and --threads.
func (d *Device) AddFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&d.name, "device", "auto", "compute on `DEVICE`: cpu, vulkan[:N] or auto")
	cmd.Flags().BoolVar(&d.noRepack, "no-repack", false, "compute from the model file as it is: ready at once, no second copy in memory, slower")
	d.AddThreads(cmd)
}

// AddThreads adds --threads alone, for work that no device can do.
func (d *Device) AddThreads(cmd *cobra.Command) {
	cmd.Flags().IntVar(&d.threads, "threads", 0, "use `N` CPU threads (default all)")
}

// Used is what computes, as opposed to what was asked for.
type Used struct {
	Device  string `json:"device"`  // "cpu"
	CPU     string `json:"cpu"`     // kernels and processor: "avx512 (AMD EPYC 9B14)"
	Threads int    `json:"threads"` // that compute at a time

	auto     bool
	noRepack bool
}

// Resolve decides what computes. It fails if it was asked for what this
// machine or build does not have.
func (d *Device) Resolve() (Used, error) {
	u := Used{Device: "cpu", CPU: CPU(), Threads: d.threads, noRepack: d.noRepack}
	kind, index, indexed := strings.Cut(d.name, ":")
	switch kind {
	case "", "cpu", "auto":
		u.auto = kind == "auto"
		if indexed {
			return u, Usagef("--device %s: only vulkan has numbers", d.name)
		}
	case "vulkan":
		if n, err := strconv.Atoi(index); indexed && (err != nil || n < 0) {
			return u, Usagef("--device %s: %q is not the number of a device", d.name, index)
		}
		return u, fmt.Errorf("--device %s: %s", d.name, NoVulkan)
	default:
		return u, Usagef("--device %q: want cpu, vulkan[:N] or auto", d.name)
	}
	if d.threads < 0 {
		return u, Usagef("--threads %d: want 1 or more", d.threads)
	}
	if d.threads == 0 {
		u.Threads = runtime.GOMAXPROCS(0)
	}
	return u, nil
}

// Open returns a backend that uses all threads.
func (u Used) Open() ops.Backend { return u.open(u.Threads) }

func (u Used) open(threads int) *ops.CPU {
	if u.noRepack {
		return ops.NewCPU(threads, ops.NoRepack())
	}
	return ops.NewCPU(threads)
}

// OpenPinned returns a backend that uses all threads, each bound to a processor
// of its own where the system can do that, for long computations. The calling
// goroutine is the one to use it.
func (u Used) OpenPinned() ops.Backend {
	b := u.open(u.Threads)
	unpin, err := b.Pin()
	if err != nil { // more threads than processors, or no such system call
		return b
	}
	return pinned{b, unpin}
}

// pinned is a backend that frees its threads when it is closed.
type pinned struct {
	*ops.CPU
	unpin func()
}

func (p pinned) Close() error {
	p.unpin()
	return p.CPU.Close()
}

// OpenOne returns a backend of one thread, for one of several workers.
func (u Used) OpenOne() ops.Backend { return u.open(1) }

// Print writes one line that says what computes, and another if NETLLM_CPU
// could not be followed.
func (u Used) Print(w io.Writer) {
	why := ""
	if u.auto {
		why = " (auto: " + NoVulkan + ")"
	}
	fmt.Fprintf(w, "cpu: %s, threads %d; device: %s%s\n", u.CPU, u.Threads, u.Device, why)
	if err := asm.LevelErr(); err != nil {
		fmt.Fprintf(w, "warning: %s\n", OneLine(err.Error()))
	}
}

// CPU names the kernels in use and the processor.
func CPU() string {
	if name := asm.CPUName(); name != "" {
		return fmt.Sprintf("%s (%s)", asm.Level(), name)
	}
	return fmt.Sprintf("%s (%s)", asm.Level(), runtime.GOARCH)
}

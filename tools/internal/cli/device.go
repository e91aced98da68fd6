// What computes: --device and --threads, and what they came to.

package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"netllm/gpu"
	"netllm/ops"
	"netllm/ops/asm"
)

// Device is what --device and --threads ask for.
type Device struct {
	name     string
	threads  int
	noRepack bool
}

// AddFlags adds --device and --threads.
func (d *Device) AddFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&d.name, "device", "auto", "compute on `DEVICE`: cpu, vulkan[:N] or auto (a GPU if there is one)")
	cmd.Flags().BoolVar(&d.noRepack, "no-repack", false, "compute from the model file as it is: ready at once, no second copy in memory, slower (CPU only)")
	d.AddThreads(cmd)
}

// AddThreads adds --threads alone, for work that no device can do.
func (d *Device) AddThreads(cmd *cobra.Command) {
	cmd.Flags().IntVar(&d.threads, "threads", 0, "use `N` CPU threads (default all)")
}

// Used is what computes, as opposed to what was asked for.
type Used struct {
	Device  string `json:"device"`  // "cpu", or "vulkan:0 (NVIDIA H100)"
	CPU     string `json:"cpu"`     // kernels and processor: "avx512 (AMD EPYC 9B14)"
	Threads int    `json:"threads"` // of the CPU that compute at a time

	gpu      int    // number of the Vulkan device, or -1
	why      string // auto did not take a GPU
	noRepack bool
}

// Resolve decides what computes. It fails if it was asked for what this
// machine or build does not have.
func (d *Device) Resolve() (Used, error) {
	u := Used{Device: "cpu", CPU: CPU(), Threads: d.threads, gpu: -1, noRepack: d.noRepack}
	if d.threads < 0 {
		return u, Usagef("--threads %d: want 1 or more", d.threads)
	}
	if d.threads == 0 {
		u.Threads = runtime.GOMAXPROCS(0)
	}
	kind, index, indexed := strings.Cut(d.name, ":")
	number := -1
	switch kind {
	case "", "cpu", "auto":
		if indexed {
			return u, Usagef("--device %s: only vulkan has numbers", d.name)
		}
	case "vulkan":
		n, err := strconv.Atoi(index)
		if indexed && (err != nil || n < 0) {
			return u, Usagef("--device %s: %q is not the number of a device", d.name, index)
		}
		if d.noRepack {
			return u, Usagef("--no-repack is for the CPU, not for --device %s", d.name)
		}
		if indexed {
			number = n
		}
	default:
		return u, Usagef("--device %q: want cpu, vulkan[:N] or auto", d.name)
	}
	switch {
	case kind == "auto" && d.noRepack:
		u.why = "--no-repack is for the CPU"
	case kind == "auto" || kind == "vulkan":
		dev, err := pick(number, kind == "auto")
		if err == nil {
			u.gpu, u.Device = dev.Index, fmt.Sprintf("vulkan:%d (%s)", dev.Index, dev.Name)
		} else if kind == "auto" {
			u.why = OneLine(err.Error())
		} else {
			return u, fmt.Errorf("--device %s: %w", d.name, err)
		}
	}
	return u, nil
}

// pick returns the device of a number, or the best if it is negative: one that is
// hardware, or of any kind.
func pick(number int, hardware bool) (gpu.Device, error) {
	list, err := gpu.Devices()
	if err != nil {
		return gpu.Device{}, err
	}
	for _, kind := range []string{"discrete", "integrated", "virtual", "other", "software"} {
		for _, dev := range list {
			if number == dev.Index || number < 0 && dev.Kind == kind && !(hardware && kind == "software") {
				return dev, nil
			}
		}
	}
	var names []string
	for _, dev := range list {
		names = append(names, fmt.Sprintf("vulkan:%d %s (%s)", dev.Index, dev.Name, dev.Kind))
	}
	if len(names) == 0 {
		return gpu.Device{}, gpu.ErrNoDevice
	}
	if number >= 0 {
		return gpu.Device{}, fmt.Errorf("there is no such device: %s", strings.Join(names, ", "))
	}
	return gpu.Device{}, fmt.Errorf("no GPU: %s", strings.Join(names, ", "))
}

// Open returns a backend; on the CPU it uses all threads.
func (u Used) Open() (ops.Backend, error) {
	if u.gpu < 0 {
		return u.cpu(u.Threads), nil
	}
	options := []gpu.Option{gpu.WithDevice(u.gpu)}
	if dir, err := os.UserCacheDir(); err == nil { // without one, pipelines are compiled every time
		options = append(options, gpu.WithPipelineCache(filepath.Join(dir, "netllm")))
	}
	b, err := gpu.Open(options...)
	if err != nil {
		return nil, fmt.Errorf("%w (--device cpu computes without it)", err)
	}
	return b, nil
}

func (u Used) cpu(threads int) *ops.CPU {
	if u.noRepack {
		return ops.NewCPU(threads, ops.NoRepack())
	}
	return ops.NewCPU(threads)
}

// OpenPinned returns a backend for long computations: on the CPU one that uses all
// threads, each bound to a processor of its own where the system can do that. The
// calling goroutine is the one to use it.
func (u Used) OpenPinned() (ops.Backend, error) {
	if u.gpu >= 0 {
		return u.Open()
	}
	b := u.cpu(u.Threads)
	unpin, err := b.Pin()
	if err != nil { // more threads than processors, or no such system call
		return b, nil
	}
	return pinned{b, unpin}, nil
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

// Worker returns what makes the backend of one of several workers that use a model
// which is open on b, and how many there may be: on the CPU any number, with one
// thread each, so that sessions, not matrices, are what runs side by side; a GPU has
// one queue.
func (u Used) Worker(b ops.Backend) (open func() ops.Backend, workers int) {
	if u.gpu >= 0 {
		return func() ops.Backend { return b }, 1
	}
	return func() ops.Backend { return u.cpu(1) }, u.Threads
}

// Print writes one line that says what computes, and another if NETLLM_CPU
// could not be followed.
func (u Used) Print(w io.Writer) {
	why := ""
	if u.why != "" {
		why = " (auto: " + u.why + ")"
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

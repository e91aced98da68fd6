package gpu

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"netllm/gpu/internal/vk"
	"netllm/ops"
	"netllm/ops/opstest"
	"netllm/tensor"
)

// open opens a device for a test, with the validation layer on: each of its
// messages is a failure.
func open(t testing.TB, options ...Option) *Backend {
	t.Helper()
	report := WithValidation(func(message string) { t.Errorf("validation: %s", message) })
	b, err := Open(append([]Option{report}, options...)...)
	if errors.Is(err, ErrNoValidation) && os.Getenv("NETLLM_REQUIRE_DATA") != "1" {
		t.Log("nothing watches the calls: ", err)
		b, err = Open(options...)
	}
	if err != nil {
		if os.Getenv("NETLLM_REQUIRE_DATA") == "1" && !errors.Is(err, ErrNoVulkan) {
			t.Fatal("no Vulkan device, and NETLLM_REQUIRE_DATA=1 requires one: ", err)
		}
		t.Skip("skip: no Vulkan device: ", err)
	}
	return b
}

func TestConformance(t *testing.T) {
	opstest.Run(t, func(t testing.TB) ops.Backend { return open(t) })
}

// The same, on a device that has little of everything that Vulkan lets a device
// have little of.
func TestConformanceSmall(t *testing.T) {
	small := []Option{
		WithLimits(Limits{Binding: 64 << 10, SharedMemory: 16 << 10, Invocations: 128}),
		Without(Subgroups, IntegerDots, CooperativeMatrices),
	}
	opstest.Run(t, func(t testing.TB) ops.Backend { return open(t, small...) })
}

// upload returns a tensor on the device.
func upload(b *Backend, x tensor.Tensor) tensor.Tensor {
	y := tensor.Of(b.Alloc(len(x.Bytes())), x.DType(), x.Shape()...)
	b.Upload(y, x.Bytes())
	return y
}

// floats reads a tensor back.
func read(t testing.TB, b *Backend, x tensor.Tensor) []float32 {
	t.Helper()
	y := tensor.New(tensor.F32, x.Len())
	if err := b.Download(y.Bytes(), x); err != nil {
		t.Fatal(err)
	}
	return y.Float32s()
}

// A step that is the same but for its numbers is not recorded again, and computes
// with the new numbers.
func TestReplay(t *testing.T) {
	b := open(t)
	defer b.Close()
	c := ops.NewContext(b)
	const n = 300
	x := tensor.Of(b.Alloc(4*n), tensor.F32, n)
	step := func(i int) []float32 {
		c.Reset()
		y := c.Float32s([]float32{float32(i)}, 1)
		b.Run(ops.OpFill, &ops.Args{T: [9]tensor.Tensor{x}, F: [8]float32{float32(10 * i)}})
		for range 40 { // more than the first batch has room for
			b.Run(ops.OpAddRow, &ops.Args{T: [9]tensor.Tensor{x, x, y}})
		}
		return read(t, b, x)
	}
	for i := range 20 {
		all, replayed := b.Submissions()
		for j, got := range step(i) {
			if want := float32(50 * i); got != want {
				t.Fatalf("step %d: element %d: got %v, want %v", i, j, got, want)
			}
		}
		nowAll, nowReplayed := b.Submissions()
		if i > 1 && (nowAll == all || nowReplayed-replayed != nowAll-all) {
			t.Errorf("step %d: %d of %d batches were recorded before, want all", i, nowReplayed-replayed, nowAll-all)
		}
	}
}

// More different batches than are kept.
func TestManyPrograms(t *testing.T) {
	b := open(t)
	defer b.Close()
	x := tensor.Of(b.Alloc(4096), tensor.F32, 1024)
	for i := range 2 * maxPrograms {
		part := x.Slice(0, i, i+1)
		b.Run(ops.OpFill, &ops.Args{T: [9]tensor.Tensor{part}, F: [8]float32{float32(i)}})
		b.Upload(x.Slice(0, 1023-i, 1024-i), make([]byte, 4))
		if err := b.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	for i, got := range read(t, b, x)[:2*maxPrograms] {
		if got != float32(i) {
			t.Fatalf("element %d: got %v", i, got)
		}
	}
	if got := len(b.programs); got > maxPrograms {
		t.Errorf("%d programs, at most %d", got, maxPrograms)
	}
}

func TestOutOfMemory(t *testing.T) {
	b := open(t, WithLimits(Limits{Memory: 80 << 20}))
	defer b.Close()
	first := b.Alloc(40 << 20)
	b.Free(first)
	again := b.Alloc(60 << 20) // what was freed is given back to the device first
	if err := b.Sync(); err != nil {
		t.Fatalf("60 MiB of 80, after 40 were freed: %v", err)
	}
	x := tensor.Of(again, tensor.F32, 15<<20)
	y := tensor.Of(b.Alloc(60<<20), tensor.F32, 15<<20)
	b.Run(ops.OpCopy, &ops.Args{T: [9]tensor.Tensor{y, x}, F: [8]float32{1}}) // nothing happens any more
	b.Upload(y, make([]byte, 60<<20))
	err := b.Sync()
	if err == nil || !strings.Contains(err.Error(), "allocating 62914560 bytes") || !strings.Contains(err.Error(), "out of device memory") {
		t.Errorf("no memory left: got %v", err)
	}
	if later := b.Download(make([]byte, 4), x.Slice(0, 0, 1)); !errors.Is(later, err) {
		t.Errorf("afterwards: got %v, want the same error", later)
	}
	w, err := b.Prepare(tensor.New(tensor.F16, 4, 32))
	if err == nil {
		t.Errorf("Prepare afterwards: got %v", w)
	}
	b.Free(y.Storage())
}

// What does not fit one memory of the device is an error, not a crash.
func TestTooLarge(t *testing.T) {
	b := open(t)
	defer b.Close()
	b.Alloc(1 << 45)
	if err := b.Sync(); !errors.Is(err, errTooLarge) {
		t.Errorf("got %v", err)
	}
}

func TestOpenErrors(t *testing.T) {
	open(t).Close() // there is a device
	t.Setenv("NETLLM_VULKAN_LIB", filepath.Join(t.TempDir(), "libnone.so"))
	if b, err := Open(); err == nil || !strings.Contains(err.Error(), "libnone.so") {
		t.Errorf("no library: got %v, %v", b, err)
	}
	if list, err := Devices(); err == nil {
		t.Errorf("no library: got %v", list)
	}
	t.Setenv("NETLLM_VULKAN_LIB", "")
	if _, err := Open(WithDevice(99)); !errors.Is(err, ErrNoDevice) || !strings.Contains(err.Error(), "device 99") {
		t.Errorf("device 99: got %v", err)
	}
	list, err := Devices()
	if err != nil || len(list) == 0 {
		t.Fatalf("got %v, %v", list, err)
	}
	for _, d := range list {
		if d.Kind == "software" {
			if _, err := Open(WithDevice(d.Index), HardwareOnly()); !errors.Is(err, ErrNoDevice) {
				t.Errorf("%s, hardware only: got %v", d.Name, err)
			}
		}
	}
}

// Two backends of one process do not know each other's tensors.
func TestTwoBackends(t *testing.T) {
	a, b := open(t), open(t)
	defer a.Close()
	x := upload(b, tensor.FromFloat32([]float32{1, 2, 3}, 3))
	defer func() {
		if r := recover(); r == nil || !strings.Contains(r.(string), "another backend's") {
			t.Errorf("got panic %v", r)
		}
		if got := read(t, b, x)[2]; got != 3 {
			t.Errorf("got %v, want 3", got)
		}
		b.Close()
	}()
	a.Run(ops.OpFill, &ops.Args{T: [9]tensor.Tensor{x}})
}

// Devices can be listed whatever the settings of what is open.
func TestDevicesWhileOpen(t *testing.T) {
	b := open(t)
	defer b.Close()
	list, err := Devices()
	if err != nil || len(list) == 0 {
		t.Fatalf("got %v, %v", list, err)
	}
	x := upload(b, tensor.FromFloat32([]float32{1, 2}, 2))
	if got := read(t, b, x)[1]; got != 2 {
		t.Errorf("afterwards: got %v, want 2", got)
	}
}

func TestPipelineCache(t *testing.T) {
	dir := t.TempDir()
	for round := range 2 {
		b := open(t, WithPipelineCache(dir))
		x := upload(b, tensor.FromFloat32([]float32{1, 2, 3}, 3))
		b.Run(ops.OpScale, &ops.Args{T: [9]tensor.Tensor{x, upload(b, tensor.FromFloat32([]float32{2}, 1))}})
		if got := read(t, b, x)[2]; got != 6 {
			t.Errorf("got %v, want 6", got)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(dir, "pipelines-*.bin"))
		if err != nil || len(files) != 1 {
			t.Fatalf("round %d: files %v, %v, want one", round, files, err)
		}
		if round == 0 { // what is no cache is not used
			if err := os.WriteFile(files[0], []byte("not a pipeline cache"), 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestTimes(t *testing.T) {
	b := open(t, WithTimes())
	defer b.Close()
	x := upload(b, tensor.New(tensor.F32, 1000))
	for range 3 {
		b.Run(ops.OpFill, &ops.Args{T: [9]tensor.Tensor{x}, F: [8]float32{1}})
	}
	list, err := b.Times()
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 || list[0].Op != ops.OpFill || list[0].Calls != 3 || list[0].Seconds <= 0 || list[0].Bytes < 3*4000 || list[0].Bytes > 4*4000 {
		t.Errorf("got %+v, want 3 calls of one kernel on 4000 bytes", list)
	}
	if list, err = b.Times(); err != nil || len(list) != 0 {
		t.Errorf("afterwards: got %+v, %v", list, err)
	}
}

// lostDevice is a device that is lost when something is submitted to it.
type lostDevice struct{ vk.Device }

func (lostDevice) Submit(vk.CommandBuffer, vk.Fence) error {
	return vk.Check("vkQueueSubmit", vk.DeviceLost)
}

// A device that is lost stays lost, and nothing crashes.
func TestDeviceLost(t *testing.T) {
	b := open(t)
	x := upload(b, tensor.New(tensor.F32, 8))
	if err := b.Sync(); err != nil {
		t.Fatal(err)
	}
	b.dev = lostDevice{b.dev}
	b.Run(ops.OpFill, &ops.Args{T: [9]tensor.Tensor{x}, F: [8]float32{1}})
	err := b.Sync()
	var e *vk.Error
	if !errors.As(err, &e) || e.Result != vk.DeviceLost || !strings.Contains(err.Error(), "gpu: device ") || !strings.Contains(err.Error(), "device lost") {
		t.Fatalf("got %v", err)
	}
	b.Run(ops.OpFill, &ops.Args{T: [9]tensor.Tensor{x}})
	b.Upload(x, make([]byte, 32))
	b.Upload(tensor.Of(b.Alloc(1<<20), tensor.F32, 1<<18), make([]byte, 1<<20))
	if later := b.Download(make([]byte, 32), x); !errors.Is(later, err) {
		t.Errorf("Download afterwards: got %v, want the same error", later)
	}
	if w, got := b.Prepare(tensor.New(tensor.F16, 2, 32)); !errors.Is(got, err) {
		t.Errorf("Prepare afterwards: got %v, %v, want the same error", w, got)
	}
	b.Free(x.Storage())
	if got := b.Close(); !errors.Is(got, err) {
		t.Errorf("Close: got %v, want the same error", got)
	}
}

// The driver with cgo: the library and its instance, through vulkan-go.
//
// Each structure is used for one call, is alive until the call has returned
// (its C copy refers to the strings and slices in it), and is then freed.

//go:build cgo && !nogpu && linux && (amd64 || arm64)

package vk

import (
	"fmt"
	"runtime"
	"unsafe"

	vulkan "github.com/vulkan-go/vulkan"
)

// Open loads the library and makes an instance of it.
func Open(c Config) (Instance, error) {
	if err := begin(c); err != nil {
		return nil, err
	}
	i, err := openInstance(c)
	if err != nil {
		end()
		return nil, err
	}
	return i, nil
}

// instance is a VkInstance.
type instance struct {
	handle  vulkan.Instance
	getProc unsafe.Pointer // vkGetInstanceProcAddr
	version uint32         // asked for
	report  vulkan.DebugReportCallback
	devices []uint64
}

func openInstance(c Config) (*instance, error) {
	getProc, err := load(c)
	if err != nil {
		return nil, err
	}
	i := &instance{getProc: getProc}
	if i.version, err = agree(loaderVersion(getProc)); err != nil {
		return nil, err
	}
	vulkan.SetGetInstanceProcAddr(getProc)
	if err := vulkan.Init(); err != nil {
		return nil, err
	}
	if err := i.create(c); err != nil {
		return nil, err
	}
	err = vulkan.InitInstance(i.handle)
	if err == nil && c.Validation {
		err = i.listen()
	}
	if err == nil {
		err = i.enumerate()
	}
	if err != nil {
		i.destroy()
		return nil, err
	}
	return i, nil
}

func (i *instance) create(c Config) error {
	application := &vulkan.ApplicationInfo{
		SType: vulkan.StructureTypeApplicationInfo, PApplicationName: applicationName, PEngineName: applicationName, ApiVersion: i.version,
	}
	info := &vulkan.InstanceCreateInfo{SType: vulkan.StructureTypeInstanceCreateInfo, PApplicationInfo: application}
	if c.Validation {
		features := validationFeatures()
		defer features.free()
		info.PNext = features.head()
		info.EnabledLayerCount, info.PpEnabledLayerNames = 1, []string{validationLayer}
		info.EnabledExtensionCount, info.PpEnabledExtensionNames = uint32(len(validationExtensions)), validationExtensions
	}
	var handle vulkan.Instance
	r := vulkan.CreateInstance(info, nil, &handle)
	runtime.KeepAlive(info)
	info.Free()
	application.Free()
	i.handle = handle
	return instanceError(c, Result(r))
}

// listen makes the layer's messages go to report; vulkan-go keeps the first
// callback that it gets.
func (i *instance) listen() error {
	info := &vulkan.DebugReportCallbackCreateInfo{
		SType: vulkan.StructureTypeDebugReportCallbackCreateInfo, Flags: reportFlags, PfnCallback: callback,
	}
	var handle vulkan.DebugReportCallback
	r := vulkan.CreateDebugReportCallback(i.handle, info, nil, &handle)
	runtime.KeepAlive(info)
	info.Free()
	i.report = handle
	return Check("vkCreateDebugReportCallbackEXT", Result(r))
}

func callback(_ vulkan.DebugReportFlags, _ vulkan.DebugReportObjectType, _ uint64, _ uint, _ int32, _, message string, _ unsafe.Pointer) vulkan.Bool32 {
	report(message)
	return vulkan.False
}

// enumerate lists the physical devices.
func (i *instance) enumerate() error {
	const name = "vkEnumeratePhysicalDevices"
	var n uint32
	if err := Check(name, Result(vulkan.EnumeratePhysicalDevices(i.handle, &n, nil))); err != nil || n == 0 {
		return err
	}
	handles := make([]vulkan.PhysicalDevice, n)
	r := vulkan.EnumeratePhysicalDevices(i.handle, &n, handles)
	for _, h := range handles[:n] {
		i.devices = append(i.devices, number[uint64](h))
	}
	return Check(name, Result(r))
}

func (i *instance) object() unsafe.Pointer { return unsafe.Pointer(i.handle) }

func (i *instance) Driver() string { return "vulkan-go" }

func (i *instance) Devices() ([]Facts, error) { return survey(i, i.devices, i.version) }

func (i *instance) Open(n, family int, want Features) (Device, error) {
	chain, names, err := choose(i, i.devices, i.version, n, family, want)
	if err != nil {
		return nil, err
	}
	defer chain.free()
	created, err := i.createDevice(i.devices[n], family, chain.head(), names)
	if err != nil {
		return nil, err
	}
	handle := vulkan.Device(created)
	d := &device{handle: handle, family: uint32(family)}
	if err := d.procs.link(proc(i.getProc, i.object(), "vkGetDeviceProcAddr"), d.object()); err != nil {
		d.Close()
		return nil, fmt.Errorf("vkGetDeviceProcAddr: %w", err)
	}
	var queue vulkan.Queue
	vulkan.GetDeviceQueue(handle, uint32(family), 0, &queue)
	d.queue = queue
	return d, nil
}

func (i *instance) Close() {
	i.destroy()
	end()
}

func (i *instance) destroy() {
	if i.report != vulkan.NullDebugReportCallback {
		vulkan.DestroyDebugReportCallback(i.handle, i.report, nil)
	}
	vulkan.DestroyInstance(i.handle, nil)
}

// handleOf is vulkan-go's handle of a number, which is a pointer to something
// that is not Go's; number is the way back.
func handleOf[H any, N ~uint64](n N) H { return *(*H)(unsafe.Pointer(&n)) }

func number[N ~uint64, H any](h H) N { return *(*N)(unsafe.Pointer(&h)) }

// The driver without cgo: the library and its instance.

//go:build !cgo && !nogpu && linux && (amd64 || arm64)

package vk

import (
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
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
	handle  uintptr
	getProc uintptr // vkGetInstanceProcAddr
	version uint32  // asked for
	report  uint64  // VkDebugReportCallbackEXT, or 0
	devices []uint64
}

func openInstance(c Config) (*instance, error) {
	getProc, err := load(c)
	if err != nil {
		return nil, err
	}
	i := &instance{getProc: getProc}
	var loader uint32
	if f := i.proc("vkEnumerateInstanceVersion"); f != 0 {
		purego.SyscallN(f, uintptr(unsafe.Pointer(&loader)))
	}
	if i.version, err = agree(loader); err != nil {
		return nil, err
	}
	if err := i.create(c); err != nil {
		return nil, err
	}
	if c.Validation {
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

// load returns vkGetInstanceProcAddr of the library, which stays loaded.
func load(c Config) (uintptr, error) {
	// What dlopen and dlsym complain of is kept for each thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const name = "vkGetInstanceProcAddr"
	var why []error
	for _, library := range c.libraries() {
		h, err := purego.Dlopen(library, purego.RTLD_NOW|purego.RTLD_LOCAL)
		if err != nil {
			why = append(why, err)
			continue
		}
		f, err := purego.Dlsym(h, name)
		if err == nil && f != 0 {
			return f, nil
		}
		why = append(why, noSymbol(library, name))
		if err := purego.Dlclose(h); err != nil {
			why = append(why, err)
		}
	}
	return 0, c.noLibrary(why)
}

// proc is a function of the instance, or of the library as long as there is no
// instance; 0: there is none.
func (i *instance) proc(name string) uintptr {
	f, _, _ := purego.SyscallN(i.getProc, i.handle, uintptr(unsafe.Pointer(cText(name+"\x00"))))
	return f
}

func (i *instance) create(c Config) error {
	create := i.proc("vkCreateInstance")
	if create == 0 {
		return noSymbol("the Vulkan loader", "vkCreateInstance")
	}
	info := &instanceCreateInfo{
		header:      header{sType: 1},
		application: &applicationInfo{header: header{sType: 0}, application: cText(applicationName), engine: cText(applicationName), apiVersion: i.version},
	}
	if c.Validation {
		features := validationFeatures()
		defer features.free()
		info.next = features.head()
		info.layerCount, info.layers = cTexts([]string{validationLayer})
		info.extensionCount, info.extensions = cTexts(validationExtensions)
	}
	r, _, _ := purego.SyscallN(create, uintptr(unsafe.Pointer(info)), 0, uintptr(unsafe.Pointer(&i.handle)))
	return instanceError(c, Result(r))
}

// callback is what the layer calls: a callback of purego is never freed, so
// there is one.
var callback uintptr

// listen makes the layer's messages go to report.
func (i *instance) listen() error {
	if callback == 0 {
		callback = purego.NewCallback(func(_, _ uint32, _ uint64, _ uintptr, _ int32, _, message *byte, _ uintptr) uintptr {
			report(cString(message))
			return 0
		})
	}
	info := &debugReportCreateInfo{header: header{sType: 1000011000}, flags: reportFlags, callback: callback}
	r, _, _ := purego.SyscallN(i.proc("vkCreateDebugReportCallbackEXT"), i.handle, uintptr(unsafe.Pointer(info)), 0, uintptr(unsafe.Pointer(&i.report)))
	return Check("vkCreateDebugReportCallbackEXT", Result(r))
}

// enumerate lists the physical devices.
func (i *instance) enumerate() error {
	const name = "vkEnumeratePhysicalDevices"
	f := i.proc(name)
	var n uint32
	r, _, _ := purego.SyscallN(f, i.handle, uintptr(unsafe.Pointer(&n)), 0)
	if err := Check(name, Result(r)); err != nil || n == 0 {
		return err
	}
	i.devices = make([]uint64, n)
	r, _, _ = purego.SyscallN(f, i.handle, uintptr(unsafe.Pointer(&n)), uintptr(unsafe.Pointer(&i.devices[0])))
	i.devices = i.devices[:n]
	return Check(name, Result(r))
}

func (i *instance) Driver() string { return "purego" }

func (i *instance) Devices() ([]Facts, error) { return survey(i, i.devices, i.version) }

func (i *instance) get(name string, device uint64, out unsafe.Pointer) {
	purego.SyscallN(i.proc(name), uintptr(device), uintptr(out))
}

func (i *instance) list(name string, device uint64, count *uint32, out unsafe.Pointer) Result {
	r, _, _ := purego.SyscallN(i.proc(name), uintptr(device), uintptr(unsafe.Pointer(count)), uintptr(out))
	return Result(r)
}

func (i *instance) extensions(device uint64, count *uint32, out unsafe.Pointer) Result {
	r, _, _ := purego.SyscallN(i.proc("vkEnumerateDeviceExtensionProperties"), uintptr(device), 0, uintptr(unsafe.Pointer(count)), uintptr(out))
	return Result(r)
}

func (i *instance) Open(n, family int, want Features) (Device, error) {
	chain, names, err := choose(i, i.devices, i.version, n, family, want)
	if err != nil {
		return nil, err
	}
	defer chain.free()
	priority := float32(1)
	info := &deviceCreateInfo{
		header:     header{3, chain.head()},
		queueCount: 1,
		queues:     &queueCreateInfo{header: header{sType: 2}, family: uint32(family), count: 1, priorities: &priority},
	}
	info.extensionCount, info.extensions = cTexts(names)
	d := &device{family: uint32(family)}
	r, _, _ := purego.SyscallN(i.proc("vkCreateDevice"), uintptr(i.devices[n]), uintptr(unsafe.Pointer(info)), 0, uintptr(unsafe.Pointer(&d.handle)))
	runtime.KeepAlive(chain)
	if err := Check("vkCreateDevice", Result(r)); err != nil {
		return nil, err
	}
	if err := d.link(i.proc("vkGetDeviceProcAddr")); err != nil {
		if d.vk.DestroyDevice != 0 {
			d.Close()
		}
		return nil, err
	}
	purego.SyscallN(d.vk.GetDeviceQueue, d.handle, uintptr(family), 0, uintptr(unsafe.Pointer(&d.queue)))
	return d, nil
}

// link looks the functions of the device up, without the loader's detour.
func (d *device) link(getProc uintptr) error {
	v := reflect.ValueOf(&d.vk).Elem()
	var missing []error
	for k := range v.NumField() {
		name := "vk" + v.Type().Field(k).Name
		f, _, _ := purego.SyscallN(getProc, d.handle, uintptr(unsafe.Pointer(cText(name+"\x00"))))
		if f == 0 {
			missing = append(missing, noSymbol("the driver", name))
		}
		v.Field(k).SetUint(uint64(f))
	}
	if err := errors.Join(missing...); err != nil {
		return fmt.Errorf("vkGetDeviceProcAddr: %w", err)
	}
	return nil
}

func (i *instance) Close() {
	i.destroy()
	end()
}

func (i *instance) destroy() {
	if i.report != 0 {
		purego.SyscallN(i.proc("vkDestroyDebugReportCallbackEXT"), i.handle, uintptr(i.report), 0)
	}
	purego.SyscallN(i.proc("vkDestroyInstance"), i.handle, 0)
}

// cText is the address of a text that ends in NUL.
func cText(s string) *byte { return unsafe.StringData(s) }

// cTexts is the count and the address of the addresses of such texts.
func cTexts(s []string) (uint32, **byte) {
	if len(s) == 0 {
		return 0, nil
	}
	p := make([]*byte, len(s))
	for i := range s {
		p[i] = cText(s[i])
	}
	return uint32(len(p)), &p[0]
}

// cString is the text at p, up to its NUL.
func cString(p *byte) string {
	n := 0
	for *(*byte)(unsafe.Add(unsafe.Pointer(p), n)) != 0 {
		n++
	}
	return string(unsafe.Slice(p, n))
}

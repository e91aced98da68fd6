// Finding a device and opening it.

package gpu

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"netllm/gpu/internal/vk"
)

// ErrNoDevice is wrapped by the errors of [Open] and [Devices] where Vulkan is there but
// no device that can be used.
var ErrNoDevice = errors.New("no Vulkan device")

// ErrNoVulkan is wrapped by the errors of a build that has no Vulkan backend (tag
// nogpu, or an operating system without a driver here).
var ErrNoVulkan = vk.ErrNoGPU

// ErrNoValidation is wrapped by the error of [Open] where [WithValidation] asks for a
// layer that is not installed.
var ErrNoValidation = errors.New("the validation layer is missing")

// Device describes a device that can be opened.
type Device struct {
	Index    int    // for [WithDevice]
	Name     string // as its driver calls it
	Kind     string // "discrete", "integrated", "virtual", "software" or "other"
	Driver   string // through what it is called: "vulkan-go" or "purego"
	API      string // Vulkan version
	Memory   int64  // bytes of device-local memory
	Subgroup int    // invocations of a subgroup
	Matrices bool   // has cooperative matrices of f16
	Dots     bool   // multiplies packed 8-bit integers in hardware
}

// Limits are device limits in bytes and counts; zero means the device's own.
type Limits struct {
	Binding      int // bytes of a tensor that a kernel can bind at once
	SharedMemory int // bytes of a workgroup
	Invocations  int // of a workgroup
	Memory       int // bytes of device memory in all
}

// Feature is an optional ability of a device.
type Feature int

const (
	Subgroups           Feature = iota // arithmetic between the invocations of a subgroup
	IntegerDots                        // packed 8-bit dot products
	CooperativeMatrices                // products of small f16 matrices in hardware
)

// Option changes what [Open] does.
type Option func(*settings)

type settings struct {
	device     int // -1: the best
	hardware   bool
	validation func(string)
	limits     Limits
	without    []Feature
	forceDots  bool
	profile    bool
	cache      string
}

// WithDevice takes the device of that number; see [Devices].
func WithDevice(index int) Option { return func(s *settings) { s.device = index } }

// HardwareOnly refuses devices that compute on the CPU.
func HardwareOnly() Option { return func(s *settings) { s.hardware = true } }

// WithValidation switches the Khronos validation layer on, synchronisation
// validation included, and gives each of its messages to report, from any thread.
func WithValidation(report func(message string)) Option {
	return func(s *settings) { s.validation = report }
}

// WithLimits lets the backend act as if the device's limits were these, where they
// are smaller.
func WithLimits(l Limits) Option { return func(s *settings) { s.limits = l } }

// Without lets the backend act as if the device did not have these.
func Without(features ...Feature) Option {
	return func(s *settings) { s.without = append(s.without, features...) }
}

// WithIntegerDots uses integer dot products also where the device has them but
// not in hardware.
func WithIntegerDots() Option { return func(s *settings) { s.forceDots = true } }

// WithTimes measures how long the device takes for each kernel, one after the
// other; see [Backend.Times].
func WithTimes() Option { return func(s *settings) { s.profile = true } }

// WithPipelineCache keeps compiled pipelines in files of a folder, one for each
// device and driver, so that the next start is faster.
func WithPipelineCache(folder string) Option { return func(s *settings) { s.cache = folder } }

// instance is the one that all backends of the process share.
var instance struct {
	sync.Mutex
	vk.Instance
	users  int
	config vk.Config
	report atomic.Pointer[func(string)] // the last user's; messages come from any thread
}

// acquireInstance opens the library for the first user. One who only looks, to list
// devices, takes an open one as it is.
func acquireInstance(report func(string), looks bool) (vk.Instance, error) {
	instance.Lock()
	defer instance.Unlock()
	library := os.Getenv("NETLLM_VULKAN_LIB")
	if instance.users > 0 && looks {
		instance.users++
		return instance.Instance, nil
	}
	if instance.users > 0 {
		if instance.config.Validation != (report != nil) || instance.config.Library != library {
			return nil, errors.New("gpu: another backend of this process has Vulkan open with other settings (validation, library)")
		}
		instance.report.Store(&report)
		instance.users++
		return instance.Instance, nil
	}
	config := vk.Config{Library: library, Validation: report != nil, Message: func(text string) {
		if report := instance.report.Load(); report != nil && *report != nil {
			(*report)(text)
		}
	}}
	instance.report.Store(&report)
	opened, err := vk.Open(config)
	if failed := (*vk.Error)(nil); report != nil && errors.As(err, &failed) && (failed.Result == vk.LayerNotPresent || failed.Result == vk.ExtensionNotPresent) {
		return nil, fmt.Errorf("gpu: %w: %w", ErrNoValidation, err)
	}
	if err != nil {
		return nil, fmt.Errorf("gpu: %w", err)
	}
	instance.Instance, instance.users, instance.config = opened, 1, config
	return opened, nil
}

func releaseInstance() {
	instance.Lock()
	defer instance.Unlock()
	if instance.users--; instance.users == 0 {
		instance.Close()
		instance.Instance = nil
	}
}

// Devices lists the devices that [Open] can open.
func Devices() ([]Device, error) {
	in, err := acquireInstance(nil, true)
	if err != nil {
		return nil, err
	}
	defer releaseInstance()
	all, err := in.Devices()
	if err != nil {
		return nil, fmt.Errorf("gpu: %w", err)
	}
	var list []Device
	for i, f := range all {
		if unusable(f) == nil {
			list = append(list, describe(i, f, in.Driver()))
		}
	}
	return list, nil
}

func describe(i int, f vk.Facts, driver string) Device {
	kind := "other"
	if int(f.Type) < len(deviceKinds) {
		kind = deviceKinds[f.Type]
	}
	d := Device{
		Index: i, Name: f.Name, Kind: kind, Driver: driver,
		API:      fmt.Sprintf("%d.%d.%d", f.API>>22, f.API>>12&0x3ff, f.API&0xfff),
		Subgroup: f.Subgroup.Size, Matrices: len(halfMatrices(f)) > 0, Dots: f.Features.IntegerDot && f.FastIntegerDot,
	}
	for _, h := range f.Heaps {
		if h.DeviceLocal {
			d.Memory += int64(h.Size)
		}
	}
	return d
}

var deviceKinds = [...]string{"other", "integrated", "discrete", "virtual", "software"}

// unusable says why a device cannot be used, or nil.
func unusable(f vk.Facts) error {
	switch {
	case f.API < vk.Version(1, 1, 0):
		return fmt.Errorf("has Vulkan %d.%d, 1.1 is needed", f.API>>22, f.API>>12&0x3ff)
	case family(f) < 0:
		return errors.New("has no queue for compute")
	case f.Limits.StageStorageBuffers < maxBindings:
		return fmt.Errorf("binds %d buffers, %d are needed", f.Limits.StageStorageBuffers, maxBindings)
	case f.Limits.StorageAlignment > allocAlign || f.Limits.UniformAlignment > slotBytes:
		return fmt.Errorf("aligns buffers to %d and %d bytes, at most %d is supported", f.Limits.StorageAlignment, f.Limits.UniformAlignment, allocAlign)
	}
	return nil
}

// family returns the queue family to use: one for compute, best with times, and
// among those the one that does the least besides; -1 if there is none.
func family(f vk.Facts) int {
	best, least := -1, 1<<30
	for i, q := range f.Families {
		if !q.Compute {
			continue
		}
		cost := 0
		if q.TimestampBits == 0 {
			cost += 2
		}
		if q.Graphics { // a family of its own may be slower to start: not worth more
			cost--
		}
		if cost < least {
			best, least = i, cost
		}
	}
	return best
}

// halfMatrices returns the cooperative matrices of f16 that add up in f32.
func halfMatrices(f vk.Facts) (list []vk.CooperativeMatrix) {
	for _, c := range f.CooperativeMatrices {
		if c.A == vk.F16 && c.B == vk.F16 && c.C == vk.F32 && c.Result == vk.F32 && c.Scope == 3 && !c.Saturating {
			list = append(list, c)
		}
	}
	return list
}

// choose returns the device asked for, or the fastest kind there is.
func choose(all []vk.Facts, s *settings) (int, error) {
	if s.device >= 0 {
		if s.device >= len(all) {
			return 0, fmt.Errorf("gpu: device %d: %w: there are %d", s.device, ErrNoDevice, len(all))
		}
		f := all[s.device]
		if err := unusable(f); err != nil {
			return 0, fmt.Errorf("gpu: device %d (%s) %w", s.device, f.Name, err)
		}
		if s.hardware && f.Type == vk.SoftwareDevice {
			return 0, fmt.Errorf("gpu: device %d (%s) computes on the CPU: %w", s.device, f.Name, ErrNoDevice)
		}
		return s.device, nil
	}
	order := []vk.DeviceType{vk.DiscreteGPU, vk.IntegratedGPU, vk.VirtualGPU, vk.OtherDevice, vk.SoftwareDevice}
	if s.hardware {
		order = order[:len(order)-1]
	}
	var why []error
	for _, kind := range order {
		for i, f := range all {
			if f.Type != kind {
				continue
			}
			err := unusable(f)
			if err == nil {
				return i, nil
			}
			why = append(why, fmt.Errorf("device %d (%s) %w", i, f.Name, err))
		}
	}
	if s.hardware && len(why) == 0 && len(all) > 0 {
		return 0, fmt.Errorf("gpu: %w but %s, which computes on the CPU", ErrNoDevice, all[0].Name)
	}
	return 0, fmt.Errorf("gpu: %w", errors.Join(append([]error{ErrNoDevice}, why...)...))
}

// Open opens a device: the one of [WithDevice], or the first discrete one, or else
// the first integrated, virtual or software one. Its errors say what is missing: the
// library, a device, a version, memory.
func Open(options ...Option) (*Backend, error) {
	s := settings{device: -1}
	for _, set := range options {
		set(&s)
	}
	in, err := acquireInstance(s.validation, false)
	if err != nil {
		return nil, err
	}
	all, err := in.Devices()
	if err != nil {
		releaseInstance()
		return nil, fmt.Errorf("gpu: %w", err)
	}
	i, err := choose(all, &s)
	if err != nil {
		releaseInstance()
		return nil, err
	}
	b := &Backend{index: i, facts: all[i]}
	b.limits, b.caps = s.apply(b.facts)
	want := b.facts.Features
	if len(b.caps.cooperative) == 0 {
		want.CooperativeMatrix = false
	}
	if b.dev, err = in.Open(i, family(b.facts), want); err != nil {
		releaseInstance()
		return nil, fmt.Errorf("gpu: device %d (%s): %w", i, b.facts.Name, err)
	}
	if err := b.start(&s); err != nil {
		b.fail(err)
		b.release()
		return nil, b.err
	}
	return b, nil
}

// apply returns the limits and abilities that are left.
func (s *settings) apply(f vk.Facts) (limits, caps) {
	l := f.Limits
	l.StorageAlignment = max(16, l.StorageAlignment) // shaders load four words at a time
	reduce := func(to int, of *int) {
		if to > 0 {
			*of = min(*of, to)
		}
	}
	if s.limits.Binding > 0 {
		l.StorageBufferRange = min(l.StorageBufferRange, uint64(s.limits.Binding))
	}
	reduce(s.limits.SharedMemory, &l.SharedMemory)
	reduce(s.limits.Invocations, &l.WorkgroupInvocations)
	for i := range l.WorkgroupSize {
		reduce(s.limits.Invocations, &l.WorkgroupSize[i])
	}
	has := func(feature Feature) bool { return !slices.Contains(s.without, feature) }
	c := caps{
		subgroup:           f.Subgroup.Size,
		subgroupArithmetic: f.Subgroup.Arithmetic && f.Subgroup.Shuffle && has(Subgroups),
		integerDot:         f.Features.IntegerDot && has(IntegerDots),
		half:               f.Features.Storage16 && f.Features.Float16,
	}
	c.fastIntegerDot = c.integerDot && (f.FastIntegerDot || s.forceDots)
	if f.Features.CooperativeMatrix && f.Features.MemoryModel && c.half && has(CooperativeMatrices) {
		c.cooperative = halfMatrices(f)
	}
	return l, c
}

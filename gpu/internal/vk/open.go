// What opening the library has in common for both drivers.

//go:build !nogpu && linux && (amd64 || arm64)

package vk

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
)

// needed and wanted are the lowest and the highest version of Vulkan that is
// asked for.
var (
	needed = Version(1, 1, 0)
	wanted = Version(1, 3, 0)
)

// Names that go to C end in NUL.
const (
	applicationName = "netllm\x00"
	entryPoint      = "main\x00"
	validationLayer = "VK_LAYER_KHRONOS_validation\x00"
)

// validationExtensions are those of the instance with validation: messages, and
// the structure that switches synchronisation validation on.
var validationExtensions = []string{"VK_EXT_debug_report\x00", "VK_EXT_validation_features\x00"}

// reportFlags asks for warnings, warnings of performance, and errors.
const reportFlags = 0x2 | 0x4 | 0x8

// validationFeatures is VkValidationFeaturesEXT with synchronisation
// validation; the caller frees it.
func validationFeatures() *chain {
	c := newChain(64)
	b, enable := c.add(1000247000, 48), c.raw(8)
	b.put32(16, 1)
	b.put64(24, enable.address())
	enable.put32(0, 4)
	return c
}

// message is Config.Message of the instance that is open.
var message atomic.Pointer[func(string)]

// report passes a message of the layer on.
func report(text string) {
	if f := message.Load(); f != nil {
		(*f)(strings.Clone(text))
	}
}

// one is held by the instance that is open: the function pointers of vulkan-go
// and the callback of the layer belong to the process.
var one sync.Mutex

// begin checks that no instance is open and sets where messages go.
func begin(c Config) error {
	if !one.TryLock() {
		return errors.New("a Vulkan instance is open already; a process has one at a time")
	}
	if c.Validation && c.Message != nil {
		message.Store(&c.Message)
	}
	return nil
}

// end undoes begin.
func end() {
	message.Store(nil)
	one.Unlock()
}

// libraries are the files to try.
func (c Config) libraries() []string {
	if c.Library != "" {
		return []string{c.Library}
	}
	return []string{"libvulkan.so.1", "libvulkan.so"}
}

// noLibrary says what was tried and why none of it did.
func (c Config) noLibrary(why []error) error {
	texts := make([]string, len(why))
	for i, err := range why {
		texts[i] = err.Error()
	}
	return fmt.Errorf("no Vulkan loader (tried %s): %s", strings.Join(c.libraries(), ", "), strings.Join(texts, "; "))
}

// noSymbol is the error of a file that lacks a function.
func noSymbol(library, name string) error {
	return fmt.Errorf("%s has no %s", library, name)
}

// agree is the version to ask for of a loader that has the given one; a loader
// before Vulkan 1.1 cannot tell (0).
func agree(loader uint32) (uint32, error) {
	if loader < needed {
		if loader == 0 {
			loader = Version(1, 0, 0)
		}
		return 0, fmt.Errorf("the Vulkan loader has version %s, needed is %s", versionText(loader), versionText(needed))
	}
	return min(loader, wanted), nil
}

func versionText(v uint32) string { return fmt.Sprintf("%d.%d", v>>22&0x7f, v>>12&0x3ff) }

// instanceError says what a failed vkCreateInstance means.
func instanceError(c Config, r Result) error {
	err := Check("vkCreateInstance", r)
	if c.Validation && (r == LayerNotPresent || r == ExtensionNotPresent) {
		return fmt.Errorf("validation by %s is not installed: %w", text([]byte(validationLayer)), err)
	}
	return err
}

// survey returns the facts about physical devices.
func survey(p prober, handles []uint64, instance uint32) ([]Facts, error) {
	all := make([]Facts, len(handles))
	for i, h := range handles {
		var err error
		if all[i], _, err = probe(p, h, instance); err != nil {
			return nil, fmt.Errorf("device %d (%s): %w", i, all[i].Name, err)
		}
	}
	return all, nil
}

// choose checks what Instance.Open is asked for and returns how the features
// are switched on, as switches does.
func choose(p prober, handles []uint64, instance uint32, i, family int, want Features) (*chain, []string, error) {
	if i < 0 || i >= len(handles) {
		return nil, nil, fmt.Errorf("device %d of %d", i, len(handles))
	}
	facts, version, err := probe(p, handles[i], instance)
	if err != nil {
		return nil, nil, fmt.Errorf("device %d (%s): %w", i, facts.Name, err)
	}
	if version < needed {
		return nil, nil, fmt.Errorf("%s: Vulkan %s, needed is %s", facts.Name, versionText(facts.API), versionText(needed))
	}
	if family < 0 || family >= len(facts.Families) {
		return nil, nil, fmt.Errorf("%s: queue family %d of %d", facts.Name, family, len(facts.Families))
	}
	return switches(facts, version, want)
}

// Libraries that will not do.

//go:build !nogpu && linux && (amd64 || arm64)

package vk

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestLibraryErrors(t *testing.T) {
	tests := []struct {
		name, library string
		want          []string
	}{
		{"missing", "libno-such-vulkan.so.7", []string{"no Vulkan loader", "libno-such-vulkan.so.7"}},
		{"no loader", "libm.so.6", []string{"no Vulkan loader", "libm.so.6 has no vkGetInstanceProcAddr"}},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			i, err := Open(Config{Library: c.library})
			if err == nil {
				i.Close()
				t.Fatal("got no error")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want %q", err, want)
				}
			}
		})
	}
}

func TestLibraries(t *testing.T) {
	if got := strings.Join(Config{}.libraries(), " "); got != "libvulkan.so.1 libvulkan.so" {
		t.Errorf("by default: got %q", got)
	}
}

// TestNoDriver points the loader at a driver that is not there.
func TestNoDriver(t *testing.T) {
	i, err := Open(Config{})
	if err != nil {
		missing(t, "no Vulkan device", err)
	}
	i.Close()
	for _, name := range []string{"VK_DRIVER_FILES", "VK_ICD_FILENAMES"} {
		t.Setenv(name, filepath.Join(t.TempDir(), "none.json"))
	}
	i, err = Open(Config{})
	if err != nil {
		if !strings.Contains(err.Error(), "no driver that fits") {
			t.Errorf("got %v", err)
		}
		return
	}
	defer i.Close()
	if all, err := i.Devices(); err != nil || len(all) != 0 {
		t.Errorf("got %d devices, %v, want none", len(all), err)
	}
}

func TestAgree(t *testing.T) {
	tests := []struct {
		name         string
		loader, want uint32
		err          string
	}{
		{"too old to tell", 0, 0, "version 1.0, needed is 1.1"},
		{"1.0", Version(1, 0, 99), 0, "version 1.0"},
		{"1.1", Version(1, 1, 70), Version(1, 1, 70), ""},
		{"newer than known", Version(1, 4, 3), Version(1, 3, 0), ""},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			got, err := agree(c.loader)
			if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("got %#x, %v, want %#x, %q", got, err, c.want, c.err)
			}
		})
	}
}

// TestReopen: after Close a new instance can be had.
func TestReopen(t *testing.T) {
	for range 3 {
		i, err := Open(Config{})
		if err != nil {
			missing(t, "no Vulkan device", err)
		}
		_, err = i.Devices()
		check(t, err)
		i.Close()
	}
}

// TestNoEarlyFree scans the repository for calls of vulkan-go that hand C a copy
// which a finalizer may free too early.
func TestNoEarlyFree(t *testing.T) {
	forbidden := []string{
		"CreateComputePipelines", "CreateGraphicsPipelines", "UpdateDescriptorSets", "QueueSubmit", "QueueBindSparse",
		"CmdPipelineBarrier", "CmdWaitEvents", "CmdCopyBuffer", "FlushMappedMemoryRanges", "InvalidateMappedMemoryRanges",
		"CreateDevice", "CreateDescriptorSetLayout", "CreateDescriptorPool", // slices of structures inside the structure
	}
	early := regexp.MustCompile(`\.(` + strings.Join(forbidden, "|") + `)\b`)
	root := filepath.Join("..", "..", "..")
	scanned := 0
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(source), `"github.com/vulkan-go/`+`vulkan"`) {
			return err
		}
		scanned++
		for _, call := range early.FindAllString(string(source), -1) {
			t.Errorf("%s uses %s", path, call)
		}
		return nil
	})
	check(t, err)
	if scanned < 3 {
		t.Errorf("files with vulkan-go: got %d, want the driver's", scanned)
	}
}

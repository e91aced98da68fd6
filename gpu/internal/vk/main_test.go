// What the tests of both drivers share.

//go:build !nogpu && linux && (amd64 || arm64)

package vk

import (
	"os"
	"strings"
	"sync"
	"testing"
)

// log collects messages of the validation layer.
type log struct {
	mu    sync.Mutex
	lines []string
}

func (l *log) add(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, text)
}

// take empties the log.
func (l *log) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := l.lines
	l.lines = nil
	return lines
}

// missing skips the test, or fails it where everything has to be there.
func missing(t *testing.T, what string, err error) {
	t.Helper()
	if os.Getenv("NETLLM_REQUIRE_DATA") == "1" {
		t.Fatalf("%s: %v", what, err)
	}
	t.Skipf("skip: %s: %v", what, err)
}

// openTest opens an instance, with validation whose log has to be empty in the end
// unless the test takes it.
func openTest(t *testing.T, validate bool) (Instance, *log) {
	t.Helper()
	messages := new(log)
	i, err := Open(Config{Validation: validate, Message: messages.add})
	if err != nil {
		what := "no Vulkan device"
		if validate && strings.Contains(err.Error(), "validation") {
			what = "no validation layer"
		}
		missing(t, what, err)
	}
	t.Cleanup(func() {
		i.Close()
		for _, line := range messages.take() {
			t.Errorf("validation: %s", line)
		}
	})
	return i, messages
}

// pick returns the first device that computes, and its queue family.
func pick(t *testing.T, i Instance) (Facts, int, int) {
	t.Helper()
	all, err := i.Devices()
	if err != nil {
		t.Fatal(err)
	}
	for n, facts := range all {
		for family, q := range facts.Families {
			if q.Compute {
				return facts, n, family
			}
		}
	}
	missing(t, "no Vulkan device", os.ErrNotExist)
	panic("unreachable")
}

func openDevice(t *testing.T, i Instance, features func(Facts) Features) (Device, Facts, int) {
	t.Helper()
	facts, n, family := pick(t, i)
	var want Features
	if features != nil {
		want = features(facts)
	}
	d, err := i.Open(n, family, want)
	if err != nil {
		t.Fatal(err)
	}
	return d, facts, family
}

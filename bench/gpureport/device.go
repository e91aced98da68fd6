// The device, and whether it computes what it should.

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"

	"netllm/bench/internal/document"
	"netllm/gpu"
)

// choose finds the device that gpu.Open takes.
func (r *run) choose() error {
	var options []gpu.Option
	if !r.software {
		options = append(options, gpu.HardwareOnly())
	}
	if r.device >= 0 {
		options = append(options, gpu.WithDevice(r.device))
	}
	b, err := gpu.Open(options...)
	if err != nil {
		return fmt.Errorf("%w (-software allows a device that computes on the CPU, to try this command)", err)
	}
	name := b.Name()
	if err := b.Close(); err != nil {
		return err
	}
	if _, err := fmt.Sscanf(name, "vulkan:%d", &r.device); err != nil {
		return fmt.Errorf("name of the backend %q: %w", name, err)
	}
	all, err := gpu.Devices()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(d gpu.Device) bool { return d.Index == r.device })
	if i < 0 {
		return fmt.Errorf("device %d is not in the list of devices", r.device)
	}
	r.info = all[i]
	return nil
}

// open opens the device that was chosen.
func (r *run) open(options ...gpu.Option) (*gpu.Backend, error) {
	return gpu.Open(append([]gpu.Option{gpu.WithDevice(r.device)}, options...)...)
}

// isSoftware reports whether the device computes on the CPU: then work is small.
func (r *run) isSoftware() bool { return r.info.Kind == "software" }

func deviceSection(r *run) (string, error) {
	d, t := r.info, document.NewTable("fact", "value")
	t.Add("name", d.Name)
	t.Add("kind", d.Kind)
	t.Add("Vulkan", d.API)
	t.Add("called through", d.Driver)
	t.Add("device-local memory, GiB", document.Number(float64(d.Memory)/(1<<30)))
	t.Add("invocations of a subgroup", fmt.Sprint(d.Subgroup))
	t.Add("cooperative matrices of f16", yes(d.Matrices))
	t.Add("packed 8-bit dot products in hardware", yes(d.Dots))
	return t.String(), nil
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// outcome is what the tests of one package came to, subtests not counted where
// they have subtests themselves.
type outcome struct{ passed, failed, skipped int }

// testsSection runs the conformance tests and the models' tests that use a device.
func testsSection(r *run) (string, error) {
	cmd := exec.Command("go", "test", "-json", "-count=1", "-run", "Conformance|/vulkan", "./gpu/...", "./transformer")
	cmd.Stderr = os.Stderr
	out, runErr := cmd.Output()
	if runErr != nil && !errors.As(runErr, new(*exec.ExitError)) {
		return "", runErr
	}
	order, results, err := parseTests(out)
	if err != nil {
		return "", errors.Join(err, runErr)
	}
	t := document.NewTable("package", "passed", "failed", "skipped")
	var all outcome
	for _, name := range order {
		o := results[name]
		t.Add(name, fmt.Sprint(o.passed), fmt.Sprint(o.failed), fmt.Sprint(o.skipped))
		all.passed, all.failed, all.skipped = all.passed+o.passed, all.failed+o.failed, all.skipped+o.skipped
	}
	switch {
	case runErr != nil:
		err = fmt.Errorf("go test: %w, %d tests failed", runErr, all.failed)
	case all.passed == 0:
		err = fmt.Errorf("no test passed, %d were skipped: they need a device and the Khronos validation layer", all.skipped)
	}
	return t.String() + "\nThe tests take the device that `gpu.Open` takes, whatever `-device` says.", err
}

// parseTests counts the events of go test -json, and returns the packages that had
// tests in the order in which they appear.
func parseTests(stream []byte) (order []string, results map[string]outcome, err error) {
	type event struct{ Action, Package, Test string }
	type test struct{ pkg, name string }
	results = map[string]outcome{}
	var done []event
	parents := map[test]bool{}
	events := json.NewDecoder(bytes.NewReader(stream))
	for {
		var e event
		if err := events.Decode(&e); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, nil, fmt.Errorf("output of go test: %w", err)
		}
		if e.Test == "" || e.Action != "pass" && e.Action != "fail" && e.Action != "skip" {
			continue
		}
		done = append(done, e)
		for i, c := range e.Test {
			if c == '/' {
				parents[test{e.Package, e.Test[:i]}] = true
			}
		}
	}
	for _, e := range done {
		if parents[test{e.Package, e.Test}] {
			continue
		}
		o, known := results[e.Package]
		if !known {
			order = append(order, e.Package)
		}
		switch e.Action {
		case "pass":
			o.passed++
		case "fail":
			o.failed++
		case "skip":
			o.skipped++
		}
		results[e.Package] = o
	}
	return order, results, nil
}

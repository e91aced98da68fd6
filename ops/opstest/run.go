// The entry points of the suite.

package opstest

import (
	"bytes"
	"strings"
	"testing"

	"netllm/ops"
)

// Run checks that the backends that open returns keep the contract of
// [ops.Backend]: every primitive against [Reference], memory, transfers, order,
// gradients and the tape. open is called once for each part; Run closes what
// it returns.
func Run(t *testing.T, open func(t testing.TB) ops.Backend) {
	for op := range ops.NumOps {
		RunOp(t, ops.Op(op), open)
	}
	runPart(t, "contract", open, contract)
	runPart(t, "gradients", open, gradients)
	runPart(t, "tape", open, tape)
}

// RunOp checks one primitive alone.
func RunOp(t *testing.T, op ops.Op, open func(t testing.TB) ops.Backend) {
	runPart(t, op.String(), open, func(t *testing.T, b ops.Backend) { checkCases(t, b, byOp()[op]) })
}

func runPart(t *testing.T, name string, open func(t testing.TB) ops.Backend, f func(t *testing.T, b ops.Backend)) {
	t.Run(name, func(t *testing.T) {
		b := open(t)
		defer func() {
			if n := b.Counters().HostFallbacks; n != 0 {
				t.Errorf("HostFallbacks: got %d primitives done on the host, want 0", n)
			}
			if err := b.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}()
		f(t, b)
	})
}

// byOp returns the cases of each primitive.
func byOp() [ops.NumOps][]*opCase {
	var groups [ops.NumOps][]*opCase
	for _, c := range cases() {
		groups[c.op] = append(groups[c.op], c)
	}
	return groups
}

// maxReports is how many failing cases of one primitive are told.
const maxReports = 8

func checkCases(t *testing.T, b ops.Backend, cases []*opCase) {
	failed := 0
	for _, c := range cases {
		if err := c.check(b); err != nil {
			if failed++; failed <= maxReports {
				t.Errorf("%s:\n%v", c.name, err)
			}
		}
	}
	if failed > maxReports {
		t.Errorf("%d of %d cases failed", failed, len(cases))
	}
}

// Identical checks that backends give the same bits as the first one in every
// case of every primitive, as the CPU does for any number of threads.
func Identical(t *testing.T, first ops.Backend, others ...ops.Backend) {
	t.Helper()
	failed := 0
	outputs := func(b ops.Backend, c *opCase) [9][]byte {
		after, err := c.run(b)
		if err != nil {
			t.Fatalf("%s: %s: %v", b.Name(), c.name, err)
		}
		return after
	}
	for _, c := range cases() {
		want := outputs(first, c)
		for _, b := range others {
			for i, got := range outputs(b, c) {
				if bytes.Equal(got, want[i]) {
					continue
				}
				if failed++; failed <= maxReports {
					t.Errorf("%s: T%d differs between %s and %s", c.name, i, first.Name(), b.Name())
				}
			}
		}
	}
	if failed > maxReports {
		t.Errorf("%d outputs differ", failed)
	}
}

// wantPanic checks that f panics with a message that has all parts.
func wantPanic(t testing.TB, what string, f func(), parts ...string) {
	t.Helper()
	defer func() {
		t.Helper()
		r := recover()
		if r == nil {
			t.Errorf("%s: no panic", what)
			return
		}
		message, ok := r.(string)
		if !ok {
			t.Errorf("%s: panic with %T %v, want a message", what, r, r)
		}
		for _, part := range parts {
			if !strings.Contains(message, part) {
				t.Errorf("%s: got panic %q, want %q in it", what, message, part)
			}
		}
	}()
	f()
}

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
	part := func(name string, f func(t *testing.T, b ops.Backend)) {
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
	for _, group := range byOp() {
		part(group[0].op.String(), func(t *testing.T, b ops.Backend) { checkCases(t, b, group) })
	}
	part("contract", contract)
	part("gradients", gradients)
	part("tape", tape)
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

// Identical checks that two backends give the same bits in every case of every
// primitive, as the CPU does for any number of threads.
func Identical(t *testing.T, a, b ops.Backend) {
	t.Helper()
	failed := 0
	for _, c := range cases() {
		x, err := c.run(a)
		if err != nil {
			t.Fatalf("%s: %s: %v", a.Name(), c.name, err)
		}
		y, err := c.run(b)
		if err != nil {
			t.Fatalf("%s: %s: %v", b.Name(), c.name, err)
		}
		for i := range x {
			if !bytes.Equal(x[i], y[i]) {
				if failed++; failed <= maxReports {
					t.Errorf("%s: T%d differs between %s and %s", c.name, i, a.Name(), b.Name())
				}
				break
			}
		}
	}
	if failed > maxReports {
		t.Errorf("%d cases differ", failed)
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

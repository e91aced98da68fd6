// The suite run on the reference, and the count of its cases.

package opstest

import (
	"testing"

	"netllm/ops"
)

func TestReference(t *testing.T) {
	Run(t, func(testing.TB) ops.Backend { return NewReference() })
}

func TestEveryOpHasCases(t *testing.T) {
	groups, total := byOp(), 0
	for op, cases := range groups {
		if len(cases) == 0 {
			t.Errorf("%v has no case", ops.Op(op))
		}
		if references[op] == nil {
			t.Errorf("%v has no reference", ops.Op(op))
		}
		total += len(cases)
		t.Logf("%v: %d cases", ops.Op(op), len(cases))
	}
	t.Logf("all: %d cases", total)
}

package vp

import (
	"bytes"
	"testing"
)

// FuzzTrace looks for recordings that panic or come out as what no rule allows.
func FuzzTrace(f *testing.F) {
	f.Add([]byte("0.000000,4.635097,9.926961,153.601913\n0.200000,6.753952,11.280966,141.793442\n"))
	f.Add([]byte("0,-180,90,180\r\n1,0x1p-3, 1e1 ,+5\n"))
	f.Add([]byte("0,1,2\n"))
	f.Add([]byte("0,NaN,Inf,1e400\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rows, err := parseTrace("fuzz.csv", bytes.NewReader(data))
		if err != nil {
			return
		}
		if lines := bytes.Count(data, []byte("\n")) + 1; len(rows) == 0 || len(rows) > lines {
			t.Fatalf("got %d rows of %d lines", len(rows), lines)
		}
		for i, row := range rows {
			for axis, v := range row {
				if !(v >= -ends[axis] && v <= ends[axis]) {
					t.Fatalf("row %d: %s is %v", i, axisNames[axis], v)
				}
			}
		}
	})
}

package convert

import (
	"encoding/binary"
	"testing"
)

// FuzzLlama2C wants of a checkpoint that is taken that its tensors have the bytes
// that their shapes say, and all lie in the file.
func FuzzLlama2C(f *testing.F) {
	head := func(n ...int32) []byte {
		var b []byte
		for _, v := range n {
			b = binary.LittleEndian.AppendUint32(b, uint32(v))
		}
		return b
	}
	tied := append(head(4, 6, 1, 2, 1, 5, 3), make([]byte, 4*(20+4+16+8+8+16+4+24+24+24+4+6))...)
	f.Add(tied)
	f.Add(tied[:len(tied)-1])
	f.Add(append(head(4, 6, 1, 2, 1, -5, 3), append(tied[llama2cHeader:], make([]byte, 80)...)...))
	f.Add(head(1<<18, 1<<18, 1<<12, 1, 1, 1<<24, 1<<20))
	f.Add(head(-1, 0, 0, 0, 0, -1<<31, 0))
	if _, _, err := parseLlama2C(tied); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		config, list, err := parseLlama2C(data)
		if err != nil {
			return
		}
		total := llama2cHeader + 4*config.MaxPositions*config.HeadDim
		for _, x := range list {
			n := 4
			for _, d := range x.shape {
				n *= d
			}
			if n != len(x.data) {
				t.Errorf("%s: %d bytes for %v", x.name, len(x.data), x.shape)
			}
			total += n
		}
		if total != len(data) {
			t.Errorf("tensors of %d bytes in a file of %d", total, len(data))
		}
	})
}

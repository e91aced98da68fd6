package picture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"netllm/internal/golden"
)

// distances are the largest and the mean difference of two pictures' numbers.
func distances(t *testing.T, got, want []byte) (largest int, mean float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %d numbers, want %d", len(got), len(want))
	}
	for i := range got {
		d := int(got[i]) - int(want[i])
		largest, mean = max(largest, d, -d), mean+math.Abs(float64(d))/float64(len(got))
	}
	return largest, mean
}

// Reading, resizing and turning gray is what Pillow does: bit for bit, but for the decoding of JPEG,
// of which colours at half the resolution are spread in another way.
func TestPictures(t *testing.T) {
	compared := 0
	for name, allowed := range map[string]struct {
		largest int
		mean    float64
	}{
		"noise.png": {}, "alpha.png": {}, "gray.png": {}, "palette.png": {}, "palette.gif": {}, "noise.bmp": {}, "lossless.webp": {},
		"full.jpg": {3, 0.25}, "gray.jpg": {1, 0.2}, "half.jpg": {24, 4.5},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Read(filepath.Join("testdata/pictures", name))
			if err != nil {
				t.Fatal(err)
			}
			if p.Width != 37 || p.Height != 23 || p.Channels != 3 {
				t.Fatalf("got %d x %d x %d", p.Width, p.Height, p.Channels)
			}
			compare := func(suffix string, got *Picture) {
				t.Helper()
				want, err := os.ReadFile(filepath.Join("testdata/pictures", name+suffix))
				if err != nil {
					t.Fatal(err)
				}
				if largest, mean := distances(t, got.Pix, want); largest > allowed.largest || mean > allowed.mean {
					t.Errorf("%s: numbers differ by up to %d, %.3f in the mean", suffix, largest, mean)
				}
				compared++
			}
			compare(".rgb", p)
			compare(".gray", p.Gray())
			for _, size := range [][2]int{{16, 12}, {50, 41}, {37, 9}} {
				compare(fmt.Sprintf(".%dx%d.rgb", size[0], size[1]), p.Resize(size[0], size[1]))
			}
			if p.Resize(37, 23) != p || p.Gray().Gray().Channels != 1 {
				t.Error("a picture that is as it should be was changed")
			}
		})
	}
	golden.Cases(t, compared)
}

func TestPlanes(t *testing.T) {
	p := &Picture{Width: 2, Height: 1, Channels: 3, Pix: []uint8{0, 51, 255, 102, 204, 153}}
	got := p.Planes([]float32{7}, 0, 1)
	want := []float32{7, 0, 0.4, 0.2, 0.8, 1, 0.6}
	for i := range want {
		if math.Abs(float64(got[i]-want[i])) > 1e-6 {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
	if got := p.Planes(nil, 0.5, 0.5); got[0] != -1 || got[4] != 1 {
		t.Errorf("about zero: got %v", got)
	}
}

func TestPictureErrors(t *testing.T) {
	png, err := os.ReadFile("testdata/pictures/noise.png")
	if err != nil {
		t.Fatal(err)
	}
	huge := bytes.Clone(png) // a header that promises 30000 pixels of a side
	binary.BigEndian.PutUint32(huge[16:], 30000)
	binary.BigEndian.PutUint32(huge[20:], 30000)
	binary.BigEndian.PutUint32(huge[29:], crc32.ChecksumIEEE(huge[12:29]))
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty":     {nil, "empty.png: "},
		"text":      {[]byte("no picture"), "text.png: image: unknown format"},
		"cut":       {png[:len(png)/2], "cut.png: "},
		"too large": {huge, "30000 x 30000 pixels, at most"},
	} {
		path := filepath.Join(t.TempDir(), name+".png")
		if err := os.WriteFile(path, c.data, 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want ... %s", name, err, c.want)
		}
	}
	if _, err := Read(filepath.Join(t.TempDir(), "none.png")); err == nil || !strings.Contains(err.Error(), "none.png") {
		t.Errorf("a missing file: got %v", err)
	}
}

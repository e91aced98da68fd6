// Videos: size files and the generated ones.

package abr

import (
	"fmt"
	"hash/fnv"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"netllm/internal/golden"
)

func TestOpenVideoData(t *testing.T) {
	t.Parallel()
	golden.Data(t, "abr/videos")
	dir := dataRoot(t)
	v := openVideo(t, dir, "video1")
	if v.ChunkBytes[0][0] != 181801 || v.ChunkBytes[5][48] != 1433658 {
		t.Errorf("video1: got %d and %d", v.ChunkBytes[0][0], v.ChunkBytes[5][48])
	}
	// The mean encoded bitrates that the specification gives, all lines.
	for name, want := range map[string][Qualities]float64{
		"video1": {302, 750, 1197, 1843, 2838, 4279},
		"video2": {366, 898, 1435, 2204, 3402, 5138},
	} {
		v := openVideo(t, dir, name)
		for q := range want {
			sum := 0
			for _, bytes := range v.ChunkBytes[q] {
				sum += bytes
			}
			if got := float64(sum) * 8 / 1000 / (4 * (Chunks + 1)); math.Abs(got-want[q]) > 0.6 {
				t.Errorf("%s, quality %d: got %.1f kbit/s, want %v", name, q, got, want[q])
			}
		}
	}
	golden.Cases(t, 14)
}

func TestReadVideoBad(t *testing.T) {
	t.Parallel()
	lines := strings.Repeat("1000\n", Chunks+1)
	for _, c := range []struct{ name, text, want string }{
		{"short", strings.Repeat("1000\n", 48), "line 48: the file ends after 48 sizes, want 49"},
		{"empty", "", "line 1: the file ends after 0 sizes"},
		{"long", lines + "1000\n", "line 50: more than 49 sizes"},
		{"word", "1000\nx\n" + lines, `line 2: "x" is not a number of bytes`},
		{"fraction", "1000.5\n" + lines, "line 1"},
		{"blank", "1000\n\n" + lines, `line 2: "" is not`},
		{"zero", "0\n" + lines, "line 1: size 0, want 1 to 1000000000 bytes"},
		{"negative", "-5\n" + lines, "line 1: size -5"},
		{"large", "1000000001\n" + lines, "line 1: size 1000000001"},
		{"long line", strings.Repeat("1", 1<<17), "line 1: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for q := range Qualities {
				text := lines
				if q == 3 {
					text = c.text
				}
				if err := os.WriteFile(filepath.Join(dir, "video_size_"+strconv.Itoa(q)), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			_, err := OpenVideo("", dir)
			checkError(t, err, "video_size_3: "+c.want)
		})
	}
	_, err := OpenVideo("nowhere", "video1")
	checkError(t, err, filepath.Join("nowhere", "abr", "videos", "video1_sizes", "video_size_0"))
	_, err = OpenVideo("", "")
	checkError(t, err, "no video named")
}

func TestReadVideoGood(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for q := range Qualities {
		text := new(strings.Builder)
		for i := range Chunks + 1 {
			fmt.Fprintf(text, "%d\r\n", 1000*(q+1)+i)
		}
		text.WriteString("\n")
		if err := os.WriteFile(filepath.Join(dir, "video_size_"+strconv.Itoa(q)), []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	v := openVideo(t, "", dir)
	if v.Name != filepath.Base(dir) || v.ChunkBytes[2][7] != 3007 || v.ChunkBytes[5][48] != 6048 {
		t.Errorf("got %q, %d, %d", v.Name, v.ChunkBytes[2][7], v.ChunkBytes[5][48])
	}
}

func TestSynthVideo(t *testing.T) {
	t.Parallel()
	// The checksums pin the tables: embedded results depend on them.
	for _, c := range []struct {
		name  string
		scale float64
		hash  uint64
	}{{"synth1", 1, 0xa6136cb28c36b18b}, {"synth2", 1.2, 0xb48095046848806c}} {
		v := openVideo(t, "", c.name)
		if err := v.Validate(); err != nil {
			t.Error(err)
		}
		hash := fnv.New64a()
		for q := range Qualities {
			sum, square, low := 0.0, 0.0, 0
			for i, bytes := range v.ChunkBytes[q] {
				fmt.Fprintln(hash, bytes)
				if q > 0 && bytes <= v.ChunkBytes[q-1][i] {
					t.Errorf("%s: chunk %d is no larger in quality %d than below", c.name, i, q)
				}
				if i == Chunks {
					continue
				}
				r := float64(bytes) / (float64(BitratesKbps[q]) * 500 * c.scale)
				sum += r
				square += r * r
				if r < 0.6 || r > 1.4 {
					low++
				}
			}
			mean := sum / Chunks
			sd := math.Sqrt(square/Chunks - mean*mean)
			if math.Abs(mean-1) > 1e-5 || sd < 0.05 || sd > 0.13 || low > 0 {
				t.Errorf("%s, quality %d: mean %v, deviation %v of the ladder, %d outliers", c.name, q, mean, sd, low)
			}
		}
		if got := hash.Sum64(); got != c.hash {
			t.Errorf("%s: got checksum %#x, want %#x", c.name, got, c.hash)
		}
	}
	a, b, other := SynthVideo("x", 1, 1), SynthVideo("x", 1, 1), SynthVideo("x", 3, 1)
	if *a != *b || *a == *other {
		t.Error("tables do not depend on the seed alone")
	}
	for _, scale := range []float64{0, math.NaN(), 11} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("scale %v does not panic", scale)
				}
			}()
			SynthVideo("x", 1, scale)
		}()
	}
}

func TestVideoValidate(t *testing.T) {
	t.Parallel()
	v := *SynthVideo("x", 1, 1)
	v.ChunkBytes[2][9] = 0
	checkError(t, v.Validate(), "quality 2, chunk 9: size 0")
	_, err := NewEnv(EnvConfig{Video: &v})
	checkError(t, err, `video "x": quality 2, chunk 9`)
}

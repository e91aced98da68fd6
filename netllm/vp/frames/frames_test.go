package frames

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"netllm/netllm"
	"netllm/netllm/picture"
	"netllm/netllm/vp"
	"netllm/ops"
	"netllm/transformer"
)

// draw writes a picture whose brightness says which it is.
func draw(t *testing.T, path string, value uint8) {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 20, 10))
	for y := range 10 {
		for x := range 20 {
			img.Set(x, y, color.RGBA{value, uint8(10 * x), uint8(20 * y), 255})
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, img); err != nil {
		t.Fatal(err)
	}
}

// counting tells how many pictures were computed.
type counting struct {
	picture.Encoder
	n int
}

func (c *counting) Encode(p []*picture.Picture) ([]float32, error) {
	c.n += len(p)
	return c.Encoder.Encode(p)
}

func encoder(t *testing.T, b ops.Backend, seed uint64) picture.Encoder {
	t.Helper()
	vit, err := transformer.NewViT(b, transformer.ViTConfig{Width: 8, FFN: 16, Heads: 2, Layers: 1, Image: 16, Patch: 8, Channels: 3, NormEps: 1e-12, QKVBias: true}, seed)
	if err != nil {
		t.Fatal(err)
	}
	e, err := picture.NewViT(ops.NewContext(b), vit, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// Features come from the cache as they were computed, and are computed once for each picture and
// encoder; a broken file is named.
func TestFrames(t *testing.T) {
	b := ops.NewCPU(1)
	defer b.Close()
	dir, cache := t.TempDir(), filepath.Join(t.TempDir(), "cache")
	var ws []vp.Window
	for i, video := range []int{3, 12} { // 30 and 25 frames a second
		for j, at := range []int{30, 45} {
			number := (at - 1) * []int{6, 5}[i]
			draw(t, filepath.Join(dir, fmt.Sprintf("video%d", video), fmt.Sprintf("%d.png", number)), uint8(60*i+30*j))
			ws = append(ws, vp.Window{Trace: &vp.Trace{Video: video}, At: at})
		}
	}
	ws = append(ws, ws[0])
	e := &counting{Encoder: encoder(t, b, 1)}
	f := New(dir, "jin2022", picture.NewCache(cache, e), e)
	var told []int
	if err := f.Prepare(ws, func(done, all int) { told = append(told, done, all) }); err != nil || len(told) == 0 || told[len(told)-2] != 4 || told[len(told)-1] != 4 {
		t.Fatalf("got %v, progress %v", err, told)
	}
	fresh, err := f.Features(ws)
	if err != nil {
		t.Fatal(err)
	}
	if e.n != 4 || len(fresh[0]) != f.Size() || slices.Equal(fresh[0], fresh[1]) || !slices.Equal(fresh[0], fresh[4]) {
		t.Errorf("got %d pictures computed, features %v", e.n, fresh)
	}
	again, err := New(dir, "jin2022", picture.NewCache(cache, e), e).Features(ws)
	if err != nil || e.n != 4 || !slices.EqualFunc(fresh, again, slices.Equal) {
		t.Errorf("from the cache: %d pictures computed, %v", e.n, err)
	}
	other := &counting{Encoder: encoder(t, b, 2)}
	if _, err := New(dir, "jin2022", picture.NewCache(cache, other), other).Features(ws); err != nil || other.n != 4 {
		t.Errorf("another encoder: %d pictures computed, %v", other.n, err)
	}
	files, err := filepath.Glob(filepath.Join(cache, "*.safetensors"))
	if err != nil || len(files) != 8 {
		t.Fatalf("got %d files, %v", len(files), err)
	}
	for _, file := range files {
		if err := os.WriteFile(file, []byte("broken"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if kept, err := f.Features(ws); err != nil || !slices.EqualFunc(fresh, kept, slices.Equal) {
		t.Errorf("what is in memory was read again: %v", err)
	}
	f = New(dir, "jin2022", picture.NewCache(cache, e), e)
	if _, err := f.Features(ws[:1]); err == nil || !strings.Contains(err.Error(), cache) || !strings.Contains(err.Error(), "delete the file") {
		t.Errorf("a broken file: got %v", err)
	}
	ws[0].At = 31
	if _, err := f.Features(ws[:1]); err == nil || !strings.Contains(err.Error(), "video 3 has no picture") {
		t.Errorf("a missing picture: got %v", err)
	}
}

// viewers are recordings of people who rest and then move: where to is in the picture that they saw, and nowhere
// else. Pictures are written to the folder that is returned.
func viewers(t *testing.T) (dir string, traces []*vp.Trace) {
	t.Helper()
	dir = t.TempDir()
	for video := 1; video <= 24; video++ {
		trace := &vp.Trace{Video: video, User: 1}
		for row := range 60 {
			yaw := float32(0)
			if row >= 30 {
				yaw = float32(row-29) * float32(video%2*2-1) * 2
			}
			trace.Rows = append(trace.Rows, vp.Angles{0, 0, yaw})
		}
		draw(t, filepath.Join(dir, fmt.Sprintf("video%d", video), "174.png"), uint8(video%2*200+video))
		traces = append(traces, trace)
	}
	return dir, traces
}

// shuffled gives windows the pictures of others: half of them of viewers who went the other way.
type shuffled struct{ vp.Images }

func (s shuffled) Features(ws []vp.Window) ([][]float32, error) {
	others := slices.Clone(ws)
	for i, w := range ws {
		others[i].Trace = &vp.Trace{Video: (w.Trace.Video*7+w.Trace.Video/4)%24 + 1}
	}
	return s.Images.Features(others)
}

// A network learns from pictures, by features of a frozen encoder as by an encoder of its own; with
// the pictures of others, or with none, it does not.
func TestPicturesMatter(t *testing.T) {
	b := ops.NewCPU(2)
	defer b.Close()
	m, err := transformer.New(b, transformer.Config{Arch: "llama", Layers: 1, Width: 16, FFN: 32, Heads: 2, KVHeads: 1, HeadDim: 8, RopeDim: 8,
		Vocab: 7, MaxPositions: 64, NormEps: 1e-5, RopeTheta: 10000, Tied: true}, 3)
	if err != nil {
		t.Fatal(err)
	}
	dir, traces := viewers(t)
	r, err := vp.NewRecipe("best", m, vp.Recipe{}.Body, 1)
	if err != nil {
		t.Fatal(err)
	}
	r.Windows = vp.Windowing{History: 5, Horizon: 10, Stride: 100, TrimHead: 30, TrimTail: 10}
	r.MinHistory, r.Network.History, r.Network.Horizon, r.Network.Features = 0, 5, 10, 16
	r.Epochs, r.Batch, r.LearningRate, r.Average, r.ValidEvery = 250, 16, 1e-2, 0, 200
	ws := r.Windows.Windows(traces)
	score := func(a *vp.Adapter) float64 {
		t.Helper()
		result, err := vp.Evaluate(t.Context(), a.Factory("netllm", 1, true, func() ops.Backend { return b }), ws[:8], vp.EvalOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return result.Mean
	}
	e := encoder(t, b, 1)
	features, pixels := New(dir, "", picture.NewCache(t.TempDir(), e), e), NewPixels(dir, "", 16)
	patches := &netllm.PatchConfig{Channels: 3, Side: 16, Patch: 8, Width: 16, Out: 8}
	for _, c := range []struct {
		name    string
		images  vp.Images
		patches *netllm.PatchConfig
		learns  bool
	}{
		{"none", nil, nil, false},
		{"features", features, nil, true},
		{"features of others", shuffled{features}, nil, false},
		{"patches", pixels, patches, true},
		{"patches of others", shuffled{pixels}, patches, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := r
			if r.Network.Patches = c.patches; c.images != nil {
				r.Network.Image = c.images.Size()
			}
			a, err := vp.NewAdapter(b, m, r, c.images)
			if err != nil {
				t.Fatal(err)
			}
			if err := a.Train(t.Context(), b, ws[8:], ws[:8], nil); err != nil {
				t.Fatal(err)
			}
			got := score(a)
			if c.learns != (got < 1.5) { // those who stand still are wrong by 11/3 degrees
				t.Errorf("got an error of %.3f", got)
			}
			if c.images == nil {
				return
			}
			saved := filepath.Join(t.TempDir(), "adapter")
			if err := a.Write(b, saved, "model", false); err != nil {
				t.Fatal(err)
			}
			again, err := vp.LoadAdapter(b, m, saved, c.images)
			if err != nil {
				t.Fatal(err)
			}
			if score(again) != got {
				t.Errorf("loaded again: got %.6f, want %.6f", score(again), got)
			}
			if _, err := vp.LoadAdapter(b, m, saved, nil); err == nil || !strings.Contains(err.Error(), "pictures are given: false") {
				t.Errorf("without pictures: got %v", err)
			}
		})
	}
}

// Pixels are those of the picture that a window ends with, from -1 to 1.
func TestPixels(t *testing.T) {
	dir := t.TempDir()
	draw(t, filepath.Join(dir, "video3", "174.png"), 255)
	p := NewPixels(dir, "jin2022", 4)
	ws := []vp.Window{{Trace: &vp.Trace{Video: 3}, At: 30}}
	told := 0
	if err := p.Prepare(ws, func(done, all int) { told += done * all }); err != nil || told != 1 {
		t.Fatalf("got %v, progress %d", err, told)
	}
	if err := os.Remove(filepath.Join(dir, "video3", "174.png")); err != nil {
		t.Fatal(err)
	}
	got, err := p.Features(ws)
	if err != nil || len(got) != 1 || len(got[0]) != p.Size() || p.Size() != 48 || got[0][0] != 1 || got[0][16] >= got[0][19] || got[0][47] >= 1 {
		t.Errorf("got %v, %v", got, err)
	}
	ws[0].At = 31
	if _, err := p.Features(ws); err == nil || !strings.Contains(err.Error(), "video 3 has no picture") {
		t.Errorf("a missing picture: got %v", err)
	}
}

// What is kept in memory has a bound; what is asked for twice is missing once.
func TestStore(t *testing.T) {
	s := newStore[int](10, func(v []byte) int { return len(v) })
	for k := range 5 {
		s.put(k, make([]byte, 4))
		s.put(k, make([]byte, 4))
	}
	found, missing := s.get([]int{0, 3, 4, 3, 0})
	if len(found) != 2 || found[3] == nil || found[4] == nil || !slices.Equal(missing, []int{0}) || s.used != 8 {
		t.Errorf("got %v, missing %v, %d used", found, missing, s.used)
	}
	s.put(9, make([]byte, 99)) // larger than all the room: kept alone
	if found, missing = s.get([]int{9, 4}); len(found) != 1 || len(missing) != 1 || s.used != 99 {
		t.Errorf("got %v, missing %v, %d used", found, missing, s.used)
	}
}

func TestSaliency(t *testing.T) {
	dir := t.TempDir()
	draw(t, filepath.Join(dir, "video4", "30.png"), 200)
	s := NewSaliency(dir, 4)
	got, again := make([]float32, s.Cells()), make([]float32, s.Cells())
	if err := s.Picture(got, 4, 30); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "video4", "30.png")); err != nil {
		t.Fatal(err)
	}
	if err := s.Picture(again, 4, 30); err != nil || !slices.Equal(got, again) || got[0] < 50 || got[0] >= got[15] {
		t.Errorf("got %v and %v, %v", got, again, err)
	}
	if err := s.Picture(got, 4, 31); err == nil || !strings.Contains(err.Error(), "video 4 has no picture") {
		t.Errorf("a missing picture: got %v", err)
	}
	if Rate("jin2022", 9) != 30 || Rate("jin2022", 18) != 25 || Rate("wu2017", 8) != 25 || Rate("wu2017", 9) != 30 || Number(30, 25) != 145 {
		t.Error("other rates than published")
	}
}

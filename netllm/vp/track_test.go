package vp

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"netllm/internal/golden"
	"netllm/netllm"
	"netllm/ops"
	"netllm/tensor"
	"netllm/tensor/safetensors"
)

// stripes is the golden's saliency on a 4 x 4 grid: row 0 is the first seen, of a window whose
// question is at row 10.
type stripes struct{}

func (stripes) Cells() int { return 16 }
func (stripes) Picture(dst []float32, _, row int) error {
	for k := range dst {
		dst[k] = float32((7*row + 13*k) % 16)
	}
	return nil
}

func TestGoldenTrack(t *testing.T) {
	var file struct {
		Windows []goldenWindow
		Track   struct {
			Window int         `json:"window_index"`
			Shapes [][]int     `json:"tensors"`
			Output [][]float64 `json:"output_deg_raw"`
			Zero   [][]float64 `json:"output_with_zero_saliency"`
			Params int         `json:"params_small"`
		} `json:"track_small"`
	}
	readJSON(t, "vp_golden.json", &file)
	g := file.Track
	w := file.Windows[g.Window].window()
	eachBackend(t, func(t *testing.T, b ops.Backend) {
		compared := 0
		for name, c := range map[string]struct {
			saliency Saliency
			cells    int
			want     [][]float64
		}{"pictures": {stripes{}, 16, g.Output}, "no pictures": {nil, 1, g.Zero}} {
			track, err := NewTrack(b, TrackConfig{Cells: c.cells}, c.saliency, 1)
			if err != nil {
				t.Fatal(err)
			}
			count := 0
			for i, p := range track.Params() {
				if shape := p.Value.Shape(); c.saliency != nil && !slices.Equal(shape, g.Shapes[i]) {
					t.Fatalf("%s: got shape %v, want %v", p.Name, shape, g.Shapes[i])
				}
				count += p.Value.Len()
				if err := netllm.Restore(b, []*ops.Param{p}, [][]float32{hashWeights(i, p.Value.Len(), 0, 0.1)}); err != nil {
					t.Fatal(err)
				}
			}
			if want := map[int]int{16: g.Params, 1: 2_708_483}[c.cells]; count != want {
				t.Errorf("%s: got %d parameters, want %d", name, count, want)
			}
			ctx := ops.NewContext(b)
			for _, batch := range []int{1, 3} { // the same window several times
				y, err := track.Forward(ctx, slices.Repeat([]Window{w}, batch))
				if err != nil {
					t.Fatal(err)
				}
				values, err := ctx.Floats(y)
				if err != nil {
					t.Fatal(err)
				}
				for k, row := range c.want {
					for axis, want := range row {
						if got := float64(values[(k*batch+batch-1)*3+axis]); !(math.Abs(got-want) <= 1e-4*math.Abs(want)+1e-5) {
							t.Fatalf("%s, %d at a time, row %d: got %v, want %v", name, batch, k, got, want)
						}
						compared++
					}
				}
			}
		}
		golden.Cases(t, compared)
	})
}

// The network learns; with the file goes all of it.
func TestTrackLearns(t *testing.T) {
	b := ops.NewCPU(2)
	defer b.Close()
	ws := Windowing{History: 5, Horizon: 4, Stride: 9, TrimHead: 10, TrimTail: 10}.Windows(spinning(14))
	r := TrackTraining{Windows: DefaultWindowing(), Epochs: 8, Batch: 32, LearningRate: 2e-3, ValidEvery: 3, Seed: 4}
	train := func() (*Track, []float64) {
		track, err := NewTrack(b, TrackConfig{Cells: 1, Honest: true}, nil, 3)
		if err != nil {
			t.Fatal(err)
		}
		var looks []float64
		if err := track.Train(t.Context(), b, ws[14:], ws[:14], r, func(p Progress) {
			if !math.IsNaN(p.Valid) {
				looks = append(looks, p.Valid)
			}
		}); err != nil {
			t.Fatal(err)
		}
		return track, looks
	}
	track, looks := train()
	if len(looks) != 4 || slices.Min(looks) > 0.8*looks[0] { // after epochs 0, 3, 6 and 7
		t.Errorf("got validation losses %v", looks)
	}
	if valid, err := track.validate(ops.NewContext(b), ws[:14], 32); err != nil || math.Abs(valid-slices.Min(looks)) > 1e-4 {
		t.Errorf("got a loss of %v, %v, the best was %v", valid, err, slices.Min(looks))
	}
	if other, _ := train(); !sameValues(t, b, track.Params(), other.Params()) {
		t.Error("the same seed gives other weights")
	}
	path := filepath.Join(t.TempDir(), "track.safetensors")
	if err := track.Write(b, path, r, false); err != nil {
		t.Fatal(err)
	}
	if err := track.Write(b, path, r, false); err == nil {
		t.Error("an old file was replaced unasked")
	}
	again, err := LoadTrack(b, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	score := func(x *Track) *Result {
		r, err := Evaluate(t.Context(), x.Factory(1, func() ops.Backend { return b }), ws, EvalOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if got, want := score(again), score(track); !slices.Equal(got.Windows, want.Windows) || got.Policy != "track-honest" {
		t.Errorf("%s: read again: got error %v, want %v", got.Policy, got.Mean, want.Mean)
	}
	if _, err := LoadTrack(b, path, stripes{}); err == nil || !strings.Contains(err.Error(), "16 cells for a network of 1") {
		t.Errorf("other pictures: got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := track.Train(ctx, b, ws, ws, r, func(Progress) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}

// noPicture fails at a row.
type noPicture struct{ stripes }

func (noPicture) Picture(dst []float32, video, row int) error {
	return fmt.Errorf("video %d has no picture %d", video, row)
}

func TestTrackErrors(t *testing.T) {
	b := ops.NewCPU(1)
	defer b.Close()
	for want, f := range map[string]func() error{
		"0 cells":               func() error { _, err := NewTrack(b, TrackConfig{}, nil, 1); return err },
		"pictures of 16 cells":  func() error { _, err := NewTrack(b, TrackConfig{Cells: 16}, nil, 1); return err },
		"0 windows to train on": func() error { return mustTrack(t, b).Train(t.Context(), b, nil, nil, DefaultTrackTraining(), nil) },
		"epochs 0, batch 0":     func() error { return mustTrack(t, b).Train(t.Context(), b, nil, nil, TrackTraining{}, nil) },
		"video 1 has no picture": func() error {
			track, err := NewTrack(b, TrackConfig{Cells: 16}, noPicture{}, 1)
			if err != nil {
				return err
			}
			ws := DefaultWindowing().Windows(spinning(1))
			return track.Train(t.Context(), b, ws, ws, DefaultTrackTraining(), nil)
		},
		"no such file": func() error { _, err := LoadTrack(b, filepath.Join(t.TempDir(), "none"), nil); return err },
		"want \"netllm track 1\"": func() error {
			path := filepath.Join(t.TempDir(), "x.safetensors")
			if err := safetensors.Write(path, nil, nil); err != nil {
				return err
			}
			_, err := LoadTrack(b, path, nil)
			return err
		},
		"no weights for pictures of 1000000 cells": func() error {
			path := filepath.Join(t.TempDir(), "x.safetensors")
			entries := []safetensors.Entry{safetensors.EntryOf("encoder.saliency.weight_ih_l0", tensor.New(tensor.F32, 4, 1))}
			if err := safetensors.Write(path, map[string]string{formatKey: trackFormat, configKey: `{"cells": 1000000}`}, entries); err != nil {
				return err
			}
			_, err := LoadTrack(b, path, nil)
			return err
		},
	} {
		if err := f(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want ... %s", err, want)
		}
	}
}

func mustTrack(t *testing.T, b ops.Backend) *Track {
	t.Helper()
	track, err := NewTrack(b, TrackConfig{Cells: 1}, nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	return track
}

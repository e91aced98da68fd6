// Package frames gives the predictors of package vp the pictures that viewers saw: folders
// DIR/videoN/NUMBER.png (or jpg, jpeg, webp). [Frames] are features by a frozen encoder, [Pixels] are for
// a network that trains its own, [Saliency] are maps of what draws the eye.
//
//	vit, _ := transformer.LoadViT(backend, "vit-base-patch16-224-in21k")
//	encoder, _ := picture.NewViT(ops.NewContext(backend), vit, 0, 1)
//	images := frames.New("frames", "jin2022", picture.NewCache("cache", encoder), encoder)
//	adapter, _ := vp.NewAdapter(backend, body, recipe, images)
package frames

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"netllm/netllm/picture"
	"netllm/netllm/vp"
)

// room is how many bytes of pictures, or of their features, are kept in memory: those of all
// published videos, but for saliency maps at their full size.
const room = 256 << 20

// folder holds the frames of videos.
type folder struct {
	dir  string
	rate func(video int) int
}

// published is the folder dir with frames of a published data set or, by any other name, of videos
// of 30 frames a second.
func published(dir, dataset string) folder {
	return folder{dir, func(video int) int { return Rate(dataset, video) }}
}

// frame is a video's frame.
type frame struct{ video, number int }

// seen returns the frame at the last row seen of each window.
func (f folder) seen(ws []vp.Window) []frame {
	list := make([]frame, len(ws))
	for i, w := range ws {
		list[i] = frame{w.Trace.Video, Number(w.At, f.rate(w.Trace.Video))}
	}
	return list
}

// Rate is the number of frames a second of a published video.
func Rate(dataset string, video int) int {
	switch {
	case dataset == "jin2022" && video >= 10 && video <= 18, dataset == "wu2017" && (video == 7 || video == 8):
		return 25
	}
	return 30
}

// perSecond is how many rows of a recording there are in a second.
const perSecond = 5

// Number is that of the frame at the last row seen of a question at row at, as published: frames count from
// 0, and a row has a whole number of them.
func Number(at, rate int) int { return (at - 1) * (rate / perSecond) }

// Frames are the features of videos' frames by a frozen encoder. It is a [vp.Images].
type Frames struct {
	folder
	encoder picture.Encoder
	cache   *picture.Cache
	mu      sync.Mutex // of cache and encoder
	kept    *store[frame, []float32]
}

// New returns the features of the frames in the folder dir, of videos of a published data set or, by
// any other name, of videos of 30 frames a second.
func New(dir, dataset string, cache *picture.Cache, encoder picture.Encoder) *Frames {
	return &Frames{folder: published(dir, dataset), encoder: encoder, cache: cache,
		kept: newStore[frame](room, func(v []float32) int { return 4 * len(v) })}
}

// Size implements [vp.Images].
func (f *Frames) Size() int { return f.encoder.Size() }

// Name implements [vp.Images].
func (f *Frames) Name() string { return f.encoder.ID() }

// Prepare reads the frames of all windows, so that what is missing is known before anything is begun. each, if
// not nil, is told how many of how many are there.
func (f *Frames) Prepare(ws []vp.Window, each func(done, all int)) error {
	_, err := f.features(f.seen(ws), each)
	return err
}

// Features implements [vp.Images].
func (f *Frames) Features(ws []vp.Window) ([][]float32, error) {
	at := f.seen(ws)
	found, err := f.features(at, nil)
	if err != nil {
		return nil, err
	}
	list := make([][]float32, len(at))
	for i, frame := range at {
		list[i] = found[frame]
	}
	return list, nil
}

func (f *Frames) features(at []frame, each func(done, all int)) (map[frame][]float32, error) {
	found, missing := f.kept.get(at)
	paths := make([]string, len(missing))
	for i, frame := range missing {
		var err error
		if paths[i], err = find(f.dir, frame); err != nil {
			return nil, err
		}
	}
	var tell func(int)
	if each != nil {
		tell = func(done int) { each(done, len(paths)) }
	}
	f.mu.Lock()
	features, err := f.cache.Features(paths, tell)
	f.mu.Unlock()
	if err != nil {
		return nil, err
	}
	for i, frame := range missing {
		found[frame] = features[i]
		f.kept.put(frame, features[i])
	}
	return found, nil
}

// find returns the file of a frame, of whatever format.
func find(dir string, at frame) (string, error) {
	base := filepath.Join(dir, fmt.Sprintf("video%d", at.video), fmt.Sprint(at.number))
	for _, suffix := range []string{".png", ".jpg", ".jpeg", ".webp"} {
		_, err := os.Stat(base + suffix)
		if err == nil {
			return base + suffix, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("frames: %w", err)
		}
	}
	return "", fmt.Errorf("frames: video %d has no picture %s.png, .jpg, .jpeg or .webp", at.video, base)
}

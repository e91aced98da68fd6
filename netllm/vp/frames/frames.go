// Package frames gives the predictors of package vp the pictures that viewers saw: folders
// DIR/videoN/NUMBER.png (or jpg, jpeg, webp).
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

	"netllm/netllm/picture"
	"netllm/netllm/vp"
)

// Frames are the features of videos' frames. It is a [vp.Images].
type Frames struct {
	dir     string
	rate    func(video int) int
	cache   *picture.Cache
	encoder picture.Encoder
}

// New returns the features of the frames in the folder dir, of videos of a published data set or, by
// any other name, of videos of 30 frames a second.
func New(dir, dataset string, cache *picture.Cache, encoder picture.Encoder) *Frames {
	return &Frames{dir, func(video int) int { return Rate(dataset, video) }, cache, encoder}
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

// Size implements [vp.Images].
func (f *Frames) Size() int { return f.encoder.Size() }

// Name implements [vp.Images].
func (f *Frames) Name() string { return f.encoder.ID() }

// Features implements [vp.Images].
func (f *Frames) Features(ws []vp.Window) ([][]float32, error) {
	paths := make([]string, len(ws))
	for i, w := range ws {
		var err error
		if paths[i], err = find(f.dir, w.Trace.Video, Number(w.At, f.rate(w.Trace.Video))); err != nil {
			return nil, err
		}
	}
	return f.cache.Features(paths, nil)
}

// find returns the file of a picture, of whatever format.
func find(dir string, video, number int) (string, error) {
	base := filepath.Join(dir, fmt.Sprintf("video%d", video), fmt.Sprint(number))
	for _, suffix := range []string{".png", ".jpg", ".jpeg", ".webp"} {
		_, err := os.Stat(base + suffix)
		if err == nil {
			return base + suffix, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("frames: %w", err)
		}
	}
	return "", fmt.Errorf("frames: video %d has no picture %s.png, .jpg, .jpeg or .webp", video, base)
}

// Saliency are gray pictures of what draws the eye, one for each row of a recording: row r is
// picture r. It is a [vp.Saliency]. Pictures that were read are kept.
type Saliency struct {
	dir  string
	side int
	read map[[2]int][]float32
}

// NewSaliency returns the pictures in the folder dir, resized to side x side; published are 224.
func NewSaliency(dir string, side int) *Saliency {
	return &Saliency{dir, side, map[[2]int][]float32{}}
}

// Cells implements [vp.Saliency].
func (s *Saliency) Cells() int { return s.side * s.side }

// Picture implements [vp.Saliency].
func (s *Saliency) Picture(dst []float32, video, row int) error {
	at := [2]int{video, row}
	values, ok := s.read[at]
	if !ok {
		path, err := find(s.dir, video, row)
		if err != nil {
			return err
		}
		p, err := picture.Read(path)
		if err != nil {
			return err
		}
		for _, v := range p.Resize(s.side, s.side).Gray().Pix {
			values = append(values, float32(v))
		}
		s.read[at] = values
	}
	copy(dst, values)
	return nil
}

// Pictures as they are: for encoders that are trained, and of what draws the eye.

package frames

import (
	"fmt"

	"netllm/netllm/picture"
	"netllm/netllm/vp"
)

// pictures reads the pictures of a folder, resized to side x side, and keeps them.
type pictures struct {
	dir  string
	side int
	gray bool
	kept *store[frame, *picture.Picture]
}

func newPictures(dir string, side int, gray bool) pictures {
	return pictures{dir, side, gray, newStore[frame](room, func(p *picture.Picture) int { return len(p.Pix) })}
}

// read returns pictures by where they are. each, if not nil, is told how many of how many are there.
func (s *pictures) read(at []frame, each func(done, all int)) (map[frame]*picture.Picture, error) {
	found, missing := s.kept.get(at)
	for i, frame := range missing {
		path, err := find(s.dir, frame)
		if err != nil {
			return nil, err
		}
		p, err := picture.Read(path)
		if err != nil {
			return nil, err
		}
		if p = p.Resize(s.side, s.side); s.gray {
			p = p.Gray()
		}
		found[frame] = p
		s.kept.put(frame, p)
		if each != nil {
			each(i+1, len(missing))
		}
	}
	return found, nil
}

// Pixels are videos' frames themselves, small, for a network with an encoder of its own
// ([vp.NetworkConfig.Patches]). It is a [vp.Images].
type Pixels struct {
	folder
	pictures pictures
}

// NewPixels returns the frames in the folder dir, resized to side x side; see [New] for dataset.
func NewPixels(dir, dataset string, side int) *Pixels {
	return &Pixels{published(dir, dataset), newPictures(dir, side, false)}
}

// Size implements [vp.Images]: three colours.
func (p *Pixels) Size() int { return 3 * p.pictures.side * p.pictures.side }

// Name implements [vp.Images].
func (p *Pixels) Name() string { return fmt.Sprintf("pixels, bilinear %d", p.pictures.side) }

// Prepare is like [Frames.Prepare].
func (p *Pixels) Prepare(ws []vp.Window, each func(done, all int)) error {
	_, err := p.pictures.read(p.seen(ws), each)
	return err
}

// Features implements [vp.Images]: numbers from -1 to 1, [3, side, side].
func (p *Pixels) Features(ws []vp.Window) ([][]float32, error) {
	at := p.seen(ws)
	found, err := p.pictures.read(at, nil)
	if err != nil {
		return nil, err
	}
	list := make([][]float32, len(at))
	for i, frame := range at {
		list[i] = found[frame].Planes(make([]float32, 0, p.Size()), 0.5, 0.5)
	}
	return list, nil
}

// Saliency are gray pictures of what draws the eye, one for each row of a recording: row r is
// picture r. It is a [vp.Saliency].
type Saliency struct{ pictures pictures }

// NewSaliency returns the pictures in the folder dir, resized to side x side; published are 224.
func NewSaliency(dir string, side int) *Saliency { return &Saliency{newPictures(dir, side, true)} }

// Cells implements [vp.Saliency].
func (s *Saliency) Cells() int { return s.pictures.side * s.pictures.side }

// Picture implements [vp.Saliency].
func (s *Saliency) Picture(dst []float32, video, row int) error {
	at := frame{video, row}
	found, err := s.pictures.read([]frame{at}, nil)
	if err != nil {
		return err
	}
	for i, v := range found[at].Pix {
		dst[i] = float32(v)
	}
	return nil
}

// Package picture reads pictures from files, brings them to a size as Pillow does, and makes numbers of
// them for image encoders.
//
//	p, err := picture.Read("frame.png")
//	pixels := p.Resize(224, 224).Planes(nil, 0, 1) // [3, 224, 224], 0 to 1
package picture

import (
	"fmt"
	"math"
)

// Picture is a picture of 8 bits per number, rows from the top, red, green and blue side by side,
// or gray alone.
type Picture struct {
	Width, Height, Channels int
	Pix                     []uint8 // [Height, Width, Channels]
}

// Gray returns the luma of a picture in colour (ITU-R BT.601), as Pillow's convert("L") rounds
// it.
func (p *Picture) Gray() *Picture {
	if p.Channels == 1 {
		return p
	}
	g := &Picture{Width: p.Width, Height: p.Height, Channels: 1, Pix: make([]uint8, p.Width*p.Height)}
	for i := range g.Pix {
		c := p.Pix[3*i : 3*i+3]
		g.Pix[i] = uint8((19595*uint32(c[0]) + 38470*uint32(c[1]) + 7471*uint32(c[2]) + 1<<15) >> 16)
	}
	return g
}

// Resize returns the picture in another size, by bilinear interpolation over as much of it as a
// pixel of the result covers: what Pillow's resize, and with it torchvision's of pictures, gives, bit for
// bit. Columns come before rows, each rounded to 8 bits.
func (p *Picture) Resize(width, height int) *Picture {
	if width < 1 || height < 1 {
		panic(fmt.Sprintf("picture: Resize: to %d x %d", width, height))
	}
	return p.resizeColumns(width).resizeRows(height)
}

// weightBits are those behind the point of the weights of pixels.
const weightBits = 32 - 8 - 2

// share is what a pixel of the result is made of: so many pixels from first on, by weights whose sum is one.
type share struct {
	first   int
	weights []int32
}

// shares returns what each of to pixels is made of, of from.
func shares(from, to int) []share {
	scale := float64(from) / float64(to)
	support := max(scale, 1)
	list := make([]share, to)
	for i := range list {
		center := (float64(i) + 0.5) * scale
		first := max(0, int(center-support+0.5))
		last := min(from, int(center+support+0.5))
		weights := make([]float64, last-first)
		var sum float64
		for j := range weights {
			weights[j] = max(0, 1-math.Abs((float64(first+j)-center+0.5)/support))
			sum += weights[j]
		}
		list[i] = share{first, make([]int32, len(weights))}
		for j, w := range weights {
			list[i].weights[j] = int32(w/sum*(1<<weightBits) + 0.5)
		}
	}
	return list
}

// mix is a weighted sum, rounded. Weights that sum to a little more than one must not overflow.
func mix(sum int32) uint8 { return uint8(min(max(sum>>weightBits, 0), 255)) }

func (p *Picture) resizeColumns(width int) *Picture {
	if width == p.Width {
		return p
	}
	out := &Picture{Width: width, Height: p.Height, Channels: p.Channels, Pix: make([]uint8, width*p.Height*p.Channels)}
	for x, s := range shares(p.Width, width) {
		for y := range p.Height {
			for c := range p.Channels {
				sum := int32(1 << (weightBits - 1))
				for j, w := range s.weights {
					sum += w * int32(p.Pix[(y*p.Width+s.first+j)*p.Channels+c])
				}
				out.Pix[(y*width+x)*p.Channels+c] = mix(sum)
			}
		}
	}
	return out
}

func (p *Picture) resizeRows(height int) *Picture {
	if height == p.Height {
		return p
	}
	line := p.Width * p.Channels
	out := &Picture{Width: p.Width, Height: height, Channels: p.Channels, Pix: make([]uint8, height*line)}
	for y, s := range shares(p.Height, height) {
		for i := range line {
			sum := int32(1 << (weightBits - 1))
			for j, w := range s.weights {
				sum += w * int32(p.Pix[(s.first+j)*line+i])
			}
			out.Pix[y*line+i] = mix(sum)
		}
	}
	return out
}

// Planes appends the picture's numbers to dst, colour by colour, [Channels, Height, Width], each
// as (v/255 - mean)/deviation: 0 and 1 leave them between 0 and 1, 0.5 and 0.5, which Hugging Face's
// ViT was trained with, between -1 and 1.
func (p *Picture) Planes(dst []float32, mean, deviation float32) []float32 {
	for c := range p.Channels {
		for i := c; i < len(p.Pix); i += p.Channels {
			dst = append(dst, (float32(p.Pix[i])/255-mean)/deviation)
		}
	}
	return dst
}

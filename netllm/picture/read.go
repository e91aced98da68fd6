// From files to pictures.

package picture

import (
	"fmt"
	"image"
	"image/color"
	_ "image/gif" // the formats that pictures may have
	_ "image/jpeg"
	_ "image/png"
	"io"
	"os"

	_ "golang.org/x/image/bmp"
	_ "golang.org/x/image/webp"
)

// maxPixels bounds what a file may promise.
const maxPixels = 1 << 26

// Read reads a PNG, JPEG, GIF, WebP or BMP file in colour. Transparency is left out, as
// Pillow's convert("RGB") does; of pictures with 16 bits and of WebP with transparency, what is transparent is
// black, and so is what the first frame of a GIF leaves of its screen. An error names the file.
func Read(path string) (*Picture, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("picture: %w", err)
	}
	defer f.Close()
	return decode(f, path)
}

// decode reads a picture of the file called name.
func decode(r io.ReadSeeker, name string) (*Picture, error) {
	head, _, err := image.DecodeConfig(r)
	if err != nil {
		return nil, fmt.Errorf("picture: %s: %w", name, err)
	}
	if head.Width <= 0 || head.Height <= 0 || head.Width > maxPixels/head.Height {
		return nil, fmt.Errorf("picture: %s: %d x %d pixels, at most %d in all", name, head.Width, head.Height, maxPixels)
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("picture: %s: %w", name, err)
	}
	img, _, err := image.Decode(r)
	if err != nil {
		return nil, fmt.Errorf("picture: %s: %w", name, err)
	}
	return pictureOf(img, head.Width, head.Height), nil
}

// pictureOf is img on a black canvas of that size: a GIF's frame may be smaller than its screen.
func pictureOf(img image.Image, width, height int) *Picture {
	p := &Picture{Width: width, Height: height, Channels: 3, Pix: make([]uint8, 3*width*height)}
	r := img.Bounds()
	if r.Dx() == width && r.Dy() == height {
		r = r.Sub(r.Min) // wherever it says that it lies
	}
	at := r.Intersect(image.Rect(0, 0, width, height))
	row := rowsOf(img)
	shift := img.Bounds().Min.Sub(r.Min)
	for y := at.Min.Y; y < at.Max.Y; y++ {
		row(p.Pix[3*(y*width+at.Min.X):3*(y*width+at.Max.X)], at.Min.X+shift.X, y+shift.Y)
	}
	return p
}

// rowsOf returns what copies pixels of img, from (x, y) to the right, as red, green and blue. What decoders
// give most is read without a call for each pixel.
func rowsOf(img image.Image) func(dst []uint8, x, y int) {
	switch img := img.(type) {
	case *image.YCbCr:
		return func(dst []uint8, x, y int) {
			for ; len(dst) > 0; dst, x = dst[3:], x+1 {
				c, l := img.COffset(x, y), img.YOffset(x, y)
				dst[0], dst[1], dst[2] = color.YCbCrToRGB(img.Y[l], img.Cb[c], img.Cr[c])
			}
		}
	case *image.NRGBA:
		return func(dst []uint8, x, y int) {
			for from := img.Pix[img.PixOffset(x, y):]; len(dst) > 0; dst, from = dst[3:], from[4:] {
				copy(dst, from[:3])
			}
		}
	case *image.RGBA:
		return func(dst []uint8, x, y int) {
			for from := img.Pix[img.PixOffset(x, y):]; len(dst) > 0; dst, from = dst[3:], from[4:] {
				c := color.NRGBA{from[0], from[1], from[2], from[3]}
				if c.A != 255 {
					c = nrgba(color.RGBA(c))
				}
				dst[0], dst[1], dst[2] = c.R, c.G, c.B
			}
		}
	case *image.Gray:
		return func(dst []uint8, x, y int) {
			for from := img.Pix[img.PixOffset(x, y):]; len(dst) > 0; dst, from = dst[3:], from[1:] {
				dst[0], dst[1], dst[2] = from[0], from[0], from[0]
			}
		}
	case *image.Paletted:
		palette := make([]color.NRGBA, len(img.Palette))
		for i, c := range img.Palette {
			palette[i] = nrgba(c)
		}
		return func(dst []uint8, x, y int) {
			for from := img.Pix[img.PixOffset(x, y):]; len(dst) > 0; dst, from = dst[3:], from[1:] {
				c := palette[from[0]]
				dst[0], dst[1], dst[2] = c.R, c.G, c.B
			}
		}
	}
	return func(dst []uint8, x, y int) {
		for ; len(dst) > 0; dst, x = dst[3:], x+1 {
			c := nrgba(img.At(x, y))
			dst[0], dst[1], dst[2] = c.R, c.G, c.B
		}
	}
}

func nrgba(c color.Color) color.NRGBA { return color.NRGBAModel.Convert(c).(color.NRGBA) }

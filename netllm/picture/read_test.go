package picture

import (
	"bytes"
	"image"
	"image/color"
	"image/gif"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// What is read without a call for each pixel is what each pixel says.
func TestFastReading(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	r := image.Rect(0, 0, 11, 7)
	fill := func(pix []uint8) {
		for i := range pix {
			pix[i] = uint8(rng.Uint32())
		}
	}
	nrgba, gray := image.NewNRGBA(r), image.NewGray(r)
	fill(nrgba.Pix)
	fill(gray.Pix)
	rgba := image.NewRGBA(r)
	fill(rgba.Pix)
	for i := 0; i < len(rgba.Pix); i += 4 { // colours are multiplied by opacity
		rgba.Pix[i+3] |= 0xf0
		for j := range 3 {
			rgba.Pix[i+j] = min(rgba.Pix[i+j], rgba.Pix[i+3])
		}
	}
	paletted := image.NewPaletted(r, color.Palette{color.Black, color.RGBA{10, 20, 30, 255}, color.NRGBA{200, 100, 50, 128}})
	for i := range paletted.Pix {
		paletted.Pix[i] = uint8(rng.IntN(3))
	}
	images := map[string]image.Image{"nrgba": nrgba, "rgba": rgba, "gray": gray, "paletted": paletted,
		"part": rgba.SubImage(image.Rect(2, 1, 9, 6)), "gray16": image.NewGray16(r)}
	for _, ratio := range []image.YCbCrSubsampleRatio{image.YCbCrSubsampleRatio444, image.YCbCrSubsampleRatio420} {
		y := image.NewYCbCr(r, ratio)
		fill(y.Y)
		fill(y.Cb)
		fill(y.Cr)
		images[ratio.String()] = y
	}
	for name, img := range images {
		t.Run(name, func(t *testing.T) {
			bounds := img.Bounds()
			var want []uint8
			for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
				for x := bounds.Min.X; x < bounds.Max.X; x++ {
					c := color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
					want = append(want, c.R, c.G, c.B)
				}
			}
			if got := pictureOf(img, bounds.Dx(), bounds.Dy()); !slices.Equal(got.Pix, want) {
				t.Errorf("got %v, want %v", got.Pix, want)
			}
		})
	}
}

// A GIF's first frame may cover a part of its screen: the picture is the screen.
func TestSmallFrame(t *testing.T) {
	white := color.Palette{color.White}
	frame := image.NewPaletted(image.Rect(2, 1, 5, 3), white)
	var file bytes.Buffer
	err := gif.EncodeAll(&file, &gif.GIF{Image: []*image.Paletted{frame}, Delay: []int{0},
		Config: image.Config{ColorModel: white, Width: 6, Height: 4}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "small.gif")
	if err := os.WriteFile(path, file.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	p, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if p.Width != 6 || p.Height != 4 || len(p.Pix) != 3*6*4 {
		t.Fatalf("got %d x %d, %d numbers", p.Width, p.Height, len(p.Pix))
	}
	for y := range 4 {
		for x := range 6 {
			want := uint8(0)
			if x >= 2 && x < 5 && y >= 1 && y < 3 {
				want = 255
			}
			if got := p.Pix[3*(6*y+x)]; got != want {
				t.Errorf("(%d, %d): got %d, want %d", x, y, got, want)
			}
		}
	}
}

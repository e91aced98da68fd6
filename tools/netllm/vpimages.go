// Pictures of what viewers saw, for the VP commands.

package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"netllm/netllm"
	"netllm/netllm/picture"
	"netllm/netllm/vp"
	"netllm/netllm/vp/frames"
	"netllm/ops"
	"netllm/tools/internal/cli"
	"netllm/transformer"
)

// imageFlags say where frames are, and what encodes them.
type imageFlags struct{ frames, encoder, vit, cache string }

// Encoders of frames.
const (
	vitEncoder   = "vit"
	patchEncoder = "patches"
)

// add adds the flags. A command that trains chooses the encoder; one that loads an adapter is told by it.
func (f *imageFlags) add(cmd *cobra.Command, training bool) {
	fs := cmd.Flags()
	fs.StringVar(&f.frames, "frames", "", "show the network the frames in `DIR`/videoN/NUMBER.png (or jpg, webp) too")
	if training {
		fs.StringVar(&f.encoder, "encoder", vitEncoder, "encode frames by `NAME`: vit, frozen, needs --vit; patches, small and trained\nwith the rest")
	}
	fs.StringVar(&f.vit, "vit", "", "encode frames by the ViT in the Hugging Face folder `DIR`, such as\ngoogle/vit-base-patch16-224-in21k")
	fs.StringVar(&f.cache, "feature-cache", "", "keep the features of frames in `DIR` (default in the user's cache folder)")
}

// check refuses, before anything is read, what cannot be meant. encoder is what the frames of --frames
// are to be encoded by.
func (f *imageFlags) check(encoder string) error {
	switch {
	case encoder != vitEncoder && encoder != patchEncoder:
		return cli.Usagef("--encoder %q: want %s or %s", encoder, vitEncoder, patchEncoder)
	case f.frames == "" && (f.vit != "" || encoder != vitEncoder):
		return cli.Usagef("--vit and --encoder are of no use without --frames")
	case f.frames != "" && encoder == vitEncoder && f.vit == "":
		return cli.Usagef("--frames needs --vit, the folder of the encoder's weights")
	case encoder == patchEncoder && f.vit != "":
		return cli.Usagef("--vit is of no use to a patch encoder")
	}
	return nil
}

// encoderOf is what the network of an adapter encodes frames by.
func encoderOf(f vp.NetworkConfig) string {
	if f.Patches != nil {
		return patchEncoder
	}
	return vitEncoder
}

// open returns the frames' features, or for a patch encoder the frames, or nil if there are none. The
// ViT computes on b. close gives back what they hold.
func (f *imageFlags) open(b ops.Backend, dataset string, patches *netllm.PatchConfig) (images framesOf, close func() error, err error) {
	close = func() error { return nil }
	if f.frames == "" {
		return nil, close, nil
	}
	if _, err := os.Stat(f.frames); err != nil {
		return nil, nil, fmt.Errorf("--frames: %w", err)
	}
	if patches != nil {
		return frames.NewPixels(f.frames, dataset, patches.Side), close, nil
	}
	cache := f.cache
	if cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return nil, nil, fmt.Errorf("--feature-cache is needed: %w", err)
		}
		cache = filepath.Join(dir, "netllm", "features")
	}
	m, err := transformer.LoadViT(b, f.vit)
	if err != nil {
		return nil, nil, err
	}
	encoder, err := picture.NewViT(ops.NewContext(b), m, 0, 1)
	if err != nil {
		return nil, nil, errors.Join(err, m.Close())
	}
	return frames.New(f.frames, dataset, picture.NewCache(cache, encoder), encoder), m.Close, nil
}

// framesOf are pictures that can be read before they are needed.
type framesOf interface {
	vp.Images
	Prepare(ws []vp.Window, each func(done, all int)) error
}

// prepare reads the pictures of all windows and shows how far it is.
func prepare(images framesOf, ws []vp.Window, chatter io.Writer) error {
	var progress *cli.Progress
	err := images.Prepare(ws, func(done, all int) {
		if progress == nil {
			progress = cli.NewProgress(chatter, "frames", "pictures", all)
		}
		progress.Set(done, "")
	})
	if progress != nil {
		progress.Close()
	}
	return err
}

// saliencyFlag says where pictures of what draws the eye are.
type saliencyFlag struct{ dir string }

func (f *saliencyFlag) add(cmd *cobra.Command, of string) {
	cmd.Flags().StringVar(&f.dir, "saliency", "", "show "+of+" the saliency maps in `DIR`/videoN/ROW.png (or jpg, webp), one for each\nrow of a recording (default zeros)")
}

// open returns the maps, side x side, or nil if there are none.
func (f *saliencyFlag) open(side int) (vp.Saliency, error) {
	if f.dir == "" {
		return nil, nil
	}
	if _, err := os.Stat(f.dir); err != nil {
		return nil, fmt.Errorf("--saliency: %w", err)
	}
	return frames.NewSaliency(f.dir, side), nil
}

// sideOf is that of square maps of so many cells.
func sideOf(cells int) int { return int(math.Round(math.Sqrt(float64(cells)))) }

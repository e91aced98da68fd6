// Pictures of what viewers saw, for the VP commands.

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"netllm/netllm/picture"
	"netllm/netllm/vp"
	"netllm/netllm/vp/frames"
	"netllm/ops"
	"netllm/tools/internal/cli"
	"netllm/transformer"
)

// imageFlags say where frames are, and what encodes them.
type imageFlags struct{ frames, vit, cache string }

func (f *imageFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.frames, "frames", "", "show the network the frames in `DIR`/videoN/NUMBER.png (or jpg, webp) too")
	fs.StringVar(&f.vit, "vit", "", "encode frames by the ViT in the Hugging Face folder `DIR`, such as\ngoogle/vit-base-patch16-224-in21k")
	fs.StringVar(&f.cache, "feature-cache", "", "keep the features of frames in `DIR` (default in the user's cache folder)")
}

// check refuses half of what is needed.
func (f *imageFlags) check() error {
	if (f.frames == "") != (f.vit == "") {
		return cli.Usagef("--frames and --vit belong together")
	}
	return nil
}

// open returns the frames' features, computed on b, or nil if there are none. close gives back what
// they hold.
func (f *imageFlags) open(b ops.Backend, dataset string) (images vp.Images, close func() error, err error) {
	close = func() error { return nil }
	if f.frames == "" {
		return nil, close, nil
	}
	if _, err := os.Stat(f.frames); err != nil {
		return nil, nil, fmt.Errorf("--frames: %w", err)
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

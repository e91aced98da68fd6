// Features of pictures by a frozen encoder, computed once.

package picture

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"netllm/ops"
	"netllm/tensor"
	"netllm/tensor/safetensors"
	"netllm/transformer"
)

// Encoder turns pictures into features.
type Encoder interface {
	// ID says what features are made with: the weights, and what is done to pictures before.
	ID() string

	// Size is the length of a feature, Side how many pixels a side of a picture has.
	Size() int
	Side() int

	// Encode returns the features of pictures of that size, one behind the other.
	Encode(pictures []*Picture) ([]float32, error)
}

// ViT is the encoder that a frozen [transformer.ViT] makes: the features of its class token.
type ViT struct {
	model           *transformer.ViT
	c               *ops.Context
	mean, deviation float32
	id              string
}

// NewViT returns an encoder that computes in c, which is its own, and sees (v/255 - mean)/deviation for
// every number v of a picture: 0 and 1 as NetLLM has it, 0.5 and 0.5 as the model was trained.
func NewViT(c *ops.Context, model *transformer.ViT, mean, deviation float32) (*ViT, error) {
	if model.Config.Channels != 3 {
		return nil, fmt.Errorf("picture: a ViT for %d colours", model.Config.Channels)
	}
	hash, err := model.Hash(c.Backend)
	if err != nil {
		return nil, err
	}
	return &ViT{model, c, mean, deviation, fmt.Sprintf("vit %s, class token, bilinear %d, mean %g, deviation %g", hash, model.Config.Image, mean, deviation)}, nil
}

// ID implements [Encoder].
func (v *ViT) ID() string { return v.id }

// Size implements [Encoder].
func (v *ViT) Size() int { return v.model.Config.Width }

// Side implements [Encoder].
func (v *ViT) Side() int { return v.model.Config.Image }

// encodeBatch is how many pictures are encoded at once.
const encodeBatch = 8

// Encode implements [Encoder].
func (v *ViT) Encode(pictures []*Picture) ([]float32, error) {
	var features []float32
	for part := range slices.Chunk(pictures, encodeBatch) {
		var pixels []float32
		for _, p := range part {
			pixels = p.Planes(pixels, v.mean, v.deviation)
		}
		v.c.Reset()
		values, err := v.c.Floats(v.model.Features(v.c, pixels))
		if err != nil {
			return nil, err
		}
		features = append(features, values...)
	}
	return features, nil
}

// Cache keeps features in a folder, a file for each picture and encoder, so that a picture is
// computed once.
type Cache struct {
	dir     string
	encoder Encoder
}

// NewCache returns a cache in the folder dir, which is made when something is put there.
func NewCache(dir string, encoder Encoder) *Cache { return &Cache{dir, encoder} }

// cached is the name of a file's tensor.
const cached = "feature"

// missing is a picture whose feature the cache does not have.
type missing struct {
	at      int // in the list asked for
	file    string
	picture *Picture
}

// Features returns the feature of each picture file. each, if not nil, is told how many are there. A file of
// the cache that is not what it should be is an error that names it.
func (c *Cache) Features(paths []string, each func(done int)) ([][]float32, error) {
	list := make([][]float32, len(paths))
	first := make(map[string]int, len(paths)) // where a path stands first
	var wait []missing
	done := 0
	flush := func() error {
		if err := c.encode(list, wait); err != nil {
			return err
		}
		done += len(wait)
		wait = wait[:0]
		return nil
	}
	for i, path := range paths {
		if _, ok := first[path]; ok {
			done++
			continue
		}
		first[path] = i
		m, err := c.lookUp(&list[i], path)
		switch {
		case err != nil:
			return nil, err
		case m != nil:
			m.at = i
			wait = append(wait, *m)
		default:
			done++
		}
		if len(wait) == encodeBatch {
			if err := flush(); err != nil {
				return nil, err
			}
		}
		if each != nil {
			each(done)
		}
	}
	if err := flush(); err != nil {
		return nil, err
	}
	if each != nil {
		each(done)
	}
	for i, path := range paths {
		list[i] = list[first[path]]
	}
	return list, nil
}

// lookUp gets a picture's feature from the cache, or else returns the picture, ready to be encoded.
func (c *Cache) lookUp(dst *[]float32, path string) (*missing, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("picture: %w", err)
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\n", c.encoder.ID())
	h.Write(data)
	file := filepath.Join(c.dir, hex.EncodeToString(h.Sum(nil))+".safetensors")
	switch err := c.read(dst, file); {
	case err == nil:
		return nil, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("picture: cache of features: %w (delete the file to have it made anew)", err)
	}
	p, err := decode(bytes.NewReader(data), path)
	if err != nil {
		return nil, err
	}
	side := c.encoder.Side()
	return &missing{file: file, picture: p.Resize(side, side)}, nil
}

// encode computes the features of pictures, and keeps them.
func (c *Cache) encode(list [][]float32, wait []missing) error {
	if len(wait) == 0 {
		return nil
	}
	pictures := make([]*Picture, len(wait))
	for i, m := range wait {
		pictures[i] = m.picture
	}
	features, err := c.encoder.Encode(pictures)
	if err != nil {
		return fmt.Errorf("picture: %w", err)
	}
	if err := os.MkdirAll(c.dir, 0o777); err != nil {
		return fmt.Errorf("picture: cache of features: %w", err)
	}
	size := c.encoder.Size()
	for i, m := range wait {
		feature := slices.Clone(features[i*size : (i+1)*size])
		err := safetensors.Replace(m.file, map[string]string{"encoder": c.encoder.ID()}, []safetensors.Entry{safetensors.EntryOf(cached, tensor.FromFloat32(feature, size))})
		if err != nil {
			return fmt.Errorf("picture: cache of features: %w", err)
		}
		list[m.at] = feature
	}
	return nil
}

// read reads a file of the cache.
func (c *Cache) read(dst *[]float32, file string) error {
	f, err := safetensors.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	t, err := f.Tensor(cached)
	if err != nil {
		return err
	}
	if t.DType() != tensor.F32 || t.Len() != c.encoder.Size() || f.Metadata()["encoder"] != c.encoder.ID() {
		return fmt.Errorf("%s: %v of %q, want %d numbers of %q", file, t, f.Metadata()["encoder"], c.encoder.Size(), c.encoder.ID())
	}
	*dst = slices.Clone(t.Float32s())
	return nil
}

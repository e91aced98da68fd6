// What the networks around a language model have in common.

package vp

import (
	"errors"
	"fmt"

	"netllm/netllm"
	"netllm/ops"
	"netllm/tensor"
	"netllm/transformer"
)

// Network predicts with a body in its middle.
type Network interface {
	// Params returns the parameters of encoder and head, in a fixed order, and Trained
	// those of them that are trained.
	Params() []*ops.Param
	Trained() []*ops.Param

	// Loss returns what training makes small, a scalar, over windows of one shape. rollout
	// asks a network that has two ways to run for its own answers instead of true positions.
	Loss(c *ops.Context, ws []Window, rollout bool) (tensor.Tensor, error)

	// Predict answers windows of one shape. cache, if not nil, is empty, and has room for
	// them and for Positions tokens.
	Predict(c *ops.Context, dst [][]Angles, ws []Window, cache *transformer.Cache) error

	// Positions is how many tokens a question makes.
	Positions(history, horizon int) int
}

// NetworkConfig is the shape of a [Network].
type NetworkConfig struct {
	// Kind is "published", see [Published], or "queries", see [Queries].
	Kind     string `json:"kind"`
	Features int    `json:"features"`         // numbers per encoded position
	Image    int    `json:"image,omitempty"`  // numbers of a picture's feature; 0: no pictures
	Images   string `json:"images,omitempty"` // what the features were made with

	// Patches, if set, is a trained encoder between the numbers of a picture, which are its
	// pixels then, and the rest.
	Patches *netllm.PatchConfig `json:"patches,omitempty"`

	FrozenConv bool `json:"frozen_conv,omitempty"` // published: the convolution is not trained

	// Of "queries" only.
	History   int     `json:"history,omitempty"`    // rows seen at most
	Horizon   int     `json:"horizon,omitempty"`    // rows predicted at most
	PerQuery  int     `json:"per_query,omitempty"`  // rows predicted by one query
	Hidden    int     `json:"hidden,omitempty"`     // numbers between feature and answer; 0: none
	Mirror    bool    `json:"mirror,omitempty"`     // half of the windows trained on are mirrored, and answers are the mean of those for both
	Stretch   float64 `json:"stretch,omitempty"`    // motion trained on is multiplied by exp of something up to this, either way
	Direct    bool    `json:"direct,omitempty"`     // a linear layer leads from the newest rows to the answers, too
	NoSummary bool    `json:"no_summary,omitempty"` // queries know nothing of the rows but what the body tells them
	Loss      string  `json:"loss,omitempty"`       // "mae", which is the default, or "mse"
}

// Kinds of networks.
const (
	PublishedKind = "published"
	QueriesKind   = "queries"
)

// Validate reports every field that makes no network.
func (f NetworkConfig) Validate() error {
	var errs []error
	least := func(name string, v, low int) {
		if v < low {
			errs = append(errs, fmt.Errorf("vp: network: %s is %d", name, v))
		}
	}
	least("features", f.Features, 1)
	least("image", f.Image, 0)
	if p := f.Patches; p != nil {
		if err := p.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("vp: network: %w", err))
		} else if pixels := p.Channels * p.Side * p.Side; f.Image != pixels {
			errs = append(errs, fmt.Errorf("vp: network: %d numbers of a picture, its patch encoder wants %d x %d x %d", f.Image, p.Channels, p.Side, p.Side))
		}
	}
	switch f.Kind {
	case PublishedKind:
	case QueriesKind:
		least("history", f.History, 1)
		least("horizon", f.Horizon, 1)
		least("per_query", f.PerQuery, 1)
		least("hidden", f.Hidden, 0)
		if f.Loss != "" && f.Loss != "mae" && f.Loss != "mse" {
			errs = append(errs, fmt.Errorf("vp: network: loss %q, known: mae, mse", f.Loss))
		}
	default:
		errs = append(errs, fmt.Errorf("vp: network: kind %q, known: %q, %q", f.Kind, PublishedKind, QueriesKind))
	}
	return errors.Join(errs...)
}

// NewNetwork returns a network with random modules, drawn from seed, around body. images gives
// the pictures' features, if the configuration has them.
func NewNetwork(b ops.Backend, body transformer.Body, f NetworkConfig, images Images, seed uint64) (Network, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	if (f.Image > 0) != (images != nil) {
		return nil, fmt.Errorf("vp: network: made for %d numbers of a picture (0: for none), pictures are given: %v", f.Image, images != nil)
	}
	if images != nil && images.Size() != f.Image {
		return nil, fmt.Errorf("vp: network: pictures have %d features, the network was made for %d", images.Size(), f.Image)
	}
	if f.Kind == PublishedKind {
		return newPublished(b, body, f, images, seed), nil
	}
	return newQueries(b, body, f, images, seed), nil
}

// paramsOf are the parameters of all modules that are there.
func paramsOf(modules ...interface{ Params() []*ops.Param }) []*ops.Param {
	var params []*ops.Param
	for _, m := range modules {
		if d, ok := m.(*netllm.Dense); ok && d == nil {
			continue
		}
		params = append(params, m.Params()...)
	}
	return params
}

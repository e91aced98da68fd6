// The learned policy's network: encoder, language model body, head.

package abr

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"netllm/netllm"
	"netllm/ops"
	"netllm/tensor"
	"netllm/transformer"
)

// NetworkConfig is the shape of a [Network].
type NetworkConfig struct {
	Features  int `json:"features"`  // numbers per encoded row of the state
	Window    int `json:"window"`    // steps of context: trained with that many, asked with one more
	Timesteps int `json:"timesteps"` // step numbers that have a vector

	// History is how many throughputs and download times a step shows. 0 is what the published state has of both, 6.
	History int `json:"history,omitempty"`

	// Alone shows a decision's state by itself: no return, no action, no steps before. The window is 1.
	Alone bool `json:"alone,omitempty"`
}

// tokens is how many a step has.
func (f NetworkConfig) tokens() int {
	if f.Alone {
		return Features + 1
	}
	return TokensPerStep
}

// answer is the place, within a step, of the token that the answer is read from: the last one that describes its state.
func (f NetworkConfig) answer() int {
	if f.Alone {
		return Features
	}
	return stateToken
}

// history is how many throughputs and download times a step shows.
func (f NetworkConfig) history() int { return max(f.History, History) }

// DefaultNetwork returns the published shape: 256 features, 20 steps, 48 step
// numbers.
func DefaultNetwork() NetworkConfig {
	return NetworkConfig{Features: 256, Window: 20, Timesteps: Decisions + 1}
}

// Validate reports every field that makes no network.
func (f NetworkConfig) Validate() error {
	var errs []error
	if f.Features <= 0 {
		errs = append(errs, fmt.Errorf("abr: features is %d", f.Features))
	}
	if f.Window <= 0 {
		errs = append(errs, fmt.Errorf("abr: window is %d", f.Window))
	}
	if f.Alone && f.Window != 1 {
		errs = append(errs, fmt.Errorf("abr: states are shown alone, the window is %d", f.Window))
	}
	if f.History != 0 && (f.History < History || f.History > Chunks) {
		errs = append(errs, fmt.Errorf("abr: history is %d, want %d to %d", f.History, History, Chunks))
	}
	if f.Timesteps < Decisions+1 {
		errs = append(errs, fmt.Errorf("abr: timesteps is %d, a session has %d questions", f.Timesteps, Decisions+1))
	}
	return errors.Join(errs...)
}

// FitWindow returns the published window, or the largest whose training
// sequence fits a body of that many positions. It fails if none does.
func FitWindow(positions int) (int, error) {
	w := min(DefaultNetwork().Window, positions/TokensPerStep)
	if w < 1 {
		return 0, fmt.Errorf("abr: the model takes %d positions, one step needs %d", positions, TokensPerStep)
	}
	return w, nil
}

// Network answers with a quality for each step: tokens of the steps so far go
// through the body, and the head reads the feature at the last state token.
type Network struct {
	Config  NetworkConfig
	Encoder *Encoder
	Body    transformer.Body
	Head    *netllm.Dense // [6, width]
}

// NewNetwork returns a network with a random encoder and head, drawn from
// seed, around body. The body's LoRA matrices, if any, are the caller's.
func NewNetwork(b ops.Backend, body transformer.Body, config NetworkConfig, seed uint64) (*Network, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	if need := config.Window * config.tokens(); need > body.MaxPositions() {
		return nil, fmt.Errorf("abr: a window of %d steps takes %d positions, the model has %d", config.Window, need, body.MaxPositions())
	}
	rng := rand.New(rand.NewPCG(seed, 0x616272)) // the stream is this network's own
	return &Network{
		Config:  config,
		Encoder: NewEncoder(b, config, body.Width(), rng),
		Body:    body,
		Head:    netllm.NewDense(b, "head", Qualities, body.Width(), rng),
	}, nil
}

// Params returns the parameters of encoder and head.
func (n *Network) Params() []*ops.Param { return append(n.Encoder.Params(), n.Head.Params()...) }

// Logits returns the scores of the qualities at every step, [steps, 6].
func (n *Network) Logits(c *ops.Context, s Steps) tensor.Tensor {
	tokens := n.Encoder.Tokens(c, s)
	return n.answers(c, n.Body.Forward(c, tokens, nil))
}

// answers applies the head to the features [batch, steps*8, width] of whole
// steps.
func (n *Network) answers(c *ops.Context, features tensor.Tensor) tensor.Tensor {
	tokens, answer := n.Config.tokens(), n.Config.answer()
	steps := features.Len() / (tokens * n.Body.Width())
	at := features.Reshape(steps, tokens, n.Body.Width()).Slice(1, answer, answer+1)
	return n.Head.Forward(c, ops.Contiguous(c, at).Reshape(steps, n.Body.Width()))
}

// Models made from the weights, or from the shape, of others.

package transformer

import (
	"fmt"

	"netllm/ops"
	"netllm/tensor"
)

// Copy implements [Model].
func (m *decoder) Copy(b ops.Backend) (Model, error) {
	old := m.net.base()
	c := &decoder{net: newNetwork(old.Config)}
	c.net.base().style = old.style
	from := slots(m.net)
	for i, s := range slots(c.net) {
		if s.Tied {
			continue
		}
		src := *from[i].tensor
		if s.host {
			*s.tensor = src
			continue
		}
		raw := tensor.New(src.DType(), src.Shape()...)
		if err := b.Download(raw.Bytes(), src); err != nil {
			return nil, fmt.Errorf("transformer: copy %s: %w", s.name(), err)
		}
		*s.tensor = tensor.Of(b.Alloc(4*src.Len()), tensor.F32, src.Shape()...)
		b.Upload(*s.tensor, toFloat32(raw).Bytes())
	}
	if err := c.finish(b); err != nil {
		return nil, fmt.Errorf("transformer: copy: %w", err)
	}
	return c, nil
}

// Outline returns a model of a shape with the weights that weight returns for theirs, F32 or of another type that
// [tensor.DType.IsFloat] allows: for backends that count and compute nothing, such as that of package dry, whose
// weights have no content.
func Outline(b ops.Backend, config Config, weight func(shape ...int) tensor.Tensor) (Model, error) {
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("transformer: %w", err)
	}
	m := &decoder{net: newNetwork(config)}
	m.net.base().style = ops.RoPEHalves
	for _, s := range m.weights() {
		*s.tensor = weight(s.Shape...)
	}
	if err := m.finish(b); err != nil {
		return nil, fmt.Errorf("transformer: %w", err)
	}
	return m, nil
}

// TrainableBody implements [Model].
func (m *decoder) TrainableBody(b ops.Backend) ([]*ops.Param, error) {
	embed, output := tables(m.net)
	return m.trainable(b, func(s slot) bool { return s.GGUF != embed.GGUF && s.GGUF != output.GGUF })
}

// trainable turns the weights that wanted names into parameters.
func (m *decoder) trainable(b ops.Backend, wanted func(s slot) bool) ([]*ops.Param, error) {
	var params []*ops.Param
	for _, s := range m.weights() {
		if !wanted(s) {
			continue
		}
		if !s.tensor.IsWhole() || s.tensor.DType() != tensor.F32 || m.close != nil {
			return nil, fmt.Errorf("transformer: %s %v cannot be trained in place", s.name(), *s.tensor)
		}
		grad := s.tensor.With(b.Alloc(s.tensor.Storage().Size()))
		params = append(params, &ops.Param{Name: s.HF, Value: *s.tensor, Grad: grad})
	}
	return params, nil
}

package transformer

import (
	"fmt"
	"math"
	"sync"
	"unsafe"

	"netllm/ops"
	"netllm/tensor"
)

// RopeScaling stretches rotary positions beyond the length a model was first
// trained for. The zero value is none.
type RopeScaling struct {
	Type     string  `json:",omitempty"` // ScalingLinear, ScalingLlama3 or ScalingYaRN
	Factor   float64 `json:",omitempty"`
	Original int     `json:",omitempty"` // positions in the first training; not of ScalingLinear

	// A rotation that turns at most Slow times within Original positions is slowed
	// by Factor, one that turns at least Fast times is left as it is, and in between
	// both are mixed. Not of ScalingLinear.
	Slow float64 `json:",omitempty"`
	Fast float64 `json:",omitempty"`
}

// The types of scaling, by their names in Hugging Face's rope_scaling.
const (
	// ScalingLinear divides positions by Factor (Chen et al. 2023).
	ScalingLinear = "linear"

	// ScalingLlama3 mixes by the number of turns (Llama 3.1). A GGUF file holds the
	// divisors that follow, the tensor rope_freqs.weight, instead of the numbers,
	// which are zero where they cannot be found from it.
	ScalingLlama3 = "llama3"

	// ScalingYaRN mixes by the logarithm of the number of turns, and lengthens
	// queries and keys (Peng et al. 2023).
	ScalingYaRN = "yarn"
)

const knownScalings = ScalingLinear + ", " + ScalingLlama3 + ", " + ScalingYaRN

// scalingLimit bounds factors, so that nothing computed from them overflows.
const scalingLimit = 1 << 20

func (s RopeScaling) validate() error {
	good := func(v float64) bool { return v >= 1.0/scalingLimit && v <= scalingLimit }
	switch s.Type {
	case "":
		if s != (RopeScaling{}) {
			return fmt.Errorf("rope scaling %+v without a type", s)
		}
	case ScalingLinear:
		if !good(s.Factor) || s != (RopeScaling{Type: s.Type, Factor: s.Factor}) {
			return fmt.Errorf("rope scaling is %+v", s)
		}
	case ScalingLlama3, ScalingYaRN:
		if s.known() && !(good(s.Factor) && good(s.Slow) && good(s.Fast) && s.Fast > s.Slow && s.Original > 0 && s.Original <= maxPositions) {
			return fmt.Errorf("rope scaling is %+v", s)
		}
		if s.Type == ScalingYaRN && s.Factor < 1 {
			return fmt.Errorf("rope scaling %s by %v, want at least 1", s.Type, s.Factor)
		}
	default:
		return fmt.Errorf("rope scaling %q, known: %s", s.Type, knownScalings)
	}
	return nil
}

// known reports whether the divisors can be computed.
func (s RopeScaling) known() bool { return s != RopeScaling{Type: ScalingLlama3} }

// divisors returns by what the dim/2 frequencies are divided.
func (s RopeScaling) divisors(dim int, theta float64) []float32 {
	d := make([]float32, dim/2)
	// at returns the place among the frequencies that turns so often.
	at := func(turns float64) float64 {
		return float64(dim) * math.Log(float64(s.Original)/(turns*2*math.Pi)) / (2 * math.Log(theta))
	}
	for j := range d {
		slowed := 1.0 // how much of the frequency is divided
		switch s.Type {
		case ScalingLlama3:
			turns := float64(s.Original) * frequency(theta, j, dim) / (2 * math.Pi)
			slowed = 1 - (turns-s.Slow)/(s.Fast-s.Slow)
		case ScalingYaRN:
			first := max(math.Floor(at(s.Fast)), 0)
			last := min(math.Ceil(at(s.Slow)), float64(dim-1))
			slowed = (float64(j) - first) / max(last-first, 0.001)
		}
		slowed = min(max(slowed, 0), 1)
		d[j] = float32(1 / (slowed/s.Factor + 1 - slowed))
	}
	return d
}

// gain returns by what queries and keys are multiplied.
func (s RopeScaling) gain() float64 {
	if s.Type != ScalingYaRN {
		return 1
	}
	return 0.1*math.Log(s.Factor) + 1
}

// frequency is theta^(-2j/dim), the angle per position of pair j.
func frequency(theta float64, j, dim int) float64 {
	return math.Pow(theta, -2*float64(j)/float64(dim))
}

// rotations is a model's table of rotations. It is as long as the longest sequence
// so far: a header may promise many more positions than are ever used.
type rotations struct {
	config   *Config
	divisors []float32 // of the frequencies, or nil

	mu     sync.Mutex
	tables []tensor.Tensor // the last is the longest; others may still be in use
}

// firstRotations is the least length of a table.
const firstRotations = 512

// upTo returns cosine and sine of position * theta^(-2j/dim), [n, dim/2, 2] (Su et
// al. 2021, eq. 15), for at least that many positions. They are computed in
// float64: positions in the thousands would lose digits in float32.
func (r *rotations) upTo(b ops.Backend, positions int) tensor.Tensor {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := firstRotations
	if len(r.tables) > 0 {
		last := r.tables[len(r.tables)-1]
		if last.Dim(0) >= positions {
			return last
		}
		n = 2 * last.Dim(0)
	}
	f := r.config
	n = min(max(n, positions), f.MaxPositions)
	dim, gain := f.RopeDim, f.Scaling.gain()
	values := make([]float32, n*dim)
	for j := range dim / 2 {
		frequency := frequency(f.RopeTheta, j, dim)
		if r.divisors != nil {
			frequency /= float64(r.divisors[j])
		}
		for p := range n {
			sin, cos := math.Sincos(float64(p) * frequency)
			values[p*dim+2*j], values[p*dim+2*j+1] = float32(gain*cos), float32(gain*sin)
		}
	}
	t := tensor.Of(b.Alloc(4*len(values)), tensor.F32, n, dim/2, 2)
	b.Upload(t, floatBytes(values))
	r.tables = append(r.tables, t)
	return t
}

// free gives the tables back.
func (r *rotations) free(b ops.Backend) {
	for _, t := range r.tables {
		b.Free(t.Storage())
	}
	r.tables = nil
}

func floatBytes(v []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v))
}

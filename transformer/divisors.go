package transformer

import "fmt"

// RopeDivisors returns by what the frequencies of rotary positions are divided:
// the content of the tensor rope_freqs.weight [RopeDim/2], which a GGUF file holds
// in place of the numbers of Llama 3's scaling. It fails if those are not known.
func (f Config) RopeDivisors() ([]float32, error) {
	if !f.Scaling.known() {
		return nil, fmt.Errorf("transformer: the factors of rope scaling %s are not known", f.Scaling.Type)
	}
	return f.Scaling.divisors(f.RopeDim, f.RopeTheta), nil
}

// A generated video, for use without any data.

package abr

import "math"

const (
	// Of a chunk's size about its mean, as a fraction: what all qualities
	// share (how much happens in the scene) and what each has of its own.
	// With these, sizes vary by 8 to 9 % and two qualities correlate by
	// about 0.8, like those of the published videos.
	synthSharedSpread = 0.08
	synthOwnSpread    = 0.04
	synthLastChunk    = 0.65 // the chunk past the end is a short one
)

// SynthVideo makes a video of plausible variable-bitrate chunk sizes. The mean
// over the session's chunks is scale times the ladder's bitrate in every
// quality; a scale of 1.2 gives a video that is heavier than its labels, like
// the published SynthVideo. Sizes depend on seed and scale alone. It panics if
// scale is not between 0.1 and 10.
func SynthVideo(name string, seed uint32, scale float64) *Video {
	if !(scale >= 0.1 && scale <= 10) {
		panic("abr: SynthVideo: scale is not between 0.1 and 10")
	}
	rng := NewMT19937(seed)
	var ratio [Qualities][Chunks + 1]float64
	for i := range Chunks + 1 {
		shared := float64(synthSharedSpread * bell(rng))
		for q := range ratio {
			ratio[q][i] = 1 + shared + float64(synthOwnSpread*bell(rng))
		}
	}
	v := &Video{Name: name}
	for q := range ratio {
		sum := 0.0
		for _, r := range ratio[q][:Chunks] {
			sum += r
		}
		meanBytes := float64(BitratesKbps[q]) * 1000 / 8 * (chunkMs / 1000)
		unit := meanBytes * scale / (sum / Chunks)
		for i, r := range ratio[q] {
			v.ChunkBytes[q][i] = int(math.Round(unit * r))
		}
		v.ChunkBytes[q][Chunks] = int(math.Round(unit * ratio[q][Chunks] * synthLastChunk))
	}
	return v
}

// bell draws a nearly normal number of mean 0 and deviation 1, cut at 2.5: the
// sum of twelve uniform ones. Logarithms and sines, of which the usual methods
// are made, differ in the last bit from machine to machine.
func bell(rng *MT19937) float64 {
	sum := -6.0
	for range 12 {
		sum += rng.Float64()
	}
	return max(-2.5, min(2.5, sum))
}

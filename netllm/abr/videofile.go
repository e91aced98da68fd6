// Videos of one's own, in one file: a table of chunk sizes, or a manifest. What
// the simulator asks of either.

package abr

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	maxVideoFile = 4 << 20 // bytes; a manifest with every segment has 50 kB

	// How far a chunk may be from 4 s, since segments end where pictures do.
	chunkToleranceSec = 0.2
)

// ReadVideoFile reads a video from a file. What begins with "<" is a DASH
// manifest, see [ParseVideo]; what begins with "{" a table:
//
//	{"name": "own", "chunk_ms": 4000, "kbps": [300, ...], "sizes_bytes": [[181801, ...], ...]}
//
// with six increasing bitrates and, for each, the bytes of every chunk. An
// error names the file and, of text that is none of this, the line.
func ReadVideoFile(path string) (*Video, error) {
	info, err := os.Stat(path) // before opening, which may wait for ever
	if err != nil {
		return nil, fmt.Errorf("abr: reading video: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("abr: video file %s: not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("abr: reading video: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxVideoFile+1))
	if err != nil {
		return nil, fmt.Errorf("abr: reading video: %w", err)
	}
	base := filepath.Base(path)
	v, err := parseVideo(text, strings.TrimSuffix(base, filepath.Ext(base)))
	if err != nil {
		return nil, fmt.Errorf("abr: video file %s: %w", path, err)
	}
	return v, nil
}

// ParseVideo reads a video as [ReadVideoFile] does. Name is the video's, unless
// a table has one of its own.
//
// A manifest (MPD, ISO/IEC 23009-1) has one period with one set of video in
// six representations, whose segments are given by a SegmentTemplate or a
// SegmentList, with a duration or a SegmentTimeline. Where the segments of a
// SegmentList have a mediaRange, that is their size. Nothing else in a manifest
// tells sizes: then a segment weighs its representation's bandwidth times its
// duration, and Note says so.
//
// The simulator plays 48 chunks of 4 s in 6 qualities. A video with others is
// refused, but for a 49th chunk, which only MPC looks at and which else is
// taken to weigh what the 48th does, and for a last one that is shorter.
// Bitrates count in the QoE and in the state as those of [BitratesKbps],
// whatever they are; Note says so where they differ.
func ParseVideo(text []byte, name string) (*Video, error) {
	v, err := parseVideo(text, name)
	if err != nil {
		return nil, fmt.Errorf("abr: video %q: %w", name, err)
	}
	return v, nil
}

func parseVideo(text []byte, name string) (*Video, error) {
	if len(text) > maxVideoFile {
		return nil, fmt.Errorf("more than %d bytes", maxVideoFile)
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	var s *videoSource
	var err error
	switch start := bytes.TrimSpace(text); {
	case bytes.HasPrefix(start, []byte("{")):
		s, err = parseVideoTable(text)
	case bytes.HasPrefix(start, []byte("<")):
		s, err = parseManifest(text)
	default:
		err = errors.New("line 1: neither a table of sizes (JSON) nor a DASH manifest (XML)")
	}
	if err != nil {
		return nil, err
	}
	if s.name == "" {
		s.name = name
	}
	return s.video()
}

// videoSource is a video as a file has it.
type videoSource struct {
	name      string
	encodings []encoding
	notes     []string
}

// encoding is one quality.
type encoding struct {
	what  string // for errors: `kbps[2]`, `representation "v3"`
	kbps  float64
	bytes []int64
	sec   []float64 // how long the chunks are
}

// video makes a video that the simulator can play, or says why it cannot be.
func (s *videoSource) video() (*Video, error) {
	if len(s.encodings) != Qualities {
		return nil, fmt.Errorf("%d qualities, the simulator plays videos of %d", len(s.encodings), Qualities)
	}
	v := &Video{Name: s.name}
	for q, e := range s.encodings {
		if q > 0 && e.kbps <= s.encodings[q-1].kbps {
			return nil, fmt.Errorf("%s: %v kbit/s after %v, want more from one quality to the next", e.what, e.kbps, s.encodings[q-1].kbps)
		}
		n := len(e.bytes)
		if n != Chunks && n != Chunks+1 {
			return nil, fmt.Errorf("%s: %d chunks, the simulator plays videos of %d (or %d, the last of which is only looked at)", e.what, n, Chunks, Chunks+1)
		}
		if first := len(s.encodings[0].bytes); n != first {
			return nil, fmt.Errorf("%s: %d chunks, the quality below has %d", e.what, n, first)
		}
		for i, sec := range e.sec {
			if last := i == n-1; !(sec > 0 && sec <= chunkMs/1000+chunkToleranceSec) || !last && sec < chunkMs/1000-chunkToleranceSec {
				return nil, fmt.Errorf("%s: chunk %d lasts %.4g s, the simulator plays chunks of %v s", e.what, i, sec, chunkMs/1000)
			}
		}
		for i, size := range e.bytes {
			if size < 1 || size > maxChunkBytes {
				return nil, fmt.Errorf("%s: chunk %d: size %d, want 1 to %d bytes", e.what, i, size, int(maxChunkBytes))
			}
			v.ChunkBytes[q][i] = int(size)
		}
		if n == Chunks {
			v.ChunkBytes[q][Chunks] = v.ChunkBytes[q][Chunks-1]
		}
	}
	if len(s.encodings[0].bytes) == Chunks {
		s.notes = append(s.notes, fmt.Sprintf("chunk %d, which only MPC looks at, is taken to weigh what the one before does", Chunks+1))
	}
	if text := s.labels(); text != "" {
		s.notes = append(s.notes, text)
	}
	v.Note = strings.Join(s.notes, "; ")
	return v, nil
}

// labels says that the bitrates are not those of the ladder, if so.
func (s *videoSource) labels() string {
	var own, ladder []string
	differ := false
	for q, e := range s.encodings {
		own = append(own, strconv.FormatFloat(e.kbps, 'f', -1, 64))
		ladder = append(ladder, strconv.Itoa(BitratesKbps[q]))
		differ = differ || e.kbps != float64(BitratesKbps[q])
	}
	if !differ {
		return ""
	}
	return fmt.Sprintf("bitrates of %s kbit/s count as %s in the QoE", strings.Join(own, ", "), strings.Join(ladder, ", "))
}

// videoTable is the JSON of a video.
type videoTable struct {
	Name       string    `json:"name"`
	ChunkMs    float64   `json:"chunk_ms"`
	Kbps       []float64 `json:"kbps"`
	SizesBytes [][]int64 `json:"sizes_bytes"`
}

func parseVideoTable(text []byte) (*videoSource, error) {
	var t videoTable
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&t); err != nil {
		return nil, jsonError(text, dec, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("line %d: more after the table", lineOf(text, dec.InputOffset()))
	}
	if t.ChunkMs != chunkMs {
		return nil, fmt.Errorf("chunk_ms is %v, the simulator plays chunks of %v ms", t.ChunkMs, chunkMs)
	}
	if len(t.Kbps) != len(t.SizesBytes) {
		return nil, fmt.Errorf("%d bitrates in kbps, %d lists in sizes_bytes, want one list for each bitrate", len(t.Kbps), len(t.SizesBytes))
	}
	s := &videoSource{name: t.Name}
	for q, kbps := range t.Kbps {
		if !(kbps > 0) {
			return nil, fmt.Errorf("kbps[%d] is %v, want more than 0", q, kbps)
		}
		s.encodings = append(s.encodings, encoding{what: fmt.Sprintf("sizes_bytes[%d]", q), kbps: kbps, bytes: t.SizesBytes[q]})
	}
	return s, nil
}

// jsonError puts the line before an error of the decoder.
func jsonError(text []byte, dec *json.Decoder, err error) error {
	at := dec.InputOffset()
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		at, err = int64(len(text)), errors.New("the file ends within the table")
	case errors.As(err, &syntax):
		at = syntax.Offset
	case errors.As(err, &kind):
		at = kind.Offset
		err = fmt.Errorf("%s in %s, want %v", kind.Value, cmp.Or(kind.Field, "the table"), kind.Type)
	}
	return fmt.Errorf("line %d: %w", lineOf(text, at), err)
}

// lineOf returns the number of the line that has byte at of the text.
func lineOf(text []byte, at int64) int {
	at = min(max(at, 0), int64(len(text)))
	return 1 + bytes.Count(bytes.TrimRight(text[:at], "\n"), []byte("\n"))
}

// sortEncodings brings qualities into the order of their bitrates.
func sortEncodings(list []encoding) {
	slices.SortStableFunc(list, func(a, b encoding) int { return cmp.Compare(a.kbps, b.kbps) })
}

// estimate is what a segment weighs if nothing but its bitrate is known.
func estimate(kbps, sec float64) int64 {
	return int64(min(math.Round(kbps*1000/8*sec), maxChunkBytes+1)) // which is refused
}

// The video: its bitrate ladder and the size of every chunk in every quality.

package abr

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	// Qualities is the number of encodings of each chunk.
	Qualities = 6
	// Chunks is the number of chunks of a session.
	Chunks = 48
	// Decisions is the number of chunks whose quality the agent chooses and
	// whose rewards are the score: all but the first.
	Decisions = Chunks - 1
)

// BitratesKbps is the ladder: the nominal bitrate of each quality. The QoE
// uses these labels whatever the chunks really weigh.
var BitratesKbps = [Qualities]int{300, 750, 1200, 1850, 2850, 4300}

const maxChunkBytes = 1e9

// Video is the table of chunk sizes. It is read-only once made and may be
// shared by goroutines.
type Video struct {
	Name string

	// Note says in words where the sizes are not those of the real chunks, or
	// the labels not those of the real bitrates; "" if there is nothing to say.
	Note string

	// ChunkBytes holds the size of each chunk in each quality, in bytes.
	// The last chunk, one past the session's end, is only ever read by MPC.
	ChunkBytes [Qualities][Chunks + 1]int
}

// Validate reports a size that is not positive or out of all proportion.
func (v *Video) Validate() error {
	for q := range v.ChunkBytes {
		for i, size := range v.ChunkBytes[q] {
			if size < 1 || size > maxChunkBytes {
				return fmt.Errorf("quality %d, chunk %d: size %d, want 1 to %d bytes", q, i, size, int(maxChunkBytes))
			}
		}
	}
	return nil
}

// ReadVideo reads the sizes from the folder dir: files video_size_0 to
// video_size_5, 49 lines each, one number of bytes per line. An error names
// the file and the line.
func ReadVideo(dir, name string) (*Video, error) {
	v := &Video{Name: name}
	for q := range v.ChunkBytes {
		path := filepath.Join(dir, "video_size_"+strconv.Itoa(q))
		if err := readSizes(path, v.ChunkBytes[q][:]); err != nil {
			return nil, fmt.Errorf("abr: video sizes: %w", err)
		}
	}
	return v, nil
}

func readSizes(path string, sizes []int) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	n := 0
	for lines.Scan() {
		text := strings.TrimSpace(lines.Text())
		if n == len(sizes) {
			if text == "" {
				continue
			}
			return fmt.Errorf("%s: line %d: more than %d sizes", path, n+1, len(sizes))
		}
		size, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%s: line %d: %q is not a number of bytes", path, n+1, text)
		}
		if size < 1 || size > maxChunkBytes {
			return fmt.Errorf("%s: line %d: size %d, want 1 to %d bytes", path, n+1, size, int(maxChunkBytes))
		}
		sizes[n] = size
		n++
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: line %d: %w", path, n+1, err)
	}
	if n < len(sizes) {
		return fmt.Errorf("%s: line %d: the file ends after %d sizes, want %d", path, max(n, 1), n, len(sizes))
	}
	return nil
}

// OpenVideo opens a video by name:
//
//	video1, video2   dataDir/abr/videos/NAME_sizes (Envivio-Dash3, SynthVideo)
//	synth1, synth2   generated stand-ins for those two, see [SynthVideo]; dataDir is not read
//	anything else    a folder of size files, or a file: see [ReadVideoFile]
func OpenVideo(dataDir, name string) (*Video, error) {
	switch name {
	case "":
		return nil, errors.New("abr: no video named")
	case "video1", "video2":
		return ReadVideo(filepath.Join(dataDir, "abr", "videos", name+"_sizes"), name)
	case "synth1":
		return SynthVideo(name, 1, 1), nil
	case "synth2":
		return SynthVideo(name, 2, 1.2), nil
	}
	if info, err := os.Stat(name); err == nil && !info.IsDir() {
		return ReadVideoFile(name)
	}
	return ReadVideo(name, filepath.Base(name))
}

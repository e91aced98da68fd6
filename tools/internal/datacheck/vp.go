// Viewport prediction: vp/<set>/videoN/userM.csv.

package datacheck

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"netllm/netllm/vp"
)

// recording is one file, known by its numbers.
type recording struct{ video, user int }

func (r recording) String() string { return fmt.Sprintf("video%d/user%d", r.video, r.user) }

// viewportSet is a published data set: how many videos and users it numbers, how many
// rows the recordings of each video have, and which are known not to be like that.
type viewportSet struct {
	videos, users int
	rows          func(video int) int
	absentUsers   []int       // that reduced copies do not have
	absentVideos  []int       // nor these, of an experiment that no split uses
	shortest      map[int]int // by video: rows of the shortest recording, where some are short
}

var viewportSets = map[string]viewportSet{
	"Jin2022": {
		videos: 27, users: 84,
		rows:     func(int) int { return 300 },
		shortest: map[int]int{5: 58, 6: 86, 9: 118, 18: 226, 27: 248},
	},
	"Wu2017": {
		videos: 18, users: 48,
		rows: func(video int) int {
			return append([]int{0, 822, 1006, 1467, 863, 1029, 3276, 2256, 825, 1461}, make([]int, 9)...)[video]
		},
		absentUsers:  []int{13, 41, 47},
		absentVideos: []int{10, 11, 12, 13, 14, 15, 16, 17, 18},
	},
}

// viewports is what is found of one set.
type viewports struct {
	c     *check
	name  string
	part  int
	rows  map[recording]int // of files that could be read
	bad   map[recording]bool
	clock []string // recordings whose clock steps back
}

func findVP(c *check, dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		c.fault(c.part("vp", "all sets"), dir, err)
		return
	}
	for _, e := range entries {
		if set := filepath.Join(dir, e.Name()); isDir(set) && !strings.HasPrefix(e.Name(), ".") {
			findSet(c, set)
		}
	}
}

func findSet(c *check, dir string) {
	v := &viewports{c: c, name: filepath.Base(dir), rows: map[recording]int{}, bad: map[recording]bool{}}
	v.part = c.part("vp", v.name)
	var other []string
	for _, video := range c.list(v.part, dir) {
		folder := filepath.Join(dir, video.Name())
		n, ok := numbered(video.Name(), "video", "")
		if !ok || !isDir(folder) {
			if video.Name() != "splits.json" {
				other = append(other, video.Name())
			}
			continue
		}
		for _, file := range c.list(v.part, folder) {
			user, ok := numbered(file.Name(), "user", ".csv")
			if !ok {
				other = append(other, filepath.Join(video.Name(), file.Name()))
				continue
			}
			c.report.Parts[v.part].Files++
			c.later(1, func() { v.read(filepath.Join(folder, file.Name()), recording{n, user}) })
		}
	}
	if c.report.Parts[v.part].Files == 0 {
		c.fault(v.part, dir, fmt.Errorf("no videoN/userM.csv in it"))
	}
	if len(other) > 0 {
		c.note("vp %s: passed over, since they are not videoN/userM.csv: %s", v.name, some(other))
	}
	c.later(0, v.conclude)
}

// numbered reads the number of a name such as "video12", which has no leading zero.
func numbered(name, prefix, suffix string) (int, bool) {
	digits, ok := strings.CutPrefix(name, prefix)
	if ok {
		digits, ok = strings.CutSuffix(digits, suffix)
	}
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil && n >= 0 && strconv.Itoa(n) == digits
}

// read reads one recording.
func (v *viewports) read(path string, r recording) {
	if !v.c.regular(v.part, path) {
		v.bad[r] = true
		return
	}
	rows, err := vp.ReadTrace(path)
	if err != nil {
		v.c.fault(v.part, path, err)
		v.bad[r] = true
		return
	}
	v.rows[r] = len(rows)
	v.c.report.Parts[v.part].Rows += len(rows)
	if line := stepBack(path); line > 0 {
		v.clock = append(v.clock, fmt.Sprintf("%v:%d", r, line))
	}
}

// stepBack returns the first line of a file, which has been read before, whose time is
// below that of the line above, 0 if there is none.
func stepBack(path string) int {
	f, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	last := 0.0
	for n := 1; lines.Scan(); n++ {
		field, _, _ := strings.Cut(lines.Text(), ",")
		sec, err := strconv.ParseFloat(strings.TrimSpace(field), 64)
		if err == nil && n > 1 && sec < last {
			return n
		}
		last = sec
	}
	return 0
}

// conclude says what is there, once all has been read.
func (v *viewports) conclude() {
	videos, users := map[int]bool{}, map[int]bool{}
	for r := range v.rows {
		videos[r.video], users[r.user] = true, true
	}
	v.c.report.Parts[v.part].Holds = counted(len(videos), "video") + ", " + counted(len(users), "user")
	if set, ok := viewportSets[v.name]; ok {
		v.holes(set)
		v.short(set)
	}
	if len(v.clock) > 0 {
		v.c.note("vp %s: the clock, which no model reads, steps back in %s", v.name, some(v.clock))
	}
}

// holes notes which recordings of a published set are not there.
func (v *viewports) holes(set viewportSet) {
	there := func(r recording) bool { return v.rows[r] > 0 || v.bad[r] }
	var absent []string
	knownUsers, knownVideos := map[int]bool{}, map[int]bool{}
	expected := 0
	for video := 1; video <= set.videos; video++ {
		for user := 1; user <= set.users; user++ {
			r := recording{video, user}
			switch {
			case slices.Contains(set.absentVideos, video):
				if !there(r) {
					knownVideos[video] = true
				}
			case slices.Contains(set.absentUsers, user):
				if !there(r) {
					knownUsers[user] = true
				}
			default:
				if expected++; !there(r) {
					absent = append(absent, r.String())
				}
			}
		}
	}
	if len(absent) > 0 {
		v.c.note("vp %s: %d of %d published recordings are not there: %s", v.name, len(absent), expected, some(absent))
	}
	if len(knownUsers) > 0 {
		v.c.note("vp %s: no users %s, as in reduced copies of the set; the test split names them", v.name, numbers(knownUsers))
	}
	if len(knownVideos) > 0 {
		v.c.note("vp %s: no videos %s, as in reduced copies of the set; no split names them", v.name, numbers(knownVideos))
	}
}

// short notes recordings with fewer rows than others of their video.
func (v *viewports) short(set viewportSet) {
	var known, other []string
	byVideo := map[int][]int{} // lengths of the short ones
	for r, rows := range v.rows {
		if r.video >= 1 && r.video <= set.videos && rows < set.rows(r.video) {
			byVideo[r.video] = append(byVideo[r.video], rows)
		}
	}
	for _, video := range slices.Sorted(maps.Keys(byVideo)) {
		list := byVideo[video]
		text := fmt.Sprintf("video%d (%d, from %d rows on)", video, len(list), slices.Min(list))
		if least, ok := set.shortest[video]; ok && slices.Min(list) >= least {
			known = append(known, text)
		} else {
			other = append(other, text)
		}
	}
	if len(known) > 0 {
		v.c.note("vp %s: recordings shorter than the others of their video, known: %s", v.name, some(known))
	}
	if len(other) > 0 {
		v.c.note("vp %s: recordings shorter than those published: %s", v.name, some(other))
	}
}

// numbers lists numbers in order.
func numbers(set map[int]bool) string {
	var list []string
	for _, n := range slices.Sorted(maps.Keys(set)) {
		list = append(list, strconv.Itoa(n))
	}
	return strings.Join(list, ", ")
}

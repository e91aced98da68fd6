// Data sets: folders of traces with a split of their videos and users.

package vp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Split is one part of a data set: its videos times its users.
type Split struct {
	Videos []int `json:"videos"`
	Users  []int `json:"users"`
}

// Dataset is a folder of traces videoN/userM.csv and how it is split.
type Dataset struct {
	Name   string
	Dir    string
	splits map[string]Split
	absent []int // users of the published splits whose traces are not among the published files
}

// Datasets are the names of the published data sets.
var Datasets = []string{"jin2022", "wu2017"}

var published = map[string]struct {
	folder string
	absent []int
	splits map[string]Split
}{
	"jin2022": {"Jin2022", nil, map[string]Split{
		"train": {
			Videos: []int{1, 5, 9, 2, 6, 11, 15, 16, 13, 17, 21, 22, 26, 19, 23},
			Users: []int{50, 54, 6, 34, 66, 63, 52, 39, 62, 46, 75, 28, 65, 18, 37, 13, 80, 33, 69, 78, 19, 40, 10, 43, 61, 72, 56, 41, 79, 82, 27,
				71, 57, 67, 8, 2, 12, 81, 1, 64, 32, 42},
		},
		"valid": {
			Videos: []int{3, 7, 12, 10, 20, 27},
			Users:  []int{9, 25, 73, 29, 31, 70, 58, 11, 14, 38, 16, 76, 77, 74, 24, 5, 17, 20, 51, 68, 36},
		},
		"test": {
			Videos: []int{4, 8, 14, 18, 24, 25},
			Users:  []int{83, 15, 3, 35, 48, 22, 55, 4, 45, 60, 26, 21, 44, 23, 53, 84, 59, 49, 7, 47, 30},
		},
	}},
	"wu2017": {"Wu2017", []int{13, 41, 47}, map[string]Split{
		"train": {
			Videos: []int{9, 7, 4, 1, 6},
			Users:  []int{23, 3, 19, 24, 18, 28, 9, 26, 6, 15, 21, 25, 32, 38, 45, 34, 48, 44, 29, 43, 4, 36, 39, 8, 17, 42, 30, 11, 22, 37},
		},
		"valid": {Videos: []int{8, 2}, Users: []int{40, 20, 14, 1, 31, 12, 33, 27, 10}},
		"test":  {Videos: []int{3, 5}, Users: []int{16, 7, 46, 5, 35, 2, 41, 47, 13}},
	}},
}

// splitsName is the file, in the folder of somebody's own data, that says how it is split.
const splitsName = "splits.json"

// OpenDataset finds a data set. name is one of [Datasets], which lie in data/vp (data is
// the folder that has vp in it), or a folder of one's own, videoN/userM.csv in it; that
// may have a file splits.json: {"train": {"videos": [1, 2], "users": [1, 2]}, "test": ...}.
func OpenDataset(data, name string) (*Dataset, error) {
	d := &Dataset{Name: name, Dir: name}
	if p, ok := published[strings.ToLower(name)]; ok {
		d.Name, d.Dir, d.splits, d.absent = strings.ToLower(name), filepath.Join(data, "vp", p.folder), p.splits, p.absent
	}
	switch info, err := os.Stat(d.Dir); {
	case errors.Is(err, fs.ErrNotExist) && d.splits == nil:
		return nil, fmt.Errorf("vp: data set %q: neither one of %q nor a folder", name, Datasets)
	case err != nil:
		return nil, fmt.Errorf("vp: data set %q: %w", name, err)
	case !info.IsDir():
		return nil, fmt.Errorf("vp: data set %q: not a folder", d.Dir)
	}
	if d.splits == nil {
		return d, d.readSplits()
	}
	return d, nil
}

func (d *Dataset) readSplits() error {
	path := filepath.Join(d.Dir, splitsName)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("vp: splits: %w", err)
	}
	if err := json.Unmarshal(data, &d.splits); err != nil {
		return fmt.Errorf("vp: splits: %s: %w", path, err)
	}
	names := d.Splits()
	for i, a := range names {
		for _, b := range names[:i] {
			if v, u := common(d.splits[a].Videos, d.splits[b].Videos), common(d.splits[a].Users, d.splits[b].Users); v != nil || u != nil {
				return fmt.Errorf("vp: splits: %s: %q and %q share videos %v and users %v", path, a, b, v, u)
			}
		}
	}
	return nil
}

// common returns what two lists share.
func common(a, b []int) (both []int) {
	for _, v := range a {
		if slices.Contains(b, v) {
			both = append(both, v)
		}
	}
	return both
}

// Splits returns the names of the splits, in order.
func (d *Dataset) Splits() []string {
	var names []string
	for name := range d.splits {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// AllTraces is the name of the split that holds everything a folder has.
const AllTraces = "all"

// Split returns a part of the data set by its name; "all" is what the folder has.
func (d *Dataset) Split(name string) (Split, error) {
	if s, ok := d.splits[name]; ok {
		return s, nil
	}
	if name == AllTraces {
		return d.all()
	}
	return Split{}, fmt.Errorf("vp: data set %q has no split %q, known: %q", d.Name, name, append(d.Splits(), AllTraces))
}

// all lists the videos and users of the folder, in the order of their numbers.
func (d *Dataset) all() (Split, error) {
	var s Split
	files, err := filepath.Glob(filepath.Join(d.Dir, "video*", "user*.csv"))
	if err != nil {
		return s, fmt.Errorf("vp: data set %q: %w", d.Name, err)
	}
	for _, path := range files {
		var video, user int
		folder, file := filepath.Base(filepath.Dir(path)), filepath.Base(path)
		if !numbered(folder, "video", "", &video) || !numbered(file, "user", ".csv", &user) {
			return s, fmt.Errorf("vp: data set %q: %s is not videoN/userM.csv", d.Name, path)
		}
		s.Videos, s.Users = append(s.Videos, video), append(s.Users, user)
	}
	if len(files) == 0 {
		return s, fmt.Errorf("vp: data set %q: no videoN/userM.csv in %s", d.Name, d.Dir)
	}
	for _, list := range []*[]int{&s.Videos, &s.Users} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return s, nil
}

// numbered reports whether name is prefix, a number and suffix, and sets n to the number.
func numbered(name, prefix, suffix string, n *int) bool {
	got, err := fmt.Sscanf(name, prefix+"%d", n)
	return err == nil && got == 1 && *n >= 0 && name == fmt.Sprintf("%s%d%s", prefix, *n, suffix)
}

// Traces reads the traces of a split, video by video and user by user. A missing file is
// an error, unless missing says to leave such pairs out or the published files lack the user (13, 41 and
// 47 of Wu2017); a split without any trace is always one.
func (d *Dataset) Traces(s Split, missing bool) ([]*Trace, error) {
	var traces []*Trace
	for _, video := range s.Videos {
		for _, user := range s.Users {
			t := &Trace{Video: video, User: user}
			t.Path = filepath.Join(d.Dir, fmt.Sprintf("video%d", video), fmt.Sprintf("user%d.csv", user))
			var err error
			t.Rows, err = ReadTrace(t.Path)
			if (missing || slices.Contains(d.absent, user)) && errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			traces = append(traces, t)
		}
	}
	if len(traces) == 0 {
		return nil, fmt.Errorf("vp: data set %q: none of the traces of videos %v and users %v is in %s", d.Name, s.Videos, s.Users, d.Dir)
	}
	return traces, nil
}

// CheckTraining fails if a trace that is to be trained on, or chosen by, shows a video or a
// user of the test split.
func (d *Dataset) CheckTraining(traces []*Trace) error {
	test, ok := d.splits["test"]
	if !ok {
		return nil
	}
	for _, t := range traces {
		if slices.Contains(test.Videos, t.Video) || slices.Contains(test.Users, t.User) {
			return fmt.Errorf("vp: data set %q: %s is not to be trained on: its video or its user is in the test split", d.Name, t.ID())
		}
	}
	return nil
}

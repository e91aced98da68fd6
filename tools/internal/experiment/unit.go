// Units: pieces of work, and what is kept of them.

package experiment

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"netllm/internal/atomicfile"
	"netllm/ops"
	"netllm/tools/internal/cli"
)

// Unit is a piece of work. Its result must follow from Kind, Key and the results of Needs alone, but
// for times that it took: these three make its name in the store.
type Unit struct {
	// Kind says what is done, as the beginning of a file's name: "train-vp". A number at its end grows when the
	// code comes to mean something else by the same key: "train-vp2".
	Kind    string
	Label   string  // for people
	Key     any     // is encoded as JSON
	Needs   []*Unit // units whose results or files Do reads
	Files   bool    // Do makes files
	Seconds float64 // that it takes, about: for order and outlook only

	// Do does the work. It may be called when a unit of the same name is done already by another program, whose
	// result is replaced then.
	Do func(ctx context.Context, job Job) (result any, err error)

	id     string
	path   string // of the record, without .json; "" until it is done
	record Record
}

// Job is what a unit works with.
type Job struct {
	Backend ops.Backend // with one thread
	Dir     string      // that the unit's files go to, if it makes any
}

// Record is the file of a unit that is done.
type Record struct {
	Kind    string          `json:"kind"`
	Label   string          `json:"label"`
	Key     json.RawMessage `json:"key"`
	Needs   []string        `json:"needs,omitempty"` // IDs
	Files   bool            `json:"files,omitempty"`
	Seconds float64         `json:"seconds"`
	Version string          `json:"version"` // of the program that did it
	CPU     string          `json:"cpu"`
	Result  json.RawMessage `json:"result"`
}

// ID is the unit's name in a store. It panics if the key cannot be encoded: a bug.
func (u *Unit) ID() string {
	if u.id == "" {
		key, needs := u.identity()
		text, err := json.Marshal(struct {
			Key   json.RawMessage
			Needs []string
		}{key, needs})
		if err != nil {
			panic(fmt.Sprintf("experiment: unit %s: %v", u.Kind, err))
		}
		sum := sha256.Sum256(text)
		u.id = u.Kind + "-" + hex.EncodeToString(sum[:10])
	}
	return u.id
}

func (u *Unit) identity() (key json.RawMessage, needs []string) {
	key, err := json.Marshal(u.Key)
	if err != nil {
		panic(fmt.Sprintf("experiment: key of unit %s: %v", u.Kind, err))
	}
	for _, n := range u.Needs {
		needs = append(needs, n.ID())
	}
	return key, needs
}

// Done reports whether a runner has done the unit or found it done.
func (u *Unit) Done() bool { return u.path != "" }

// Dir is the folder of the unit's files. It panics if the unit is not done.
func (u *Unit) Dir() string {
	u.mustBeDone()
	return u.path
}

// Record returns what is known of a unit that is done.
func (u *Unit) Record() Record {
	u.mustBeDone()
	return u.record
}

func (u *Unit) mustBeDone() {
	if !u.Done() {
		panic("experiment: unit " + u.Label + " is not done")
	}
}

// Get returns the result of a unit, which must be done.
func Get[T any](u *Unit) (result T, err error) {
	u.mustBeDone()
	if err := json.Unmarshal(u.record.Result, &result); err != nil {
		return result, fmt.Errorf("%s.json: %w", u.path, err)
	}
	return result, nil
}

// Store is the folder that results of units are kept in.
type Store string

// path is that of a unit's files, and with .json behind it of its record.
func (s Store) path(u *Unit) string { return filepath.Join(string(s), u.ID()) }

// find takes a unit's result from the store, if it is there and whole. note says what is wrong with a record that
// cannot be used.
func (s Store) find(u *Unit) (found bool, note string, err error) {
	path := s.path(u)
	text, err := os.ReadFile(path + ".json")
	if errors.Is(err, fs.ErrNotExist) {
		return false, "", nil
	}
	if err != nil {
		return false, "", err
	}
	var r Record
	if err := json.Unmarshal(text, &r); err != nil {
		return false, fmt.Sprintf("%s.json cannot be read and is made anew: %v", path, err), nil
	}
	key, _ := u.identity()
	var kept bytes.Buffer // it was laid out in lines
	if err := json.Compact(&kept, r.Key); err != nil || !bytes.Equal(kept.Bytes(), key) {
		return false, path + ".json has another key and is made anew", nil
	}
	if u.Files {
		if info, err := os.Stat(path); err != nil || !info.IsDir() {
			return false, path + ": the files are missing and are made anew", nil
		}
	}
	u.record, u.path = r, path
	return true, "", nil
}

// do does a unit and keeps what came of it: files first, the record, which says that it is done, last.
func (s Store) do(u *Unit, r Record, work func(dir string) (any, error)) error {
	path := s.path(u)
	var result any
	var err error
	began := time.Now()
	if u.Files {
		err = atomicfile.WriteDir(path, true, func(dir string) error {
			result, err = work(dir)
			return err
		})
	} else {
		result, err = work("")
	}
	if err != nil {
		return err
	}
	r.Kind, r.Label, r.Files, r.Seconds = u.Kind, u.Label, u.Files, time.Since(began).Seconds()
	r.Key, r.Needs = u.identity()
	if r.Result, err = json.Marshal(result); err != nil {
		return fmt.Errorf("result: %w", err)
	}
	if err := cli.WriteFile(path+".json", true, func(w io.Writer) error { return cli.EncodeJSON(w, r) }); err != nil {
		return err
	}
	u.record, u.path = r, path
	return nil
}

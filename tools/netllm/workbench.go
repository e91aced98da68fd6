// What experiments work with: models, data and trained adapters, each read or made once.

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"netllm/netllm"
	"netllm/ops"
	"netllm/tools/internal/cli"
	"netllm/tools/internal/experiment"
	"netllm/transformer"
)

// workbench is what an experiment runs on.
type workbench struct {
	config *experimentConfig
	flags  cli.Flags // of the data
	runner *experiment.Runner

	hashes  memo[string]     // of files and folders, by path
	models  memo[*modelFile] // by their names in the configuration
	recipes memo[any]
	data    memo[any] // of tasks, by what is read
}

// memo remembers what was made.
type memo[V any] struct {
	mu   sync.Mutex
	made map[string]func() (V, error)
}

// get returns what make makes, which is called once for each name.
func (m *memo[V]) get(name string, make func() (V, error)) (V, error) {
	m.mu.Lock()
	if m.made == nil {
		m.made = map[string]func() (V, error){}
	}
	once := m.made[name]
	if once == nil {
		once = sync.OnceValues(make)
		m.made[name] = once
	}
	m.mu.Unlock()
	return once()
}

// remember is [memo.get] of data of one type.
func remember[T any](w *workbench, name string, make func() (T, error)) (T, error) {
	v, err := w.data.get(name, func() (any, error) { return make() })
	if err != nil {
		var none T
		return none, err
	}
	return v.(T), nil
}

// modelFile is a model of the configuration.
type modelFile struct {
	modelFlags
	name    string // for people
	sha256  string // of the file, or of the files in the folder
	weights int
}

// model finds a model: at a path, or in models/ of the data.
func (w *workbench) model(name string) (*modelFile, error) {
	return w.models.get(name, func() (*modelFile, error) {
		m := &modelFile{name: strings.TrimSuffix(filepath.Base(name), ".gguf")}
		var err error
		if name == embeddedName {
			sum := sha256.Sum256(second(embeddedModel()))
			m.sha256 = hex.EncodeToString(sum[:])
		} else {
			m.path = name
			if _, err := os.Stat(name); err != nil {
				dir, dataErr := w.flags.DataDir()
				if dataErr != nil {
					return nil, dataErr
				}
				if m.path = filepath.Join(dir, "models", name); dir == "" || filepath.IsAbs(name) {
					return nil, fmt.Errorf("model: %w", err)
				}
			}
			if m.sha256, err = w.hash(m.path); err != nil {
				return nil, fmt.Errorf("model: %w", err)
			}
		}
		return m, m.read()
	})
}

// openModels finds all models of the configuration.
func (w *workbench) openModels() error {
	var errs []error
	for _, name := range w.config.Models {
		_, err := w.model(name)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// read opens the model for its shape.
func (m *modelFile) read() error {
	b := ops.NewCPU(1, ops.NoRepack())
	defer b.Close()
	return m.withBody(b, netllm.BodySpec{Kind: netllm.PretrainedBody}, func(body transformer.Adaptable) error {
		for _, t := range body.(transformer.Model).Shape().Weights() {
			if t.Tied && body.(transformer.Model).Shape().Tied {
				continue // is counted as the embedding
			}
			n := 1
			for _, d := range t.Shape {
				n *= d
			}
			m.weights += n
		}
		return nil
	})
}

// slowness is about how much longer a training takes than around the smallest model that was measured, of 260
// thousand weights.
func (m *modelFile) slowness(body netllm.BodySpec) float64 {
	switch body.Kind {
	case netllm.NoneBody:
		return 0.2
	case netllm.AttentionBody:
		return 0.4
	}
	return max(0.7, 0.4+0.6*float64(m.weights)/260_000)
}

func second[A, B any](_ A, b B) B { return b }

// hash is the SHA-256 of a file or of all files below a folder.
func (w *workbench) hash(path string) (string, error) {
	return w.hashes.get(path, func() (string, error) {
		if info, err := os.Stat(path); err != nil || !info.IsDir() {
			if err != nil {
				return "", err
			}
			return hashPath(path)
		}
		return hashTree(path)
	})
}

// hashTree is hashDir with the folders in it.
func hashTree(dir string) (string, error) {
	all := sha256.New()
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		sum, err := hashFile(os.DirFS(dir), name)
		fmt.Fprintf(all, "%s  %s\n", sum, name)
		return err
	})
	return hex.EncodeToString(all.Sum(nil)), err
}

// variant is one training: what is trained, and how.
type variant struct {
	label  string // what rows call it
	task   string
	model  string // of the configuration
	body   netllm.BodySpec
	train  trainConfig
	rate   float64 // 0: the recipe's
	rank   int     // 0: the recipe's; below: no low-rank matrices
	window int     // how much of the past is seen; 0: the recipe's
	seed   uint64
}

// String tells variants apart.
func (v variant) String() string {
	text := fmt.Sprintf("%s %s, seed %d", v.task, v.label, v.seed)
	if v.rate != 0 {
		text += fmt.Sprintf(", learning rate %g", v.rate)
	}
	return text
}

// lora changes the rank of low-rank matrices, with the same share of the update.
func (v variant) lora(f *transformer.LoRAConfig) *transformer.LoRAConfig {
	switch {
	case f == nil || v.rank < 0:
		return nil
	case v.rank == 0:
		return f
	}
	changed := *f
	changed.Rank, changed.Alpha = v.rank, f.Alpha*float64(v.rank)/float64(f.Rank)
	return &changed
}

// recipe makes a recipe for the body of a variant, which only needs its shape.
func recipe[R any](w *workbench, v variant, make func(name string, body transformer.Adaptable, spec netllm.BodySpec, seed uint64) (R, error)) (r R, err error) {
	m, err := w.model(v.model)
	if err != nil {
		return r, err
	}
	made, err := w.recipes.get(fmt.Sprint(v.task, m.sha256, v.body, v.train.Recipe, v.seed), func() (any, error) {
		b := ops.NewCPU(1, ops.NoRepack())
		defer b.Close()
		var r R
		err := m.withBody(b, v.body, func(body transformer.Adaptable) (err error) {
			r, err = make(v.train.Recipe, body, v.body, v.seed)
			return err
		})
		return r, err
	})
	if err != nil {
		return r, fmt.Errorf("%s: %w", v, err)
	}
	return made.(R), nil
}

// trained is the result of a unit that trains an adapter.
type trained struct {
	Parameters int          `json:"parameters"`
	Seconds    float64      `json:"seconds"`         // of training alone
	Best       float64      `json:"best_validation"` // the task's metric; 0 if nothing was looked at
	Rate       float64      `json:"learning_rate"`
	Rank       int          `json:"rank"` // 0: no low-rank matrices
	Window     int          `json:"window"`
	Loss       []curvePoint `json:"loss,omitempty"`
	Valid      []curvePoint `json:"validation,omitempty"`
	BaseSHA256 string       `json:"base_sha256"` // of the frozen weights, as adapters name their base
}

// rankOf is that of low-rank matrices that may be missing.
func rankOf(f *transformer.LoRAConfig) int {
	if f == nil {
		return 0
	}
	return f.Rank
}

// score is what a policy reached in a setting.
type score struct {
	policyResult
	Box    [3]float64 `json:"box"`    // quartiles and the median between them
	Values []float32  `json:"values"` // that the box is over: windows in VP, sessions in ABR, jobs in CJS
}

// scorer makes the units of a task.
type scorer interface {
	// train returns the unit that trains a variant; its files are an adapter.
	train(v variant) (*experiment.Unit, error)

	// rule returns the unit in which a policy that needs no training here is scored.
	rule(policy, setting string) (*experiment.Unit, error)

	// learned returns the unit in which an adapter is scored.
	learned(v variant, adapter *experiment.Unit, setting string) (*experiment.Unit, error)
}

// scorer returns that of a task.
func (w *workbench) scorer(task string) (scorer, error) {
	switch task {
	case "vp":
		return vpScorer{w, w.config.task(task)}, nil
	case "abr":
		return abrScorer{w, w.config.task(task)}, nil
	}
	return newCJSScorer(w, w.config.task(task))
}

// What a PEFT adapter_config.json says: which layers, which ranks, which scales.
// What would change the result and is not computed here is refused by name.

package transformer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxPEFTList bounds a list or pattern in an adapter_config.json: whole names of
// all layers of the largest models are a third of it.
const maxPEFTList = 1 << 17

// peftFile is the part of an adapter_config.json (LoraConfig of PEFT 0.17) that
// says what is computed. Lists that may also be a text stay raw.
type peftFile struct {
	PeftType      string          `json:"peft_type"`
	BaseModel     *string         `json:"base_model_name_or_path"`
	Rank          int             `json:"r"`
	Alpha         float64         `json:"lora_alpha"`
	Dropout       float32         `json:"lora_dropout"`
	Bias          string          `json:"bias"`
	UseRSLoRA     bool            `json:"use_rslora"`
	Targets       json.RawMessage `json:"target_modules"`
	Exclude       json.RawMessage `json:"exclude_modules"`
	Layers        json.RawMessage `json:"layers_to_transform"`
	LayersPattern json.RawMessage `json:"layers_pattern"`
	RankPattern   json.RawMessage `json:"rank_pattern"`
	AlphaPattern  json.RawMessage `json:"alpha_pattern"`
	InitWeights   json.RawMessage `json:"init_lora_weights"`

	// Refused unless they say nothing. fan_in_fan_out does not stand here: it is
	// about how the base's matrices lie (GPT-2's are [in, out]), and PEFT itself
	// corrects a wrong one; A and B lie the same way either way.
	UseDoRA       json.RawMessage `json:"use_dora"`
	ModulesToSave json.RawMessage `json:"modules_to_save"`
	TokenIndices  json.RawMessage `json:"trainable_token_indices"`
	Parameters    json.RawMessage `json:"target_parameters"`
	Replication   json.RawMessage `json:"layer_replication"`
	LoRABias      json.RawMessage `json:"lora_bias"`
	Invocation    json.RawMessage `json:"alora_invocation_tokens"`
	UseQALoRA     json.RawMessage `json:"use_qalora"`
	Arrow         json.RawMessage `json:"arrow_config"`
}

// peftConfig is a checked adapter_config.json.
type peftConfig struct {
	LoRAConfig
	base             string
	targets, exclude selection
	only             []int    // layers_to_transform; nil: all
	onlyAfter        []string // layers_pattern: the part before a layer's number; nil: any
	ranks, alphas    []sizePattern
}

// selection is target_modules or exclude_modules.
type selection struct {
	names []string
	whole *regexp.Regexp // matches whole names
	all   bool
}

// sizePattern is an entry of rank_pattern or alpha_pattern.
type sizePattern struct {
	name string
	tail *regexp.Regexp // matches the end of names, or nil: name is a name
	size float64
}

// choice is a layer that the config names, with its sizes.
type choice struct {
	layer LinearInfo
	rank  int
	alpha float64
	scale float64
}

// says reports whether a value is there and is not null, false, or empty.
func says(v json.RawMessage) bool {
	s := bytes.TrimSpace(v)
	switch string(s[:min(len(s), 6)]) {
	case "", "null", "false", `""`:
		return false
	}
	return s[0] != '[' && s[0] != '{' || len(bytes.TrimSpace(s[1:len(s)-1])) > 0
}

// parsePEFTConfig reads an adapter_config.json.
func parsePEFTConfig(text []byte) (*peftConfig, error) {
	var f peftFile
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, err
	}
	if f.PeftType != "LORA" {
		return nil, fmt.Errorf("peft_type %.60q, known: LORA", f.PeftType)
	}
	if f.Bias != "none" && f.Bias != "" {
		return nil, fmt.Errorf("bias %.60q is not supported: biases trained beside the matrices are no low-rank update (known: none)", f.Bias)
	}
	for _, refused := range []struct {
		name   string
		value  json.RawMessage
		reason string
	}{
		{"use_dora", f.UseDoRA, "weight-decomposed adapters (DoRA) also change the norm of each row"},
		{"modules_to_save", f.ModulesToSave, "whole modules beside the matrices replace parts of the base"},
		{"trainable_token_indices", f.TokenIndices, "rows of the embedding are replaced"},
		{"target_parameters", f.Parameters, "parameters that are no linear layer's weight"},
		{"layer_replication", f.Replication, "the model has other layers than the base"},
		{"lora_bias", f.LoRABias, "B has a bias"},
		{"alora_invocation_tokens", f.Invocation, "an activated adapter works from certain tokens on only"},
		{"use_qalora", f.UseQALoRA, "inputs are pooled before A"},
		{"arrow_config", f.Arrow, "several adapters are mixed for each token"},
	} {
		if says(refused.value) {
			return nil, fmt.Errorf("%s is not supported: %s", refused.name, refused.reason)
		}
	}
	for _, kind := range []string{"pissa", "olora", "loftq", "corda"} {
		if s := strings.ToLower(string(f.InitWeights[:min(len(f.InitWeights), 40)])); strings.HasPrefix(s, `"`+kind) {
			return nil, fmt.Errorf("init_lora_weights %s is not supported: it changes the base's weights too; convert the adapter to a plain one with PEFT", s)
		}
	}
	c := &peftConfig{LoRAConfig: LoRAConfig{Rank: f.Rank, Alpha: f.Alpha, Dropout: f.Dropout, RankStabilized: f.UseRSLoRA, Targets: []string{"*"}}}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c.Targets = nil
	if f.BaseModel != nil {
		c.base = *f.BaseModel
	}
	return c, c.parseLayers(&f)
}

// parseLayers reads what says which layers, and of which sizes.
func (c *peftConfig) parseLayers(f *peftFile) (err error) {
	var budget patternBudget
	if c.targets, err = budget.selection("target_modules", f.Targets); err != nil {
		return err
	}
	if c.targets.names == nil && c.targets.whole == nil && !c.targets.all {
		return errors.New("target_modules names no layers")
	}
	if c.exclude, err = budget.selection("exclude_modules", f.Exclude); err != nil {
		return err
	}
	if says(f.Layers) {
		var one int
		if json.Unmarshal(f.Layers, &one) == nil {
			c.only = []int{one}
		} else if c.only, err = list[int]("layers_to_transform", f.Layers); err != nil {
			return err
		}
		if c.targets.names == nil {
			return errors.New("layers_to_transform beside a target_modules that is no list")
		}
	}
	if says(f.LayersPattern) {
		var one string
		if json.Unmarshal(f.LayersPattern, &one) == nil {
			c.onlyAfter = []string{one}
		} else if c.onlyAfter, err = list[string]("layers_pattern", f.LayersPattern); err != nil {
			return err
		}
		for _, name := range c.onlyAfter {
			if !isPlain(name) {
				return fmt.Errorf("layers_pattern %.60q: regular expressions are not supported here", name)
			}
		}
	}
	if c.ranks, err = budget.sizes("rank_pattern", f.RankPattern); err != nil {
		return err
	}
	for _, p := range c.ranks {
		if p.size != float64(int(p.size)) || p.size < 1 || p.size > maxRank {
			return fmt.Errorf("rank_pattern: %.80q is %v", p.name, p.size)
		}
	}
	if c.alphas, err = budget.sizes("alpha_pattern", f.AlphaPattern); err != nil {
		return err
	}
	for _, p := range c.alphas {
		if !(p.size > 0) {
			return fmt.Errorf("alpha_pattern: %.80q is %v", p.name, p.size)
		}
	}
	return nil
}

// list reads a JSON list without growing it step by step.
func list[T any](what string, raw json.RawMessage) ([]T, error) {
	if len(raw) > maxPEFTList {
		return nil, fmt.Errorf("%s has %d bytes, at most %d", what, len(raw), maxPEFTList)
	}
	values := make([]T, 0, bytes.Count(raw, []byte(","))+1)
	if err := json.Unmarshal(raw, &values); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return values, nil
}

// patternBudget bounds what is spent on the regular expressions of one file.
type patternBudget struct{ patterns, instructions int }

func (b *patternBudget) selection(what string, raw json.RawMessage) (s selection, err error) {
	if !says(raw) {
		return s, nil
	}
	if raw = bytes.TrimSpace(raw); raw[0] != '"' {
		s.names, err = list[string](what, raw)
		return s, err
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return s, fmt.Errorf("%s: %w", what, err)
	}
	if text == "all-linear" {
		s.all = true
		return s, nil
	}
	if s.whole, err = b.compile(text, "^(?:", ")$"); err != nil {
		return s, fmt.Errorf("%s: %w", what, err)
	}
	return s, nil
}

// sizes reads rank_pattern or alpha_pattern. Its order counts.
func (b *patternBudget) sizes(what string, raw json.RawMessage) ([]sizePattern, error) {
	if !says(raw) {
		return nil, nil
	}
	if len(raw) > maxPEFTList/2 {
		return nil, fmt.Errorf("%s has %d bytes, at most %d", what, len(raw), maxPEFTList/2)
	}
	fail := func(err error) ([]sizePattern, error) { return nil, fmt.Errorf("%s: %w", what, err) }
	rest := bytes.TrimSpace(raw)
	if rest[0] != '{' {
		return fail(errors.New("not an object"))
	}
	// What json.Unmarshal passed as a value is well-formed: a string begins at a
	// quote, and a number ends before a comma or brace.
	sizes := make([]sizePattern, 0, bytes.Count(raw, []byte(":")))
	for rest = rest[1:]; len(bytes.TrimSpace(rest)) > 1; {
		key, after, err := cutString(rest)
		if err != nil {
			return fail(err)
		}
		p := sizePattern{name: key}
		after = after[bytes.IndexByte(after, ':')+1:]
		end := bytes.IndexAny(after, ",}")
		if p.size, err = strconv.ParseFloat(string(bytes.TrimSpace(after[:end])), 64); err != nil {
			return fail(fmt.Errorf("%.80q is no number", key))
		}
		rest = after[end+1:]
		if !isPlain(p.name) {
			if p.tail, err = b.compile(p.name, `^(?:.*\.)?(?:`, ")$"); err != nil {
				return fail(err)
			}
		}
		sizes = append(sizes, p)
	}
	return sizes, nil
}

// cutString returns the first string of a well-formed part of an object, and what
// follows it.
func cutString(b []byte) (text string, after []byte, err error) {
	b = b[bytes.IndexByte(b, '"'):]
	end := 1
	for b[end] != '"' {
		if b[end] == '\\' {
			end++
		}
		end++
	}
	if bytes.IndexByte(b[:end], '\\') < 0 {
		return string(b[1:end]), b[end+1:], nil
	}
	err = json.Unmarshal(b[:end+1], &text)
	return text, b[end+1:], err
}

// isPlain reports whether a pattern is a name.
func isPlain(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' || r == '.')
	}) < 0
}

// choose returns the layers that the config names, with their sizes, and fails for
// a target that names none.
func (c *peftConfig) choose(layers []LinearInfo) ([]choice, error) {
	var chosen []choice
	used := map[string]bool{}
	for _, info := range layers {
		matched := c.targets.all || c.targets.whole != nil && c.targets.whole.MatchString(info.Name)
		if target := matchTarget(info.Name, c.targets.names); target != "" {
			matched, used[target] = true, true
		}
		if !matched || !c.inLayers(info.Name) || c.exclude.matches(info.Name) {
			continue
		}
		rank, alpha := c.Rank, c.Alpha
		if size, ok := sizeOf(c.ranks, info.Name); ok {
			rank = int(size)
		}
		if size, ok := sizeOf(c.alphas, info.Name); ok {
			alpha = size
		}
		chosen = append(chosen, choice{info, rank, alpha, scaleOf(rank, alpha, c.RankStabilized)})
	}
	var errs []error
	for _, t := range c.targets.names {
		// Of two targets for one layer the first one counts; the other is no mistake.
		if !used[t] && !slices.ContainsFunc(layers, func(l LinearInfo) bool { return isPart(l.Name, t) }) {
			if errs = append(errs, unknownTarget(t)); len(errs) == 5 {
				break
			}
		}
	}
	if len(chosen) == 0 && len(errs) == 0 {
		errs = append(errs, errors.New("target_modules names no layer of the model"))
	}
	return chosen, errors.Join(errs...)
}

func (s *selection) matches(name string) bool {
	return s.all || s.whole != nil && s.whole.MatchString(name) || matchTarget(name, s.names) != ""
}

func sizeOf(patterns []sizePattern, layer string) (float64, bool) {
	for i := range patterns {
		p := &patterns[i]
		if p.tail == nil && isPart(layer, p.name) || p.tail != nil && p.tail.MatchString(layer) {
			return p.size, true
		}
	}
	return 0, false
}

// inLayers reports whether layers_to_transform has the layer's number: the last
// number among the parts of its name, or the last one after a part that
// layers_pattern names.
func (c *peftConfig) inLayers(name string) bool {
	if c.only == nil {
		return true
	}
	parts := strings.Split(name, ".")
	for i := len(parts) - 2; i >= 2; i-- {
		n, err := strconv.Atoi(parts[i])
		if err == nil && (c.onlyAfter == nil || slices.Contains(c.onlyAfter, parts[i-1])) {
			return slices.Contains(c.only, n)
		}
	}
	return false
}

// summary returns the config as this package has it: with names where PEFT has
// patterns.
func (c *peftConfig) summary(chosen []choice) LoRAConfig {
	f := c.LoRAConfig
	if c.only == nil && c.exclude.names == nil && c.exclude.whole == nil && !c.exclude.all {
		f.Targets = c.targets.names
	}
	named := f.Targets != nil
	for _, ch := range chosen {
		if !named {
			f.Targets = append(f.Targets, ch.layer.Name)
		}
		f.setSizes(ch.layer.Name, ch.rank, ch.alpha)
	}
	return f
}

// setSizes notes the sizes of a layer if they are not those of most.
func (f *LoRAConfig) setSizes(layer string, rank int, alpha float64) {
	if rank != f.Rank {
		if f.Ranks == nil {
			f.Ranks = map[string]int{}
		}
		f.Ranks[layer] = rank
	}
	if alpha != f.Alpha {
		if f.Alphas == nil {
			f.Alphas = map[string]float64{}
		}
		f.Alphas[layer] = alpha
	}
}

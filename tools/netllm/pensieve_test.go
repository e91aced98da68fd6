package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"netllm/tensor/safetensors"
)

// TestAdaptPensieve clones and optimises on generated traces, goes on from what came of it, and evaluates it.
func TestAdaptPensieve(t *testing.T) {
	dir := t.TempDir()
	first, second := filepath.Join(dir, "new", "first"), filepath.Join(dir, "second")
	small := []string{"adapt", "pensieve", "--video", "synth1", "--traces", "synth:n=9,dur=60", "--sessions", "4", "--round-traces", "3", "--round-starts", "2", "--clone-steps", "5", "--threads", "1"}
	stdout, stderr := succeed(t, append(small, "--rounds", "2", "--iterations", "12", "--width", "16", "--history", "8", "--out", first, "--json", "-")...)
	var got adaptPensieveResult
	decode(t, stdout, &got)
	if got.Task != "abr" || got.Labelled != 2*6*47 || got.Played != 12*4*47 || got.Recipe.Network.Width != 16 || got.Recipe.Seed != 1 || got.Parameters == 0 ||
		!(got.Best >= got.Cloned) || len(got.Valid) != 4 || got.Valid[0].Step != -2 || got.Valid[2].Step != 0 || got.Valid[3].Step != 12 {
		t.Errorf("got %+v", got)
	}
	for _, want := range []string{"clone: 2/2 rounds", "adapt: 12/12 iterations", "mean QoE of held-out traces"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("stderr has no %q:\n%s", want, stderr)
		}
	}
	f, err := safetensors.Open(first)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if m := f.Metadata(); !strings.HasPrefix(m["command"], "netllm adapt pensieve") || !strings.Contains(m["recipe"], `"rounds":2`) {
		t.Errorf("metadata %v", m)
	}
	succeed(t, append(small, "--from", first, "--rounds", "0", "--iterations", "1", "--out", second)...)
	stdout, _ = succeed(t, "eval", "abr", "--policy", "pensieve,bba", "--pensieve", second, "--video", "synth1", "--traces", "synth:n=2")
	if !strings.Contains(stdout, "pensieve") {
		t.Errorf("got %s", stdout)
	}

	badLine(t, 1, "exists", append(small, "--out", first)...)
	badLine(t, 2, "rounds is -1, want 0 or more", append(small, "--rounds", "-1", "--out", filepath.Join(dir, "x"))...)
	badLine(t, 2, "nothing to learn", append(small, "--rounds", "0", "--iterations", "0", "--out", filepath.Join(dir, "x"))...)
	badLine(t, 2, "--sessions 0", append(small, "--sessions", "0", "--out", filepath.Join(dir, "x"))...)
	badLine(t, 2, "--out is needed", small...)
	badLine(t, 2, "--width does not go with --from", append(small, "--from", first, "--width", "9", "--out", filepath.Join(dir, "x"))...)
	badLine(t, 1, "nowhere", append(small, "--from", "nowhere", "--out", filepath.Join(dir, "x"))...)

	eval := []string{"eval", "abr", "--video", "synth1", "--traces", "synth:n=2"}
	badLine(t, 2, "--policy pensieve needs --pensieve", append(eval, "--policy", "pensieve")...)
	badLine(t, 2, `--pensieve belongs to policy "pensieve"`, append(eval, "--policy", "bba", "--pensieve", second)...)
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("no network"), 0o666); err != nil {
		t.Fatal(err)
	}
	badLine(t, 1, "abr: pensieve: ", append(eval, "--policy", "pensieve", "--pensieve", text)...)
}

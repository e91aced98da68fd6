package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netllm/netllm/embedded"
)

var update = flag.Bool("update", false, "rewrite the golden files of testdata")

// command runs the program with args, without data but for what args name.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	t.Setenv("NETLLM_DATA", "")
	return commandIn(t.Context(), args...)
}

func commandIn(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(ctx, args, &out, &err)
	return code, out.String(), err.String()
}

// succeed runs the program and wants success.
func succeed(t *testing.T, args ...string) (stdout, stderr string) {
	t.Helper()
	code, stdout, stderr := command(t, args...)
	if code != 0 {
		t.Fatalf("netllm %s: got exit code %d, want 0; stderr:\n%s", strings.Join(args, " "), code, stderr)
	}
	return stdout, stderr
}

// decode reads JSON that must have the fields of v and no others.
func decode(t *testing.T, text string, v any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
}

func readJSON(t *testing.T, path string, v any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// TestHelp keeps what --help prints.
func TestHelp(t *testing.T) {
	for _, name := range []string{"", "quickstart", "eval", "eval abr", "eval vp", "eval cjs", "eval all", "collect", "collect abr", "collect cjs", "adapt", "adapt abr", "adapt vp", "adapt cjs", "adapt track", "adapt decima", "adapt pensieve", "generate", "logits", "plan", "pretrain", "data", "data import", "data check", "experiment", "experiment list", "experiment general", "experiment generalization", "experiment pretrained", "experiment llms", "experiment sizes", "experiment rank", "experiment window", "experiment cost", "experiment latency", "experiment vp-ablations", "report", "env"} {
		t.Run("netllm "+name, func(t *testing.T) {
			stdout, stderr := succeed(t, append(strings.Fields(name), "--help")...)
			if stderr != "" {
				t.Errorf("stderr: got %q, want nothing", stderr)
			}
			group := strings.Contains(stdout, "Available Commands:")
			if got := strings.Contains(stdout, "Examples:"); got == group {
				t.Errorf("examples: got %v for a command with commands below it: %v", got, group)
			}
			golden(t, "help"+strings.Join(append([]string{""}, strings.Fields(name)...), "-")+".txt", stdout)
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; -update rewrites it):\n%s", path, diff)
	}
}

// TestBadInput wants one clear line and the right exit code, and nothing on
// stdout.
func TestBadInput(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	folder := t.TempDir()
	bad := filepath.Join(t.TempDir(), "bad.gguf")
	if err := os.WriteFile(bad, []byte("GGUF is not all it takes"), 0o666); err != nil {
		t.Fatal(err)
	}
	synth := []string{"eval", "abr", "--policy", "bba", "--video", "synth1"}
	for _, c := range []struct {
		name string
		args []string
		code int
		want string // in the line
	}{
		{"no command", nil, 2, "a command is needed"},
		{"unknown command", []string{"evaluate"}, 2, `unknown command "evaluate"`},
		{"no task", []string{"eval"}, 2, "a command is needed: abr"},
		{"unknown task", []string{"eval", "xyz"}, 2, `unknown command "xyz"`},
		{"unknown flag", []string{"env", "--colour"}, 2, "unknown flag: --colour"},
		{"argument", []string{"env", "please"}, 2, `unexpected argument "please"`},
		{"flag without value", []string{"eval", "abr", "--policy"}, 2, "flag needs an argument: --policy"},
		{"number", []string{"eval", "abr", "--seed", "x"}, 2, "--seed"},

		{"no policy", []string{"eval", "abr"}, 2, "--policy is needed"},
		{"unknown policy", []string{"eval", "abr", "--policy", "bba,abb"}, 2, `unknown policy "abb"`},
		{"policy twice", []string{"eval", "abr", "--policy", "bba,bba"}, 2, `"bba" is given twice`},
		{"no adapter", []string{"eval", "abr", "--policy", "netllm", "--video", "synth1", "--traces", "synth"}, 2, "needs --adapter"},
		{"idle adapter", append(synth, "--traces", "synth", "--adapter", folder), 2, "not asked for"},
		{"unknown setting", append(synth, "--setting", "seen"), 2, `--setting "seen": want default`},
		{"unknown start", append(synth, "--traces", "synth", "--start", "end"), 2, `unknown start rule "end"`},
		{"start without rows", append(synth, "--traces", "synth", "--start", "index"), 1, "comes without start rows"},
		{"no data", []string{"eval", "abr", "--policy", "bba"}, 1, "name their folder with --data or NETLLM_DATA"},
		{"missing data", []string{"eval", "abr", "--policy", "bba", "--data", missing}, 1, "missing"},
		{"data is a file", []string{"eval", "abr", "--policy", "bba", "--data", bad}, 1, "not a folder"},
		{"no video there", []string{"eval", "abr", "--policy", "bba", "--data", folder}, 1, "video_size_0"},
		{"synth key", append(synth, "--traces", "synth:size=3"), 2, `unknown key "size"`},
		{"synth values", append(synth, "--traces", "synth:n=0,T=0"), 2, "n = 0, at least 1; T = 0"},
		{"synth colon", append(synth, "--traces", "synth:"), 2, "nothing after the colon"},
		{"no traces", append(synth, "--traces", folder), 1, "--traces " + folder},
		{"missing classes", append(synth, "--traces", "synth", "--classes", missing), 1, "--classes"},
		{"vulkan", append(synth, "--traces", "synth", "--device", "vulkan", "--no-repack"), 2, "--no-repack is for the CPU"},
		{"second vulkan", append(synth, "--traces", "synth", "--device", "vulkan:99"), 1, "--device vulkan:99: "},
		{"vulkan number", append(synth, "--traces", "synth", "--device", "vulkan:x"), 2, `"x" is not the number of a device`},
		{"unknown device", append(synth, "--traces", "synth", "--device", "gpu"), 2, "want cpu, vulkan[:N] or auto"},
		{"threads", append(synth, "--traces", "synth", "--threads", "-1"), 2, "--threads -1"},

		{"collect without out", []string{"collect", "abr", "--policy", "bba"}, 2, "--out is needed"},
		{"episodes", []string{"collect", "abr", "--policy", "bba", "--out", missing, "--episodes", "-1"}, 2, "--episodes -1"},
		{"adapt without out", []string{"adapt", "abr", "--recipe", "offline"}, 2, "--out is needed"},
		{"recipe", []string{"adapt", "abr", "--out", missing, "--recipe", "good"}, 2, `--recipe "good": want paper or offline or replay or best`},
		{"epochs", []string{"adapt", "abr", "--out", missing, "--epochs", "-1"}, 2, "--epochs -1"},
		{"quickstart traces", []string{"quickstart", "--test-traces", "0"}, 2, "--test-traces 0"},
		{"quickstart recipe", []string{"quickstart", "--recipe", "good"}, 2, `--recipe "good"`},
		{"missing text", []string{"pretrain", "--text", missing, "--out", missing}, 1, "missing"},
		{"learning rate", []string{"pretrain", "--text", folder, "--out", missing, "--lr", "0"}, 2, "learning rate is 0"},

		{"report of nothing", []string{"report"}, 2, "a run is needed"},
		{"report of a missing run", []string{"report", missing}, 1, "missing"},
		{"report of an empty folder", []string{"report", folder}, 1, "no JSON file in this folder"},
		{"report of what is no JSON", []string{"report", bad}, 1, "bad.gguf: not JSON"},
		{"figures of no format", []string{"report", bad, "--figures", folder, "--figures-format", "gif"}, 2, `--figures-format "gif": want svg, png, pdf`},
		{"a format of no figures", []string{"report", bad, "--figures-format", "png"}, 2, "needs --figures"},

		{"quantile", append(synth, "--traces", "synth", "--target-quantile", "2"), 2, "--target-quantile 2"},
		{"no tokens", []string{"logits", "--model", bad}, 2, "--tokens is needed"},
		{"bad tokens", []string{"logits", "--model", bad, "--tokens", "1,,2"}, 2, `"" is not a token id`},
		{"negative token", []string{"logits", "--model", bad, "--tokens", "-1"}, 2, `"-1" is not a token id`},
		{"top", []string{"logits", "--model", bad, "--tokens", "1", "--top", "0"}, 2, "--top 0"},
		{"missing model", []string{"logits", "--model", missing, "--tokens", "1"}, 1, "missing"},
		{"bad model", []string{"logits", "--model", bad, "--tokens", "1"}, 1, "bad.gguf"},
		{"empty folder", []string{"logits", "--model", folder, "--tokens", "1"}, 1, "config.json"},
		{"no prompt", []string{"generate", "--model", bad}, 2, "--tokens or --prompt is needed"},
		{"two prompts", []string{"generate", "--model", bad, "--tokens", "1", "--prompt", "x"}, 2, "exclude each other"},
		{"nothing to generate", []string{"generate", "--model", bad, "--tokens", "1", "-n", "0"}, 2, "-n 0"},
		{"cold", []string{"generate", "--model", bad, "--tokens", "1", "--temp", "-1"}, 2, "temperature is -1"},
		{"NaN", []string{"generate", "--model", bad, "--tokens", "1", "--temp", "NaN"}, 2, "temperature is NaN"},
		{"stop", []string{"generate", "--model", bad, "--tokens", "1", "--stop", "x"}, 2, "--stop"},
		{"stop tokens", []string{"generate", "--model", bad, "--tokens", "1", "--stop-tokens", "x"}, 2, "--stop-tokens"},
		{"an empty stop", []string{"generate", "--prompt", "a", "--stop", ""}, 2, "--stop"},
		{"top p", []string{"generate", "--model", bad, "--tokens", "1", "--temp", "1", "--top-p", "1.5"}, 2, "top-p is 1.5"},
		{"top k", []string{"generate", "--model", bad, "--tokens", "1", "--temp", "1", "--top-k", "-1"}, 2, "top-k is -1"},
		{"top without a draw", []string{"generate", "--model", bad, "--tokens", "1", "--top-k", "3"}, 2, "--temp is needed"},
		{"a plan for too many tokens", []string{"plan", "--tokens", "100000"}, 1, "the model takes"},
		{"a plan for no batch", []string{"plan", "--batch", "0"}, 2, "--batch 0"},
		{"a plan with targets alone", []string{"plan", "--targets", "q_proj"}, 2, "--rank is needed"},
		{"a plan for a layer that is not there", []string{"plan", "--rank", "2", "--targets", "none"}, 1, "none"},
		{"a plan for a bad file", []string{"plan", "--model", bad}, 1, bad},
	} {
		t.Run(c.name, func(t *testing.T) { badLine(t, c.code, c.want, c.args...) })
	}
}

// badLine runs the program and wants it to fail with the exit code, and to
// print nothing but one line that has want.
func badLine(t *testing.T, wantCode int, want string, args ...string) {
	t.Helper()
	code, stdout, stderr := command(t, args...)
	if code != wantCode {
		t.Errorf("exit code: got %d, want %d", code, wantCode)
	}
	if stdout != "" {
		t.Errorf("stdout: got %q, want nothing", stdout)
	}
	if strings.Count(stderr, "\n") != 1 || !strings.HasSuffix(stderr, "\n") || !strings.HasPrefix(stderr, "netllm") || !strings.Contains(stderr, want) {
		t.Errorf("stderr: got %q, want one line that begins with the command and has %q", stderr, want)
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "out.json")
	args := []string{"eval", "abr", "--policy", "bba", "--video", "synth1", "--traces", "synth:n=2", "--json", path}
	succeed(t, args...)
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := command(t, args...); code != 1 || !strings.Contains(stderr, "--force") {
		t.Errorf("second time: got exit code %d and %q, want 1 and a word about --force", code, stderr)
	}
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, first) {
		t.Errorf("the file has changed (%v)", err)
	}
	succeed(t, append(args, "--force", "--seed", "5")...)
	if now, err := os.ReadFile(path); err != nil || bytes.Equal(now, first) {
		t.Errorf("with --force: the file has not changed (%v)", err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("files: got %v (%v), want out.json alone", entries, err)
	}
}

func TestInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	path := filepath.Join(t.TempDir(), "out.json")
	code, _, stderr := commandIn(ctx, "eval", "abr", "--policy", "mpc", "--video", "synth1", "--traces", "synth", "--json", path)
	if code != 1 || !strings.Contains(stderr, "netllm eval abr: interrupted\n") {
		t.Errorf("got exit code %d and %q, want 1 and a line that says so", code, stderr)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("there is a result all the same")
	}
}

func TestEnv(t *testing.T) {
	stdout, _ := succeed(t, "env", "--json")
	var e environment
	decode(t, stdout, &e)
	if e.CPU.Level == "" || e.CPU.Threads < 1 || len(e.CPU.Levels) == 0 || e.CPU.L2 <= 0 || e.Go == "" || e.NETLLMCPU != "ok" && os.Getenv("NETLLM_CPU") == "" {
		t.Errorf("got %+v", e)
	}
	if e.Embedded != embedded.Name {
		t.Errorf("embedded model: got %q, want %q", e.Embedded, embedded.Name)
	}
	if len(e.Devices) < 2 || !e.Devices[0].Ready || e.Devices[1].Ready != (e.Devices[1].Why == "") || e.Devices[1].Ready != (e.Devices[1].Name != "") {
		t.Errorf("devices: got %+v, want the CPU, and Vulkan's, or the reason why there are none", e.Devices)
	}
	text, _ := succeed(t, "env")
	for _, want := range []string{"kernels", e.CPU.Level, "caches", "device vulkan"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
}

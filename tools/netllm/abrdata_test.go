package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gold "netllm/internal/golden"
	"netllm/netllm"
	"netllm/netllm/abr"
)

// traceText is a trace with a row per bandwidth, 1 s apart.
func traceText(mbps ...float64) string {
	var text strings.Builder
	for i, v := range mbps {
		fmt.Fprintf(&text, "%d\t%v\n", i, v)
	}
	return text.String()
}

func TestExcludeOverlap(t *testing.T) {
	dir := t.TempDir()
	train, test := filepath.Join(dir, "train"), filepath.Join(dir, "test")
	put(t, filepath.Join(test, "t1"), traceText(1, 2, 3, 4))
	put(t, filepath.Join(test, "t2"), traceText(9, 8, 7, 6, 5, 6, 7))
	put(t, filepath.Join(train, "another"), traceText(1, 2, 4, 3, 9))
	put(t, filepath.Join(train, "copy"), traceText(1, 2, 3, 4))
	put(t, filepath.Join(train, "cut from a test trace"), traceText(7, 6, 5))
	put(t, filepath.Join(train, "held by a test trace's whole"), traceText(5, 1, 2, 3, 4, 5))
	put(t, filepath.Join(train, "same numbers, later times"), "1\t1\n2\t2\n3\t3\n4\t4\n")
	pool := filepath.Join(dir, "pool")
	args := []string{"collect", "abr", "--policy", "bba", "--video", "synth1", "--traces", train, "--out", pool, "--json"}
	stdout, stderr := succeed(t, append(args, "--exclude-overlap", test)...)
	if want := "left out 3 of 5 traces of " + train + ", which overlap " + test; !strings.Contains(stderr, want) {
		t.Errorf("got %q, want %q", stderr, want)
	}
	var r collectResult
	decode(t, stdout, &r)
	p, err := netllm.ReadPool(pool, "abr")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"copy", "cut from a test trace", "held by a test trace's whole"}
	if !slices.Equal(p.Meta.LeftOut, want) || !slices.Equal(r.LeftOut, want) || len(p.Episodes())-1 != 2 {
		t.Errorf("got %q and %q, %d episodes, want %q and 2", p.Meta.LeftOut, r.LeftOut, len(p.Episodes())-1, want)
	}
	if got := p.Meta.Data["exclude-overlap:"+test]; got != folderSum(t, test) {
		t.Errorf("hash of the excluded set: got %q", got)
	}

	badLine(t, 1, "no trace of "+train+" is left, all 5 overlap it", append(args, "--force", "--exclude-overlap", train)...)
	badLine(t, 1, "--exclude-overlap fcc-test: no data", append(args, "--force", "--exclude-overlap", "fcc-test")...)
	badLine(t, 1, "nowhere", append(args, "--force", "--exclude-overlap", "nowhere")...)
	badLine(t, 2, "--exclude-overlap synth:x", append(args, "--force", "--exclude-overlap", "synth:x")...)
}

// TestExcludeOverlapData wants what a count by another program gives for the
// test traces that are there, and that none of them is known to what is left.
func TestExcludeOverlapData(t *testing.T) {
	dir := gold.Data(t, ".")
	train, err := abr.OpenTraces(dir, "fcc-train")
	if err != nil {
		t.Fatal(err)
	}
	test, err := abr.OpenTraces(dir, "fcc-test")
	if err != nil {
		t.Fatal(err)
	}
	kept, leftOut := withoutOverlap(train.Traces, test.Traces)
	if len(kept) != 179 || len(leftOut) != 56 {
		t.Errorf("got %d kept, %d left out, want 179 and 56", len(kept), len(leftOut))
	}
	for name, class := range overlapClasses(test.Traces, kept) {
		if class != classUnseen {
			t.Errorf("%s is still a %s", name, class)
		}
	}
	gold.Cases(t, 1)
}

// TestContainsRun compares with looking everywhere.
func TestContainsRun(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	draw := func(n int) []float64 {
		v := make([]float64, n)
		for i := range v {
			v[i] = float64(rng.IntN(2))
		}
		return v
	}
	found := 0
	for range 3000 {
		all, part := draw(rng.IntN(20)), draw(1+rng.IntN(6))
		want := false
		for i := 0; i+len(part) <= len(all); i++ {
			want = want || slices.Equal(all[i:i+len(part)], part)
		}
		if got := containsRun(all, part); got != want {
			t.Fatalf("%v in %v: got %v, want %v", part, all, got, want)
		}
		if want {
			found++
		}
	}
	if found < 500 || found > 2500 {
		t.Errorf("%d of 3000 are found: nothing is tested", found)
	}
}

// TestVideoFile plays a video of one file, and wants what is estimated to be told.
func TestVideoFile(t *testing.T) {
	dir := t.TempDir()
	var text strings.Builder
	text.WriteString(`<MPD mediaPresentationDuration="PT192S"><Period><AdaptationSet contentType="video"><SegmentTemplate duration="4"/>`)
	for _, kbps := range abr.BitratesKbps {
		fmt.Fprintf(&text, `<Representation id="v%d" bandwidth="%d"/>`, kbps, kbps*1000)
	}
	text.WriteString(`</AdaptationSet></Period></MPD>`)
	video := filepath.Join(dir, "own.mpd")
	put(t, video, text.String())
	traces := filepath.Join(dir, "traces")
	put(t, filepath.Join(traces, "a.mahi"), "5\n10\n12\n1000\n")
	put(t, filepath.Join(traces, "b"), traceText(1, 2, 3))

	_, stderr := succeed(t, "eval", "abr", "--policy", "bba,mpc", "--video", video, "--traces", traces)
	for _, want := range []string{"note: video own: ", "are taken to weigh bandwidth times duration", "chunk 49, which only MPC looks at"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("got %q, want %q", stderr, want)
		}
	}
	pool := filepath.Join(dir, "pool")
	succeed(t, "collect", "abr", "--policy", "bba", "--video", video, "--traces", traces, "--out", pool)
	p, err := netllm.ReadPool(pool, "abr")
	if err != nil {
		t.Fatal(err)
	}
	sum, err := hashFile(os.DirFS(dir), "own.mpd")
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Meta.Data["video:"+video]; got != sum {
		t.Errorf("hash of the video: got %q, want %q", got, sum)
	}

	put(t, video, strings.Replace(text.String(), "PT192S", "PT60S", 1))
	badLine(t, 1, video+`: representation "v300": 15 chunks, the simulator plays videos of 48`, "eval", "abr", "--policy", "bba", "--video", video, "--traces", traces)
	put(t, filepath.Join(traces, "c"), traceText(5, 0, 0))
	badLine(t, 1, filepath.Join(traces, "c")+": carries 0 bytes", "eval", "abr", "--policy", "bba", "--video", "synth1", "--traces", traces)
}

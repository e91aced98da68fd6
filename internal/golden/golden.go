// Package golden finds the data sets and golden files that tests read but
// the repository does not hold.
//
// Tests look under ${NETLLM_DATA} and ${NETLLM_SPEC}, or under ../shared/data
// and ../shared/spec beside the repository. A test whose file is missing skips
// and says so; with NETLLM_REQUIRE_DATA=1 it fails instead, so that a
// continuous-integration run cannot pass by skipping.
package golden

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// Data returns the path of a file or folder of the data sets, for example
// Data(t, "abr/traces/fcc-test"). It skips or fails t when it is missing.
func Data(t testing.TB, rel string) string {
	t.Helper()
	return find(t, "NETLLM_DATA", "data", rel)
}

// Spec returns the path of a golden file, for example
// Spec(t, "abr_golden.json"). It skips or fails t when it is missing.
func Spec(t testing.TB, rel string) string {
	t.Helper()
	return find(t, "NETLLM_SPEC", "spec", rel)
}

// Cases reports that t compared n golden cases. The line it logs is what
// `go test -v` output is counted by.
func Cases(t testing.TB, n int) {
	t.Helper()
	if n <= 0 {
		t.Errorf("golden: Cases: %d cases compared", n)
	}
	t.Logf("golden cases: %d", n)
}

func find(t testing.TB, env, folder, rel string) string {
	t.Helper()
	dir := os.Getenv(env)
	if dir == "" {
		dir = filepath.Join(root(), "..", "shared", folder)
	}
	path := filepath.Join(dir, filepath.FromSlash(rel))
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("NETLLM_REQUIRE_DATA") == "1" {
			t.Fatalf("required data is missing: %v (set %s)", err, env)
		}
		t.Skipf("skip: no data: %v (set %s)", err, env)
	}
	return path
}

// root is the repository's root: two folders above this source file.
func root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

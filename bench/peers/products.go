// The machine's limits, and f32 products beside OpenBLAS.

package main

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"netllm/bench/internal/document"
)

// measureLimits runs limits.c.
func (r *run) measureLimits() error {
	binary, err := compile(r.dir, filepath.Join(r.peers, "limits.c"), "-march=native", "-pthread")
	if err != nil {
		return err
	}
	progress("limits")
	out, err := exec.Command(binary).Output()
	if err != nil {
		return fmt.Errorf("limits: %w", err)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(out, &fields); err != nil {
		return fmt.Errorf("limits: %w", err)
	}
	r.limits = map[string]limit{}
	for name, raw := range fields {
		var v limit
		if json.Unmarshal(raw, &v) == nil && v.Median > 0 { // the others are numbers and texts
			r.limits[name] = v
		}
	}
	return nil
}

// limit is a rate that limits.c measured many times.
type limit struct{ Best, Median float64 }

// peak returns the measured GFLOP/s of multiply-adds of the given level.
func (r *run) peak(level string, threads int) float64 {
	return r.limits[fmt.Sprintf("f32_fma_%s_Gops_%dt", level, threads)].Median
}

// bandwidth returns the measured GB/s of reading memory.
func (r *run) bandwidth(threads int) float64 {
	return r.limits[fmt.Sprintf("read_GBps_DRAM_%dt", threads)].Median
}

func limitsSection(r *run) (string, error) {
	if len(r.limits) == 0 { // main has said why
		return "", fmt.Errorf("%w: limits.c or what it needs", errMissing)
	}
	t := document.NewTable("limit", "1 thread, median (best)", "2 threads, median (best)")
	for _, l := range []struct{ title, key string }{
		{"f32 multiply-adds, AVX-512, GFLOP/s", "f32_fma_avx512_Gops"},
		{"f32 multiply-adds, AVX2, GFLOP/s", "f32_fma_avx2_Gops"},
		{"int8 dot products (VNNI), Gop/s", "int8_vnni_avx512_Gops"},
		{"BF16 dot products, GFLOP/s", "bf16_dp_avx512_Gops"},
		{"reading L1, GB/s", "read_GBps_L1_16K"},
		{"reading L2, GB/s", "read_GBps_L2_512K"},
		{"reading L3, GB/s", "read_GBps_L3_6M"},
		{"reading memory, GB/s", "read_GBps_DRAM"},
	} {
		cells := []string{l.title}
		for threads := 1; threads <= 2; threads++ {
			v, ok := r.limits[fmt.Sprintf("%s_%dt", l.key, threads)]
			if !ok {
				cells = append(cells, "–")
				continue
			}
			cells = append(cells, fmt.Sprintf("%s (%s)", document.Number(v.Median), document.Number(v.Best)))
		}
		t.Add(cells...)
	}
	return t.String(), nil
}

//go:embed blas/blas.c
var blasSource string

// blas starts OpenBLAS; core is a value of OPENBLAS_CORETYPE, or empty.
func (r *run) blas(threads int, core string) (*process, error) {
	source := filepath.Join(r.dir, "netllm_blas.c")
	if old, err := os.ReadFile(source); err != nil || string(old) != blasSource {
		if err := errors.Join(os.MkdirAll(r.dir, 0o755), os.WriteFile(source, []byte(blasSource), 0o644)); err != nil {
			return nil, err
		}
	}
	binary, err := compile(r.dir, source, "-lopenblas")
	if err != nil {
		return nil, err
	}
	var env []string
	if core != "" {
		env = append(env, "OPENBLAS_CORETYPE="+core)
	}
	return startProcess(env, binary, fmt.Sprint(threads))
}

// bestCore sets r.core: OpenBLAS does not know every processor with AVX-512, and then
// runs kernels of an older one. Both choices are tried.
func (r *run) bestCore() error {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil || !strings.Contains(string(info), "avx512f") || r.core != "" {
		return nil
	}
	rate := map[string]float64{}
	for range 3 {
		for _, core := range []string{"", "SkylakeX"} {
			p, err := r.blas(1, core)
			if err != nil {
				return err
			}
			_, err = p.ask("start nn 1024 1024 1024")
			if err == nil {
				var b burst
				if b, err = p.run(0.1, 3); err == nil {
					rate[core] = max(rate[core], 1/b.median)
				}
			}
			p.close()
			if err != nil {
				return err
			}
		}
	}
	if rate["SkylakeX"] > 1.02*rate[""] {
		r.core = "SkylakeX"
		progress("OpenBLAS is %.2f times as fast with OPENBLAS_CORETYPE=SkylakeX, which is used", rate["SkylakeX"]/rate[""])
	}
	return nil
}

// product is a case of the tables.
type product struct {
	kind    string // nn, nt or prepared
	m, n, k int
}

func (p product) name() string { return fmt.Sprintf("%s,m=%d,n=%d,k=%d", p.kind, p.m, p.n, p.k) }

func (p product) gflop() float64 { return 2 * float64(p.m) * float64(p.n) * float64(p.k) / 1e9 }

// quiet is the pause before a burst: threads of OpenBLAS go on spinning for some 30
// milliseconds after their last product, on processors that the next side needs.
const quiet = 100 * time.Millisecond

// compareProduct measures p on both sides, in GFLOP/s.
func (r *run) compareProduct(p product, ours, peer *process) (comparison, error) {
	if _, err := ours.ask("start %s %d %d %d", p.kind, p.m, p.n, p.k); err != nil {
		return comparison{}, err
	}
	kinds := []string{"nt"}
	switch {
	case p.kind == "nn":
		kinds = []string{"nn"}
	case p.m == 1: // both are tried in every round, the better one counts
		kinds = []string{"nt", "gemv"}
	}
	running := ""
	c, err := compare(r.rounds, func() (float64, error) {
		time.Sleep(quiet)
		b, err := ours.run(r.burst, 1)
		return p.gflop() / b.median, err
	}, func() (float64, error) {
		best := 0.0
		for _, kind := range kinds {
			if kind != running {
				if _, err := peer.ask("start %s %d %d %d", kind, p.m, p.n, p.k); err != nil {
					return 0, err
				}
				running = kind
			}
			time.Sleep(quiet)
			b, err := peer.run(r.burst, 1)
			if err != nil {
				return 0, err
			}
			best = max(best, p.gflop()/b.median)
		}
		return best, nil
	})
	if err == nil {
		progress("%s: %s beside %s GFLOP/s, %.2f", p.name(), document.Number(c.ours), document.Number(c.peer), c.ratio)
	}
	return c, err
}

// productTable compares the cases at every number of threads. limit returns the rate
// that a case is bound by.
func (r *run) productTable(cases []product, level string, env []string, core string) (string, error) {
	t := document.NewTable("threads", "product", "netllm GFLOP/s", "OpenBLAS GFLOP/s", "ratio (of rounds)", "of the limit")
	means := document.NewTable("threads", "products", "geometric mean of ratios", "smallest")
	for _, threads := range r.threads {
		ours, err := project(threads, false, env...)
		if err != nil {
			return "", err
		}
		defer ours.close()
		peer, err := r.blas(threads, core)
		if err != nil {
			return "", err
		}
		defer peer.close()
		ratios := map[string][]float64{}
		for _, p := range cases {
			if !r.want(p.name()) {
				continue
			}
			c, err := r.compareProduct(p, ours, peer)
			if err != nil {
				return "", err
			}
			ratios[p.kind] = append(ratios[p.kind], c.ratio)
			// It takes at least as long as the arithmetic, and as reading
			// the weights from memory.
			limit := r.peak(level, threads)
			if reads := r.bandwidth(threads) * 1e9 / (4 * float64(p.n) * float64(p.k)); p.kind != "nn" && reads > 0 {
				limit = min(limit, reads*p.gflop())
			}
			t.Add(fmt.Sprint(threads), title(p), document.Number(c.ours), document.Number(c.peer), ratio(c), document.Share(c.ours, limit))
		}
		for _, kind := range []string{"nn", "prepared", "nt"} {
			if v := ratios[kind]; len(v) > 0 {
				low := v[0]
				for _, x := range v {
					low = min(low, x)
				}
				means.Add(fmt.Sprint(threads), kindTitles[kind], fmt.Sprintf("**%.2f**", geomean(v)), fmt.Sprintf("%.2f", low))
			}
		}
	}
	if core == "" {
		core = "its own choice"
	}
	return means.String() + "\n" + t.String() + fmt.Sprintf("\nOpenBLAS kernels: %s.", core), nil
}

var kindTitles = map[string]string{"nn": "squares", "prepared": "x·Wᵀ, prepared", "nt": "x·Wᵀ, as they are"}

func title(p product) string {
	if p.kind == "nn" {
		return fmt.Sprintf("%d³", p.n)
	}
	return fmt.Sprintf("M = %d, (N, K) = (%d, %d), %s", p.m, p.n, p.k, map[string]string{"prepared": "prepared", "nt": "as they are"}[p.kind])
}

func squares() (list []product) {
	for n := 256; n <= 4096; n *= 2 {
		list = append(list, product{"nn", n, n, n})
	}
	return list
}

func layers(kinds ...string) (list []product) {
	for _, kind := range kinds {
		for _, m := range []int{1, 8, 64, 512} {
			for _, nk := range [][2]int{{4096, 4096}, {11008, 4096}, {4096, 11008}} {
				list = append(list, product{kind, m, nk[0], nk[1]})
			}
		}
	}
	return list
}

func squaresSection(r *run) (string, error) {
	if err := r.bestCore(); err != nil {
		return "", err
	}
	return r.productTable(squares(), "avx512", nil, r.core)
}

func layersSection(r *run) (string, error) {
	if err := r.bestCore(); err != nil {
		return "", err
	}
	return r.productTable(layers("prepared", "nt"), "avx512", nil, r.core)
}

func avx2Section(r *run) (string, error) {
	return r.productTable(append(squares(), layers("prepared")...), "avx2", []string{"NETLLM_CPU=avx2"}, "Haswell")
}

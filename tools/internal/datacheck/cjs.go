// Cluster job scheduling: cjs/tpch_SIZE.json.gz and the weights of Decima.

package datacheck

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"netllm/netllm/cjs"
)

// tpchQueries is the number of queries of TPC-H.
const tpchQueries = 22

func findCJS(c *check, dir string) {
	part := c.part("cjs", "tpch")
	var sizes []string
	stages := 0
	decima := false
	for _, e := range c.list(part, dir) {
		path := filepath.Join(dir, e.Name())
		size, ok := strings.CutPrefix(e.Name(), "tpch_")
		if ok {
			size, ok = strings.CutSuffix(size, ".json.gz")
		}
		switch {
		case e.Name() == "decima.safetensors":
			decima = true
			findDecima(c, path)
			continue
		case !ok:
			if e.Name() != "README.md" {
				c.note("cjs: %s is passed over", e.Name())
			}
			continue
		}
		c.report.Parts[part].Files++
		c.later(1, func() {
			if !c.regular(part, path) {
				return
			}
			data, err := os.ReadFile(path)
			if err != nil {
				c.fault(part, path, plain(err))
				return
			}
			named, queries, err := cjs.ParseProfile(data)
			switch {
			case err != nil:
				c.fault(part, path, err)
				return
			case named != size:
				c.fault(part, path, fmt.Errorf("size %q in it", named))
				return
			}
			sizes = append(sizes, size)
			c.report.Parts[part].Rows += len(queries)
			for _, q := range queries {
				stages += len(q.Stages)
			}
			if len(queries) < tpchQueries {
				c.note("cjs %s: %d of %d queries", size, len(queries), tpchQueries)
			}
		})
	}
	if c.report.Parts[part].Files == 0 {
		c.fault(part, dir, errors.New("no file tpch_*.json.gz in it"))
	}
	if !decima {
		c.note("cjs: no decima.safetensors")
	}
	c.later(0, func() {
		slices.Sort(sizes)
		c.report.Parts[part].Holds = fmt.Sprintf("%s, %s", counted(len(sizes), "size"), counted(stages, "stage"))
	})
}

// findDecima checks the weights of the published policy.
func findDecima(c *check, path string) {
	part := c.part("cjs", "decima")
	c.report.Parts[part].Files = 1
	c.later(1, func() {
		if !c.regular(part, path) {
			return
		}
		if _, err := cjs.ReadDecima(path); err != nil {
			c.fault(part, path, err)
			return
		}
		c.report.Parts[part].Holds = "weights"
	})
}

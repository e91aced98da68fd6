// Evaluations of several runs put together: one for each task and setting.

package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"netllm/internal/stats"
)

// runGroup is what several runs found of the same task on the same data.
type runGroup struct {
	key     string
	title   string
	eval    *evalResult // all policies of all runs
	entries []groupEntry
}

// groupEntry is a policy of a run.
type groupEntry struct {
	run *savedRun
	policyResult
}

// taskTitles are the names of tasks on pages.
var taskTitles = map[string]string{"abr": "Adaptive bitrate streaming", "vp": "Viewport prediction", "cjs": "Cluster job scheduling"}

// groupRuns puts together what was evaluated on the same items, in the order of
// tasks, settings and runs. versus is the policy that others are compared with,
// "" for the learned one or the first.
func groupRuns(runs []*savedRun, versus string) []*runGroup {
	var groups []*runGroup
	for _, r := range runs {
		for i, e := range r.evals {
			key := groupKey(e, fmt.Sprintf("%s\n%d", r.path, i))
			at := slices.IndexFunc(groups, func(g *runGroup) bool { return g.key == key })
			if at < 0 {
				at = len(groups)
				groups = append(groups, &runGroup{key: key, title: groupTitle(e, r.name), eval: &evalResult{Task: e.Task, Setting: e.Setting}})
			}
			groups[at].add(r, e)
		}
	}
	slices.SortStableFunc(groups, func(a, b *runGroup) int {
		if d := taskRank(a.eval.Task) - taskRank(b.eval.Task); d != 0 {
			return d
		}
		return settingRank(a.eval.Setting) - settingRank(b.eval.Setting)
	})
	titles := map[string]int{}
	for _, g := range groups {
		g.finish(versus)
		titles[g.title]++
		if n := titles[g.title]; n > 1 { // other items of the same setting
			g.title += fmt.Sprintf(", %d", n)
		}
	}
	return groups
}

func taskRank(task string) int { return slices.Index([]string{"vp", "abr", "cjs"}, task) }

func settingRank(setting string) int {
	if setting == customSetting {
		return 1
	}
	return 0 // settings in the order of the runs
}

// groupKey is the same for evaluations that can stand in one table. own is a key
// that no other evaluation has.
func groupKey(e *evalResult, own string) string {
	parts := []string{e.Task, e.Setting}
	if e.Setting == customSetting {
		if e.ABRRun == nil || e.Video == "" {
			return own // what was chosen is not known
		}
		parts = append(parts, e.Video, e.Traces, e.Start, strconv.Itoa(e.Starts))
		if e.Start == "random" {
			parts = append(parts, strconv.FormatUint(e.Seed, 10))
		}
	}
	for _, item := range e.Results[0].Items {
		parts = append(parts, item.ID)
	}
	return strings.Join(parts, "\n")
}

func groupTitle(e *evalResult, run string) string {
	title := taskTitles[e.Task]
	if title == "" {
		title = e.Task
	}
	switch {
	case e.Setting != customSetting:
		return title + ": " + e.Setting
	case e.ABRRun != nil && e.Video != "":
		title += fmt.Sprintf(": %s, %s", e.Video, e.Traces)
		if e.Starts > 0 {
			title += fmt.Sprintf(", %d starts each", e.Starts)
		}
		return title
	}
	return title + ": " + run
}

// add puts an evaluation of a run into the group.
func (g *runGroup) add(r *savedRun, e *evalResult) {
	for _, p := range e.Results {
		g.entries = append(g.entries, groupEntry{r, p})
	}
	if e.ABRRun == nil {
		return
	}
	if g.eval.ABRRun == nil {
		g.eval.ABRRun = &ABRRun{Video: e.Video, Traces: e.Traces, Start: e.Start, Starts: e.Starts, LeftOut: e.LeftOut, Classes: map[string]string{}}
	}
	for id, class := range e.Classes {
		g.eval.Classes[id] = class
	}
	for _, t := range e.Timelines {
		t.Players = slices.Clone(t.Players)
		for i := range t.Players {
			t.Players[i].run = r
		}
		g.eval.Timelines = append(g.eval.Timelines, t)
	}
}

// finish names the policies and computes what follows from their items.
func (g *runGroup) finish(versus string) {
	names := g.nameEntries()
	var policies []string
	for i, entry := range g.entries {
		if slices.Contains(policies, names[i]) { // the same numbers, in several runs
			continue
		}
		p := entry.policyResult
		p.Policy = names[i]
		p.CI95 = stats.MeanCI(itemValues(p.Items))
		policies, g.eval.Results = append(policies, p.Policy), append(g.eval.Results, p)
	}
	if g.eval.ABRRun == nil {
		g.eval.ABRRun = &ABRRun{}
	}
	for _, t := range g.eval.Timelines {
		for k := range t.Players {
			for i, entry := range g.entries {
				if entry.run == t.Players[k].run && entry.Policy == t.Players[k].Policy {
					t.Players[k].Policy = names[i]
					break
				}
			}
		}
	}
	if !slices.Contains(policies, versus) {
		if i := slices.IndexFunc(policies, func(name string) bool { return strings.HasPrefix(name, learnedPolicy) }); i >= 0 {
			versus = policies[i]
		} else {
			versus = policies[0]
		}
	}
	g.eval.Versus = versus
	var ids []string
	for _, item := range g.eval.Results[0].Items {
		ids = append(ids, item.ID)
	}
	classes := g.eval.Classes
	if !g.detailed() {
		classes = nil
	}
	g.eval.compare(classes, classNames(classes, ids))
}

// detailed says whether all policies have what eval abr says of sessions.
func (g *runGroup) detailed() bool {
	return !slices.ContainsFunc(g.entries, func(e groupEntry) bool {
		return e.ABRDetails == nil || !sameItems(e.Items, g.entries[0].Items)
	})
}

// nameEntries returns names for the policies: their own, with their run's where
// several runs have one that did not do the same.
func (g *runGroup) nameEntries() []string {
	names := make([]string, len(g.entries))
	taken := func(name string, i int) bool {
		for k, other := range g.entries[:i] {
			if names[k] == name && !slices.Equal(other.Items, g.entries[i].Items) {
				return true
			}
		}
		return false
	}
	for i, a := range g.entries {
		names[i] = a.Policy
		if slices.ContainsFunc(g.entries, func(b groupEntry) bool {
			return a.Policy == b.Policy && a.run != b.run && !slices.Equal(a.Items, b.Items)
		}) {
			names[i] = fmt.Sprintf("%s (%s)", a.Policy, a.run.name)
		}
		for n, base := 2, names[i]; taken(names[i], i); n++ { // once more in the same run
			names[i] = fmt.Sprintf("%s, %d", base, n)
		}
	}
	return names
}

// The JSON of the eval commands. Names and meaning of the fields are a
// contract: other programs read them.

package main

import "netllm/internal/stats"

// evalResult is what eval --json prints.
type evalResult struct {
	Task    string         `json:"task"`
	Setting string         `json:"setting"` // or "custom"
	Device  string         `json:"device"`  // really used
	CPU     string         `json:"cpu"`     // really used
	Seed    uint64         `json:"seed"`
	Threads int            `json:"threads"`
	Command string         `json:"command"`
	Results []policyResult `json:"results"` // in the order of --policy

	*ABRRun // in ABR
}

// ABRRun is what an ABR evaluation has beside the fields of all tasks.
type ABRRun struct {
	Video     string            `json:"video,omitempty"`
	Traces    string            `json:"traces,omitempty"`        // name of the set
	Start     string            `json:"start,omitempty"`         // rule that was asked for
	Versus    string            `json:"versus,omitempty"`        // the policy that others are compared with
	Starts    int               `json:"starts,omitempty"`        // random rows that each trace is played from
	LeftOut   []string          `json:"left_out,omitempty"`      // traces, by --only, --except and --only-class
	Classes   map[string]string `json:"trace_classes,omitempty"` // by trace
	Timelines []timeline        `json:"timelines,omitempty"`
}

// policyResult is a policy's score.
type policyResult struct {
	Policy  string          `json:"policy"`
	N       int             `json:"n"`      // what mean is over: traces in ABR, windows in VP, sequences in CJS, or the jobs of one
	Metric  string          `json:"metric"` // "qoe" in ABR, "mae_deg" in VP, "jct_s" in CJS
	Mean    float64         `json:"mean"`
	StdErr  float64         `json:"stderr"`         // sd/sqrt(n)
	CI95    *stats.Interval `json:"ci95,omitempty"` // in ABR: bootstrap interval of the mean
	Seconds float64         `json:"seconds"`
	Items   []itemValue     `json:"items"` // per trace in ABR, per video and user in VP, per sequence in CJS, or per job of one

	SeedMeans []float64 `json:"seed_means,omitempty"` // of policies that were played with several seeds
	SDSeeds   *float64  `json:"sd_seeds,omitempty"`   // standard deviation of SeedMeans, with n-1

	Paired []paired `json:"paired,omitempty"` // in ABR, of the policy that all others are compared with

	*ABRDetails // in ABR
	*Tails      // in VP and CJS
	*VPDetails  // in VP
	*CJSDetails // in CJS
}

type itemValue struct {
	ID    string  `json:"id"`
	Value float64 `json:"value"`
}

// Tails are quantiles: of windows' errors in VP, of jobs' completion times in CJS.
type Tails struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
}

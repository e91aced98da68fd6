// The JSON of the eval commands. Names and meaning of the fields are a
// contract: other programs read them.

package main

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
}

// policyResult is a policy's score.
type policyResult struct {
	Policy  string      `json:"policy"`
	N       int         `json:"n"`      // what mean is over: sessions in ABR, windows in VP, sequences in CJS, or the jobs of one
	Metric  string      `json:"metric"` // "qoe" in ABR, "mae_deg" in VP, "jct_s" in CJS
	Mean    float64     `json:"mean"`
	StdErr  float64     `json:"stderr"` // sd/sqrt(n)
	Seconds float64     `json:"seconds"`
	Items   []itemValue `json:"items"` // per trace in ABR, per video and user in VP, per sequence in CJS, or per job of one

	*ABRDetails // of the oracle in ABR
	*Tails      // in VP and CJS
	*VPDetails  // in VP
	*CJSDetails // in CJS
}

type itemValue struct {
	ID    string  `json:"id"`
	Value float64 `json:"value"`
}

// ABRDetails are what no choice of qualities exceeds. The oracle's own values are what some choices reach.
type ABRDetails struct {
	UpperBound  float64     `json:"upper_bound"`  // mean over the sessions
	UpperBounds []itemValue `json:"upper_bounds"` // per trace
}

// Tails are quantiles: of windows' errors in VP, of jobs' completion times in CJS.
type Tails struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
}

// What ABR sessions add up to: a value for each trace, means, and classes of
// traces.

package main

import (
	"netllm/internal/stats"
	"netllm/netllm/abr"
)

// ABRDetails is what an ABR result has beside the fields of all tasks. Items are
// traces: a trace's value is the mean over the sessions on it and over seeds.
type ABRDetails struct {
	Sessions  int        `json:"sessions"` // in all, of each seed
	Parts     ABRParts   `json:"parts"`
	ItemParts []ABRParts `json:"item_parts"` // of each item
	Classes   []abrClass `json:"classes,omitempty"`

	*ABRCeiling // of the oracle
}

// ABRParts is what QoE per chunk is made of: Mbps - 4.3 RebufferSec - SwitchMbps.
type ABRParts struct {
	Mbps        float64 `json:"bitrate_mbps"`
	RebufferSec float64 `json:"rebuffer_s"`  // per chunk
	SwitchMbps  float64 `json:"switch_mbps"` // per chunk
}

// rebufferPenalty is what a second of rebuffering costs, in QoE.
const rebufferPenalty = 4.3

// abrClass is the score on the traces of a class.
type abrClass struct {
	Class string `json:"class"`
	Spread
	Parts ABRParts `json:"parts"`

	UpperBound *float64 `json:"upper_bound,omitempty"` // of the oracle: the mean of what nobody exceeds
}

// abrJSON scores results of one session per trace.
func abrJSON(results []*abr.Result) []policyResult {
	var list []policyResult
	for _, r := range results {
		list = append(list, scoreABR([]*abr.Result{r}, r.N))
	}
	return list
}

// scoreABR scores what one policy did with one or several seeds. The sessions of
// each go round by round over the same traces.
func scoreABR(seeds []*abr.Result, traces int) policyResult {
	d := &ABRDetails{Sessions: seeds[0].N, ItemParts: make([]ABRParts, traces)}
	p := policyResult{Policy: seeds[0].Policy, N: traces, Metric: "qoe", Items: make([]itemValue, traces), ABRDetails: d}
	share := 1 / float64(len(seeds)*(seeds[0].N/traces))
	for _, r := range seeds {
		for i, s := range r.Sessions {
			item, parts := &p.Items[i%traces], &d.ItemParts[i%traces]
			item.ID = s.ID
			item.Value += s.MeanQoE * share
			parts.Mbps += s.MeanMbps * share
			parts.RebufferSec += s.MeanRebufferSec * share
			parts.SwitchMbps += s.MeanSwitchMbps * share
		}
		p.SeedMeans = append(p.SeedMeans, r.Mean)
		p.Seconds += r.Seconds
	}
	p.setSeeds()
	s := newSpread(itemValues(p.Items))
	p.Mean, p.StdErr, p.CI95 = s.Mean, s.StdErr, s.CI95
	d.Parts = meanParts(d.ItemParts)
	return p
}

// setSeeds says how means over seeds differ, if there are several.
func (p *policyResult) setSeeds() {
	if len(p.SeedMeans) < 2 {
		p.SeedMeans = nil
		return
	}
	_, sd := stats.MeanSD(p.SeedMeans)
	p.SDSeeds = &sd
}

func meanParts(list []ABRParts) (m ABRParts) {
	for _, p := range list {
		m.Mbps += p.Mbps / float64(len(list))
		m.RebufferSec += p.RebufferSec / float64(len(list))
		m.SwitchMbps += p.SwitchMbps / float64(len(list))
	}
	return m
}

// addClasses scores a policy on the traces of each class.
func (p *policyResult) addClasses(classes map[string]string, names []string) {
	for _, name := range names {
		var parts []ABRParts
		for i, item := range p.Items {
			if classes[item.ID] == name {
				parts = append(parts, p.ItemParts[i])
			}
		}
		c := abrClass{Class: name, Spread: newSpread(ofClass(p.Items, classes, name)), Parts: meanParts(parts)}
		if p.ABRCeiling != nil {
			top, _ := stats.MeanStdErr(ofClass(p.UpperBounds, classes, name))
			c.UpperBound = &top
		}
		p.Classes = append(p.Classes, c)
	}
}

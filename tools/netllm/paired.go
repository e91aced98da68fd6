// How sure a mean is, and how sure what one policy has more than another.

package main

import (
	"slices"

	"netllm/internal/stats"
)

// Spread is a mean of n values with how sure it is.
type Spread struct {
	N      int             `json:"n"`
	Mean   float64         `json:"mean"`
	StdErr float64         `json:"stderr"`
	CI95   *stats.Interval `json:"ci95,omitempty"` // none for less than two values
}

func newSpread(values []float64) Spread {
	s := Spread{N: len(values), CI95: stats.MeanCI(values)}
	s.Mean, s.StdErr = stats.MeanStdErr(values)
	return s
}

// paired is what a policy has more than another, item by item.
type paired struct {
	Versus string `json:"versus"`
	Spread
	Wins    int           `json:"wins"` // items on which it is better
	Classes []pairedClass `json:"classes,omitempty"`
}

type pairedClass struct {
	Class string `json:"class"`
	Spread
	Wins int `json:"wins"`
}

func itemValues(items []itemValue) []float64 {
	values := make([]float64, len(items))
	for i, item := range items {
		values[i] = item.Value
	}
	return values
}

// ofClass returns the values of the items of a class.
func ofClass(items []itemValue, classes map[string]string, name string) (values []float64) {
	for _, item := range items {
		if classes[item.ID] == name {
			values = append(values, item.Value)
		}
	}
	return values
}

// lowerIsBetter says so of a metric.
func lowerIsBetter(metric string) bool { return metric != "qoe" }

// addPaired compares a policy with all others on the same items, of which some
// may have classes.
func (p *policyResult) addPaired(all []policyResult, classes map[string]string, names []string) {
	for i := range all {
		other := &all[i]
		if other.Policy == p.Policy || !sameItems(p.Items, other.Items) {
			continue
		}
		difference := make([]itemValue, len(p.Items))
		for k, d := range stats.Differences(itemValues(p.Items), itemValues(other.Items)) {
			difference[k] = itemValue{p.Items[k].ID, d}
		}
		values := itemValues(difference)
		pair := paired{Versus: other.Policy, Spread: newSpread(values), Wins: wins(values, p.Metric)}
		for _, name := range names {
			values := ofClass(difference, classes, name)
			pair.Classes = append(pair.Classes, pairedClass{name, newSpread(values), wins(values, p.Metric)})
		}
		p.Paired = append(p.Paired, pair)
	}
}

// sameItems says whether two policies were scored on the same items.
func sameItems(a, b []itemValue) bool {
	return slices.EqualFunc(a, b, func(x, y itemValue) bool { return x.ID == y.ID })
}

// wins counts the differences that are for the better.
func wins(differences []float64, metric string) (n int) {
	for _, d := range differences {
		if d != 0 && d < 0 == lowerIsBetter(metric) {
			n++
		}
	}
	return n
}

// comparedPolicy is the one that all others are compared with: versus if it is
// named, else the learned one, else the first.
func comparedPolicy(policies []string, versus string) string {
	switch {
	case versus != "":
		return versus
	case slices.Contains(policies, learnedPolicy):
		return learnedPolicy
	}
	return policies[0]
}

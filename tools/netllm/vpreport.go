// The page that eval vp writes.

package main

import (
	"fmt"
	"strconv"

	"netllm/netllm/vp"
	"netllm/tools/internal/report"
)

func vpReport(data *vpFlags, set *vp.Dataset, e *evalResult, results []*vp.Result) (*report.Report, error) {
	steps := report.Panel{Label: "mean error, degrees"}
	var windows, users, videos []report.Group
	for i, r := range results {
		line := report.Line{Name: r.Policy, Series: i}
		for k, v := range r.Horizon {
			line.X, line.Y = append(line.X, vp.StepSec*float64(k+1)), append(line.Y, v)
		}
		steps.Lines = append(steps.Lines, line)
		windows = append(windows, report.Group{Name: r.Policy, Values: r.Windows})
		users = append(users, report.Group{Name: r.Policy, Values: groupMeans(r.Users)})
		videos = append(videos, report.Group{Name: r.Policy, Values: groupMeans(r.Videos)})
	}
	curve, err := report.Lines("Mean error of each row to come.", "seconds ahead", steps)
	if err != nil {
		return nil, err
	}
	shares, err := report.Distribution("Share of windows with at most that error; further left is better.", "degrees", windows)
	if err != nil {
		return nil, err
	}
	var boxes []report.Chart
	for _, c := range []struct {
		caption string
		groups  []report.Group
	}{{"Error of each window: median, quartiles, whiskers to 1.5 quartile distances.", windows}, {"Mean error of each user.", users}, {"Mean error of each video.", videos}} {
		chart, err := report.Boxes(c.caption, "degrees", c.groups)
		if err != nil {
			return nil, err
		}
		boxes = append(boxes, chart)
	}
	table := pageTable(vpTable(results), func(i int) bool { return results[i].Policy == learnedPolicy })
	w := data.windows
	return &report.Report{
		Title: "Viewport prediction",
		Lead: fmt.Sprintf("Where will viewers look in the next %.1f s, given the last %.1f s? %d questions about the %s part of %s.",
			vp.StepSec*float64(w.Horizon), vp.StepSec*float64(w.History), results[0].N, data.split, set.Name),
		Sections: []report.Section{
			{Title: "Results", Text: "The error is the mean over windows, rows and axes of the difference in degrees, the short way round. " +
				"Hold-last repeats the last position: a predictor is of use only where it is better.", Table: table},
			{Title: "Over time", Charts: []report.Chart{curve}},
			{Title: "Over windows", Charts: []report.Chart{boxes[0], shares}},
			{Title: "Over users and videos", Charts: boxes[1:]},
		},
		Facts: []report.Fact{
			{Name: "command", Value: e.Command},
			{Name: "windows", Value: fmt.Sprintf("history %d, horizon %d, stride %d, trimmed %d and %d rows", w.History, w.Horizon, w.Stride, w.TrimHead, w.TrimTail)},
			{Name: "seed", Value: strconv.FormatUint(e.Seed, 10)},
			{Name: "device", Value: fmt.Sprintf("%s; cpu %s, %d threads", e.Device, e.CPU, e.Threads)},
			versionsFact(),
		},
	}, nil
}

func groupMeans(groups []vp.Group) (values []float64) {
	for _, g := range groups {
		values = append(values, g.Mean)
	}
	return values
}

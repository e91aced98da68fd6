package report_test

import (
	"fmt"
	"strings"

	"netllm/tools/internal/report"
)

func ExampleReport() {
	boxes, err := report.Boxes("QoE per session", "QoE", []report.Group{{Name: "bba", Values: []float64{0.9, 1.1, 1.2}}, {Name: "mpc", Values: []float64{1.3, 1.5, 1.6}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	page := report.Report{
		Title:    "Two policies",
		Sections: []report.Section{{Title: "Results", Charts: []report.Chart{boxes}}},
		Facts:    []report.Fact{{Name: "command", Value: "netllm eval abr --policy bba,mpc"}},
	}
	var b strings.Builder
	if err := page.Write(&b); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(strings.Count(b.String(), "<figure"), strings.Contains(b.String(), "netllm eval abr"))
	// Output: 1 true
}

// Package report writes what a run did as one HTML file that needs nothing
// else: tables, charts as inline SVG, and the settings.
//
//	boxes, err := report.Boxes("QoE per session", "QoE", []report.Group{{"bba", a}, {"mpc", b}})
//	...
//	r := report.Report{Title: "Run", Sections: []report.Section{{Title: "Results", Charts: []report.Chart{boxes}}}}
//	err = r.Write(w)
//
// Kinds of charts: [Boxes], [Distribution], [Lines], [Bars], [Gantt]. Each is
// drawn for wide and for narrow screens, and [Chart.WriteFigure] writes it alone,
// for a paper.
//
// The page follows the reader's choice of dark or light. Charts are drawn by
// gonum/plot; their colours are names that the page's style sheet defines.
package report

// Package vp is viewport prediction: where will a viewer of a 360-degree video look in the
// next seconds, given where they have looked in the last ones?
//
// It holds the data sets and their splits, the windows that questions are cut from, the error
// that answers are scored by, the rule-based predictors, the recurrent network TRACK, and what a
// language model learns to answer with.
//
//   - [OpenDataset] finds a data set by the name of the command line; a [Split] is a set of
//     videos and a set of users, disjoint from those of other splits.
//   - [Windowing] cuts [Trace] values into [Window] values: rows seen, rows to be predicted.
//   - [Predictor] answers; [NewFactory] makes one by name.
//   - [Evaluate] scores a predictor: mean absolute error in degrees.
//
// A position is roll, pitch and yaw in degrees; rows are 0.2 s apart. Yaw wraps at 180
// degrees, and nothing but the error and this project's own recipe knows that: the published
// predictors see a jump. Repeating the last position is better than all published
// predictors, so no score means anything that does not stand beside that of "hold-last".
//
//	set, _ := vp.OpenDataset("data", "jin2022")
//	split, _ := set.Split("test")
//	traces, _ := set.Traces(split, true)
//	hold, _ := vp.NewFactory("hold-last")
//	result, _ := vp.Evaluate(ctx, hold, vp.DefaultWindowing().Windows(traces), vp.EvalOptions{})
//	fmt.Println(result.Mean, result.StdErr) // 9.40 degrees
package vp

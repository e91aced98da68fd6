// What the paper reports.

package experiment

import "strings"

// Sureness says how sure a number of the paper is.
type Sureness string

// The kinds of sources. The full text of the paper was not at hand when they were gathered.
const (
	Exact    Sureness = "E" // printed in the abstract, in the authors' instructions or on their slides
	Measured Sureness = "M" // read off the authors' figures, pixel by pixel
	Recalled Sureness = "R" // from memory of the paper: for orientation, not for a claim
)

// Unseen is the setting of figures that may be of any unseen setting.
const Unseen = "all unseen"

// SurenessText explains the letters on a page.
const SurenessText = "How sure the paper's numbers are: E is printed by its authors; M was read off their figures by pixels, " +
	"within about 0.1 degrees, 0.003 QoE and 0.15 s for bars and 0.1 degrees, 0.01 QoE and 0.5 s for boxes; R is recalled, for orientation only."

// Figure is a number of the paper, or several that belong together.
type Figure struct {
	Experiment string   `json:"experiment"` // as the experiments here are called
	Task       string   `json:"task"`
	Setting    string   `json:"setting"`
	System     string   `json:"system"` // policy, body or model
	Mean       float64  `json:"mean"`   // degrees, QoE or seconds
	Sure       Sureness `json:"sure"`

	Box *[3]float64 `json:"box,omitempty"` // quartiles and median between them

	Gain     float64  `json:"gain_percent,omitempty"` // of the paper's NetLLM against it
	GainSure Sureness `json:"gain_sure,omitempty"`
}

// Paper holds the numbers of Wu et al., "NetLLM: Adapting Large Language Models for Networking", SIGCOMM 2024,
// with Llama2-7B where nothing else is said. Systems are called as the policies here are.
var Paper = []Figure{
	{Experiment: "general", Task: "vp", Setting: "default", System: "lr", Mean: 18.9, Sure: Measured, Gain: 36.6, GainSure: Exact},
	{Experiment: "general", Task: "vp", Setting: "default", System: "velocity", Mean: 17.1, Sure: Measured, Gain: 29.7, GainSure: Measured},
	{Experiment: "general", Task: "vp", Setting: "default", System: "track", Mean: 13.3, Sure: Measured, Gain: 10.1, GainSure: Exact},
	{Experiment: "general", Task: "vp", Setting: "default", System: "netllm", Mean: 12.0, Sure: Measured},
	{Experiment: "general", Task: "abr", Setting: "default", System: "bba", Mean: 0.737, Sure: Measured, Gain: 36.6, GainSure: Exact},
	{Experiment: "general", Task: "abr", Setting: "default", System: "mpc", Mean: 0.846, Sure: Measured, Gain: 18.9, GainSure: Measured},
	{Experiment: "general", Task: "abr", Setting: "default", System: "genet", Mean: 0.880, Sure: Measured, Gain: 14.5, GainSure: Exact},
	{Experiment: "general", Task: "abr", Setting: "default", System: "netllm", Mean: 1.006, Sure: Measured},
	{Experiment: "general", Task: "cjs", Setting: "default", System: "fifo", Mean: 82.5, Sure: Measured, Gain: 41.3, GainSure: Exact},
	{Experiment: "general", Task: "cjs", Setting: "default", System: "fair", Mean: 58.6, Sure: Measured, Gain: 17.3, GainSure: Measured},
	{Experiment: "general", Task: "cjs", Setting: "default", System: "decima", Mean: 52.0, Sure: Measured, Gain: 6.8, GainSure: Exact},
	{Experiment: "general", Task: "cjs", Setting: "default", System: "netllm", Mean: 48.5, Sure: Measured},

	// One chart for each task, of which it is not said which of the three settings it shows, or a mixture: Unseen. That of
	// viewport prediction must be unseen1, where quartiles and means of lr and velocity are within 0.2 degrees of it.
	{Experiment: "generalization", Task: "vp", Setting: "unseen1", System: "lr", Mean: 22.0, Sure: Measured, Box: &[3]float64{7.1, 16.2, 33.8}},
	{Experiment: "generalization", Task: "vp", Setting: "unseen1", System: "velocity", Mean: 18.7, Sure: Measured, Box: &[3]float64{5.9, 13.8, 28.1}},
	{Experiment: "generalization", Task: "vp", Setting: "unseen1", System: "track", Mean: 14.24, Sure: Measured, Box: &[3]float64{5.2, 9.5, 19.4}, Gain: 1.1, GainSure: Measured},
	{Experiment: "generalization", Task: "vp", Setting: "unseen1", System: "netllm", Mean: 14.08, Sure: Measured, Box: &[3]float64{5.6, 9.5, 18.1}},
	{Experiment: "generalization", Task: "abr", Setting: Unseen, System: "bba", Mean: 0.57, Sure: Measured, Box: &[3]float64{0.10, 0.52, 1.05}},
	{Experiment: "generalization", Task: "abr", Setting: Unseen, System: "mpc", Mean: 0.70, Sure: Measured, Box: &[3]float64{0.36, 0.61, 1.10}, Gain: 18, GainSure: Measured},
	{Experiment: "generalization", Task: "abr", Setting: Unseen, System: "genet", Mean: 0.66, Sure: Measured, Box: &[3]float64{0.36, 0.60, 1.07}, Gain: 26, GainSure: Measured},
	{Experiment: "generalization", Task: "abr", Setting: Unseen, System: "netllm", Mean: 0.83, Sure: Measured, Box: &[3]float64{0.38, 0.67, 1.20}},
	{Experiment: "generalization", Task: "cjs", Setting: Unseen, System: "fifo", Mean: 155, Sure: Measured, Box: &[3]float64{70, 128, 216}},
	{Experiment: "generalization", Task: "cjs", Setting: Unseen, System: "fair", Mean: 110, Sure: Measured, Box: &[3]float64{38, 78, 150}},
	{Experiment: "generalization", Task: "cjs", Setting: Unseen, System: "decima", Mean: 97.4, Sure: Measured, Box: &[3]float64{35, 59, 123}, Gain: 7.1, GainSure: Measured},
	{Experiment: "generalization", Task: "cjs", Setting: Unseen, System: "netllm", Mean: 90.5, Sure: Measured, Box: &[3]float64{30, 56, 115}},

	{Experiment: "pretrained", Task: "vp", Setting: "default", System: "random", Mean: 17.4, Sure: Measured},
	{Experiment: "pretrained", Task: "vp", Setting: "default", System: "pretrained", Mean: 12.0, Sure: Measured},
	{Experiment: "pretrained", Task: "abr", Setting: "default", System: "random", Mean: 0.107, Sure: Measured},
	{Experiment: "pretrained", Task: "abr", Setting: "default", System: "pretrained", Mean: 1.007, Sure: Measured},
	{Experiment: "pretrained", Task: "cjs", Setting: "default", System: "random", Mean: 85.2, Sure: Measured},
	{Experiment: "pretrained", Task: "cjs", Setting: "default", System: "pretrained", Mean: 48.6, Sure: Measured},

	{Experiment: "llms", Task: "vp", Setting: "default", System: "OPT-7B", Mean: 13.16, Sure: Measured},
	{Experiment: "llms", Task: "vp", Setting: "default", System: "Mistral-7B", Mean: 13.22, Sure: Measured},
	{Experiment: "llms", Task: "vp", Setting: "default", System: "LLaVA-7B", Mean: 12.71, Sure: Measured},
	{Experiment: "llms", Task: "vp", Setting: "default", System: "Llama2-7B", Mean: 11.96, Sure: Measured},
	{Experiment: "llms", Task: "vp", Setting: "default", System: "track", Mean: 13.30, Sure: Measured},
	{Experiment: "llms", Task: "abr", Setting: "default", System: "OPT-7B", Mean: 0.931, Sure: Measured},
	{Experiment: "llms", Task: "abr", Setting: "default", System: "Mistral-7B", Mean: 0.989, Sure: Measured},
	{Experiment: "llms", Task: "abr", Setting: "default", System: "LLaVA-7B", Mean: 0.964, Sure: Measured},
	{Experiment: "llms", Task: "abr", Setting: "default", System: "Llama2-7B", Mean: 1.007, Sure: Measured},
	{Experiment: "llms", Task: "abr", Setting: "default", System: "genet", Mean: 0.878, Sure: Measured},

	// What adaptation costs. Settings say what is measured; the systems are both sides, or what one saves of the other.
	{Experiment: "cost", Task: "vp", Setting: "trainable share, percent", System: "LoRA", Mean: 0.31, Sure: Recalled},
	{Experiment: "cost", Task: "vp", Setting: "GPU memory saved, percent", System: "LoRA against full fine-tuning", Mean: 60.9, Sure: Recalled},
	{Experiment: "cost", Task: "vp", Setting: "training time saved, percent", System: "LoRA against full fine-tuning", Mean: 15.1, Sure: Recalled},
	{Experiment: "cost", Task: "vp", Setting: "training time, hours", System: "LoRA", Mean: 6.7, Sure: Recalled},
	{Experiment: "cost", Task: "vp", Setting: "training time, hours", System: "full fine-tuning", Mean: 7.9, Sure: Recalled},
	{Experiment: "cost", Task: "abr", Setting: "training time saved, percent, more than", System: "collecting once", Mean: 30, Sure: Exact},
	{Experiment: "cost", Task: "abr", Setting: "share of interaction in the time, percent", System: "collecting anew", Mean: 52, Sure: Recalled},
	{Experiment: "cost", Task: "cjs", Setting: "training time saved, percent, more than", System: "collecting once", Mean: 30, Sure: Exact},
	{Experiment: "cost", Task: "cjs", Setting: "share of interaction in the time, percent", System: "collecting anew", Mean: 39, Sure: Recalled},

	{Experiment: "latency", Task: "vp", Setting: "longest answer, seconds", System: "text", Mean: 3.84, Sure: Recalled},
	{Experiment: "latency", Task: "vp", Setting: "allowed, seconds", System: "limit", Mean: 1, Sure: Recalled},
	{Experiment: "latency", Task: "vp", Setting: "an answer, seconds, from", System: "head", Mean: 0.1, Sure: Recalled},
	{Experiment: "latency", Task: "vp", Setting: "an answer, seconds, to", System: "head", Mean: 0.3, Sure: Recalled},
}

// PaperFor returns the figures of an experiment and task.
func PaperFor(experiment, task string) (list []Figure) {
	for _, f := range Paper {
		if f.Experiment == experiment && f.Task == task {
			list = append(list, f)
		}
	}
	return list
}

// PaperFigure returns the paper's figure for a system, or nil.
func PaperFigure(experiment, task, system string) *Figure {
	for i, f := range Paper {
		if f.Experiment == experiment && f.Task == task && strings.EqualFold(f.System, system) {
			return &Paper[i]
		}
	}
	return nil
}

package netllm_test

import (
	"fmt"
	"log"
	"os"

	"netllm/netllm"
	"netllm/netllm/abr"
	"netllm/netllm/cjs"
	"netllm/netllm/vp"
	"netllm/ops"
)

// One model in memory answers three tasks: each adapter is attached to it, asked, and detached when it is not needed any more.
func ExampleBase() {
	dir, err := os.MkdirTemp("", "netllm")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	x, err := makeTasks(dir, false) // a model's file and the folders of three adapters
	if err != nil {
		log.Fatal(err)
	}

	backend := ops.NewCPU(0) // or gpu.Open()
	defer backend.Close()
	body, err := netllm.OpenBase(backend, x.model)
	if err != nil {
		log.Fatal(err)
	}
	defer body.Close()
	viewports, err := vp.LoadAdapter(backend, body, x.vp, nil)
	if err != nil {
		log.Fatal(err)
	}
	bitrates, err := abr.LoadAdapter(backend, body, x.abr)
	if err != nil {
		log.Fatal(err)
	}
	jobs, err := cjs.LoadAdapter(backend, body, x.cjs)
	if err != nil {
		log.Fatal(err)
	}
	viewer := viewports.NewLearned(ops.NewContext(backend), true)
	player := bitrates.NewLearned(ops.NewContext(backend), bitrates.Cond.MaxReturn)
	scheduler := jobs.NewLearned(ops.NewContext(backend))

	// Where will a viewer look who has turned right, a degree at a time?
	past := make([]vp.Angles, 10)
	for i := range past {
		past[i][vp.Yaw] = float32(i)
	}
	rows := make([]vp.Angles, 20)
	if err := viewer.Predict([][]vp.Angles{rows}, []vp.Window{vp.Ask(past, len(rows))}); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("viewports for %.0f s\n", float64(len(rows))*vp.StepSec)

	// In which quality is the next chunk to come?
	stream, err := abr.NewEnv(abr.EnvConfig{Video: x.video})
	if err != nil {
		log.Fatal(err)
	}
	chunk, err := stream.ResetSession(x.sessions[0], 0)
	if err != nil {
		log.Fatal(err)
	}
	player.Reset()
	quality, err := player.Decide(chunk)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("a quality there is:", quality >= 0 && quality < abr.Qualities)

	// Which stage gets executors?
	cluster, err := cjs.NewEnv(cjs.EnvConfig{})
	if err != nil {
		log.Fatal(err)
	}
	waiting, err := cluster.ResetSequence(x.sequences[0], 1)
	if err != nil {
		log.Fatal(err)
	}
	scheduler.Reset(1)
	action, err := scheduler.Decide(waiting)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("a stage that can run:", action.Stage < len(waiting.Schedulable))

	// Detached, a task's memory is free; the others go on, around the same weights.
	viewer.Close()
	viewports.Close()
	player.Reset()
	again, err := player.Decide(chunk)
	fmt.Println("the same answer:", again == quality, err)
	fmt.Println("weights:", body.Verify(backend))
	// Output:
	// viewports for 4 s
	// a quality there is: true
	// a stage that can run: true
	// the same answer: true <nil>
	// weights: <nil>
}

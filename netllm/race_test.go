//go:build race

package netllm_test

const raceDetector = true

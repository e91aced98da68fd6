// Package netllm adapts one frozen large language model to networking tasks.
//
// It is the method of "NetLLM: Adapting Large Language Models for Networking"
// (Wu et al., SIGCOMM 2024): encoders turn networking data into token vectors
// of the model's width, a networking head turns the model's features into a
// valid answer, and low-rank matrices beside the frozen weights learn each
// task from a pool of experience collected once.
//
// A task implements [Env] for its simulator; the tasks themselves are in the
// folders below this one.
package netllm

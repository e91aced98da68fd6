// Netllm adapts a language model to networking tasks and measures what came of
// it.
//
//	netllm quickstart                     the whole job on embedded data, with a report
//	netllm eval abr --policy bba,mpc      score policies on a task
//	netllm collect abr --policy genet     record what a policy does
//	netllm adapt abr --model FILE         train an adapter from a recording
//	netllm experiment general             repeat a figure of the paper
//	netllm generate, netllm logits        run a language model
//	netllm pretrain                       train a small one
//	netllm data import, netllm data check make a folder of data, and check it
//	netllm env                            what this machine offers
//
// Every command explains itself with --help. Results go to stdout, all else to
// stderr; exit codes are 0, 1 (failed) and 2 (usage).
package main

// Gguf makes, changes and checks model files: GGUF, and the safetensors folders
// of Hugging Face.
//
//	gguf convert --in DIR --out FILE      between Hugging Face folders and GGUF
//	gguf quantize, gguf dequantize        change the types of a file's weights
//	gguf inspect FILE                     what is in a file
//	gguf verify FILE                      all that is wrong with a file
//	gguf diff A B                         what differs between two models
//	gguf hash FILE                        SHA-256 of a file and of its tensors
//	gguf set KEY=VALUE FILE               change what a file says of itself
//	gguf split, gguf merge                one file to several and back
//	gguf merge-lora BASE ADAPTER          a model with its adapter built in
//
// Every command explains itself with --help. Results go to stdout, all else to
// stderr; exit codes are 0, 1 (failed, or faults or differences found) and
// 2 (usage). Files are written whole or not at all, and none is replaced without
// --force.
package main

// Command formats checks with llama.cpp what tools/gguf writes: it loads every file, and
// its logits are compared with this project's and with exact ones. The table goes to
// docs/formats.md.
//
//	go run ./bench/peers/formats            everything; a minute
//	go run ./bench/peers/formats -print     the document stays as it is
//
// The folder that the environment variable PEERS_DIR or the flag -dir names has llama.cpp:
// npm/node_modules/@node-llama-cpp/linux-x64, and its headers in lcpp_src (npm install
// node-llama-cpp, and the source bundle in that package). gcc is needed. Real models are
// read from NETLLM_DATA. Exit status 1 says that something is missing or that a
// comparison failed.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"netllm/bench/internal/document"
)

const block = "llama.cpp"

func main() {
	dir := os.Getenv("PEERS_DIR")
	if dir == "" {
		home, err := os.UserCacheDir()
		if err != nil {
			home = os.TempDir()
		}
		dir = filepath.Join(home, "netllm-peers")
	}
	data := os.Getenv("NETLLM_DATA")
	if data == "" {
		data = filepath.Join("..", "shared", "data")
	}
	flag.StringVar(&dir, "dir", dir, "folder of llama.cpp's libraries and headers (default: PEERS_DIR)")
	flag.StringVar(&data, "data", data, "folder with models/ in it (default: NETLLM_DATA)")
	out := flag.String("out", filepath.Join("docs", "formats.md"), "document with the marked block")
	print := flag.Bool("print", false, "print the table and leave the document as it is")
	flag.Parse()
	if err := run(dir, data, *out, *print); err != nil {
		fmt.Fprintln(os.Stderr, "formats:", err)
		os.Exit(1)
	}
}

func run(dir, data, out string, print bool) error {
	work, err := os.MkdirTemp("", "formats")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	c := &check{work: work, models: filepath.Join(data, "models"), table: document.NewTable(
		"file", "made by", "llama.cpp from exact: largest, RMS", "netllm from exact: largest, RMS", "netllm from llama.cpp: largest")}
	if err := c.prepare(dir); err != nil {
		return err
	}
	err = errors.Join(c.converted(), c.quantized(), c.divided(), c.adapted())
	fmt.Println(c.table)
	if print || err != nil {
		return err
	}
	return document.Replace(out, block, c.table.String())
}

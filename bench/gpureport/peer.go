// llama.cpp's Vulkan build: a program that peer.sh makes.

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// findPeer returns the program in the folder, or nothing.
func findPeer(dir string) string {
	path := filepath.Join(dir, "llama_vulkan")
	if _, err := os.Stat(path); err != nil {
		progress("llama.cpp is not measured: %v", err)
		return ""
	}
	return path
}

// runPeer returns tokens per second of a prompt and of decoding.
func runPeer(program string, device int, path string, prompt, tokens int) (prefill, decode float64, err error) {
	cmd := exec.Command(program, path, fmt.Sprint(prompt), fmt.Sprint(tokens))
	cmd.Env = append(os.Environ(), fmt.Sprintf("GGML_VK_VISIBLE_DEVICES=%d", device))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return 0, 0, fmt.Errorf("llama.cpp: %w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return parsePeer(string(out))
}

// parsePeer reads the line "prefill RATE decode RATE".
func parsePeer(line string) (prefill, decode float64, err error) {
	if _, err := fmt.Sscanf(line, "prefill %g decode %g", &prefill, &decode); err != nil {
		return 0, 0, fmt.Errorf("llama.cpp: answer %q: %w", line, err)
	}
	if !(prefill > 0 && decode > 0) {
		return 0, 0, fmt.Errorf("llama.cpp: answer %q: rates must be positive", line)
	}
	return prefill, decode, nil
}

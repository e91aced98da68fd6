// Programs that stay open and are told, line by line, what to measure.

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// process is a program that answers each line with a line.
type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startProcess(env []string, name string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(name, args...)}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stderr = os.Stderr
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	return p, p.cmd.Start()
}

// ask sends a line and returns the answer.
func (p *process) ask(format string, args ...any) (string, error) {
	question := fmt.Sprintf(format, args...)
	if _, err := fmt.Fprintln(p.in, question); err != nil {
		return "", fmt.Errorf("%s: %w", filepath.Base(p.cmd.Path), err)
	}
	answer, err := p.out.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("%s: no answer to %q: %w", filepath.Base(p.cmd.Path), question, err)
	}
	if strings.HasPrefix(answer, "error") {
		return "", fmt.Errorf("%s: %q: %s", filepath.Base(p.cmd.Path), question, strings.TrimSpace(answer))
	}
	return strings.TrimSpace(answer), nil
}

// burst is what one run command measured: seconds of one computation.
type burst struct {
	median, mean float64
	count        int
}

func (p *process) run(seconds float64, count int) (burst, error) {
	answer, err := p.ask("run %g %d", seconds, count)
	if err != nil {
		return burst{}, err
	}
	var b burst
	if _, err := fmt.Sscan(answer, &b.median, &b.mean, &b.count); err != nil {
		return burst{}, fmt.Errorf("%s: answer %q: %w", filepath.Base(p.cmd.Path), answer, err)
	}
	return b, nil
}

func (p *process) close() {
	_ = p.in.Close() // the program ends at the end of its input
	_ = p.cmd.Wait()
}

// project starts this program as a worker, which computes with repacked weights or
// with those of the mapped file.
func project(threads int, mapped bool, env ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return startProcess(env, self, "worker", fmt.Sprint(threads), fmt.Sprint(mapped))
}

// need returns the path of a program or file of another project.
func need(path, how string) (string, error) {
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%w: %s (%s)", errMissing, path, how)
	}
	return path, nil
}

// compile builds a C program into dir unless its binary is newer, and returns the
// binary's path.
func compile(dir, source string, flags ...string) (string, error) {
	binary := filepath.Join(dir, strings.TrimSuffix(filepath.Base(source), ".c"))
	from, err := os.Stat(source)
	if err != nil {
		return "", fmt.Errorf("%w: %s", errMissing, source)
	}
	if to, err := os.Stat(binary); err == nil && to.ModTime().After(from.ModTime()) {
		return binary, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	args := append([]string{"-O2", "-o", binary, source}, flags...)
	if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return "", fmt.Errorf("%w: gcc", errMissing)
		}
		return "", fmt.Errorf("%w: gcc %s: %w\n%s", errMissing, strings.Join(args, " "), err, out)
	}
	return binary, nil
}

// SHA-256 of files and tensors, and comparing it with what it should be.

package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"netllm/tools/internal/cli"
)

// checksums says what files should hash to.
type checksums struct {
	hex  string // for the only file
	file string // lines as sha256sum prints them
}

// check looks at the flags.
func (c *checksums) check() error {
	if c.hex != "" && c.file != "" {
		return cli.Usagef("--sha256 and --checksum-file exclude one another")
	}
	if c.hex != "" && !isSHA256(c.hex) {
		return cli.Usagef("--sha256 %q: want 64 hexadecimal digits", c.hex)
	}
	return nil
}

func isSHA256(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == sha256.Size
}

// word says what was compared.
func (c *checksums) word(v *verdict) string {
	if len(v.SHA256) == 0 {
		return ""
	}
	return ", SHA-256 as it should be"
}

// compare returns a fault for each file that does not hash to what it should,
// and the checksums that there were.
func (c *checksums) compare(ctx context.Context, files []string) (faults []error, used []string, err error) {
	if c.hex != "" && len(files) != 1 {
		return nil, nil, cli.Usagef("--sha256 is for one file, the model is in %d: --checksum-file has lines for several", len(files))
	}
	for _, path := range files {
		var want string
		switch {
		case c.hex != "":
			want = strings.ToLower(c.hex)
		case c.file != "":
			if want, err = checksumIn(c.file, path); err != nil {
				return nil, nil, err
			}
		default:
			want, err = checksumIn(path+".sha256", path)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				faults = append(faults, err)
				continue
			}
		}
		used = append(used, want)
		got, err := fileSHA256(ctx, path)
		if err != nil {
			return nil, nil, err
		}
		if got != want {
			faults = append(faults, fmt.Errorf("%s: SHA-256 is %s, want %s", path, got, want))
		}
	}
	return faults, used, nil
}

// checksumIn returns the checksum of the file at path in a list as sha256sum
// prints it. Names in the list are relative to it; if none leads to path, the
// only one that ends like it counts, or a checksum without a name.
func checksumIn(list, path string) (string, error) {
	f, err := os.Open(list)
	if err != nil {
		return "", err
	}
	defer f.Close()
	target, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	var alike []string
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		sum, name, named := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		if sum == "" || strings.HasPrefix(sum, "#") {
			continue
		}
		name = filepath.FromSlash(strings.TrimLeft(name, " *"))
		if named && filepath.Base(name) != filepath.Base(path) {
			continue
		}
		if !isSHA256(sum) {
			return "", fmt.Errorf("%s: line %d: %.80q is not a SHA-256", list, n, sum)
		}
		sum = strings.ToLower(sum)
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(list), name)
		}
		if info, err := os.Stat(name); err == nil && named && os.SameFile(info, target) {
			return sum, nil
		}
		alike = append(alike, sum)
	}
	if err := lines.Err(); err != nil {
		return "", fmt.Errorf("%s: %w", list, err)
	}
	switch len(alike) {
	case 0:
		return "", fmt.Errorf("%s: no checksum of %s", list, filepath.Base(path))
	case 1:
		return alike[0], nil
	}
	return "", fmt.Errorf("%s: %d checksums of files named %s, none of %s", list, len(alike), filepath.Base(path), path)
}

// fileSHA256 hashes a file.
func fileSHA256(ctx context.Context, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.CopyBuffer(writerOnly{&watched{ctx: ctx, w: h}}, f, make([]byte, 1<<20)); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// writerOnly hides all else that a writer can do, so that a buffer is used.
type writerOnly struct{ io.Writer }

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"noroshi/bench/kit"
)

// unpack writes the bills of materials of an archive into a folder.
func unpack(archive, dir string) (files []string, err error) {
	in, err := os.Open(archive)
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }()
	z, err := gzip.NewReader(in)
	if err != nil {
		return nil, err
	}
	for t := tar.NewReader(z); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			slices.Sort(files)
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		b, err := io.ReadAll(t)
		if err != nil {
			return nil, err
		}
		name := filepath.Join(dir, filepath.Base(h.Name))
		if err := os.WriteFile(name, b, 0o600); err != nil {
			return nil, err
		}
		files = append(files, name)
	}
}

// runs is how often the whole is run; the median counts.
const runs = 5

// result is what the comparison needs of an answer.
type result struct {
	System string `json:"system"`
	Hits   []struct {
		By   []string `json:"by"`
		PURL string   `json:"purl"`
	} `json:"hits"`
}

// check runs the program as an operator would, and takes what it cost by the
// kernel's account.
func check(f *figures, advisories, files []string) (results []result, err error) {
	binary, err := kit.Binary()
	if err != nil {
		return nil, err
	}
	args := append([]string{"sbom", "check", "--json", "--advisories", strings.Join(advisories, ",")}, files...)
	var cpu []time.Duration
	for range runs {
		var out, said bytes.Buffer
		c := exec.Command(binary, args...)
		c.Stdout, c.Stderr = &out, &said
		began := time.Now()
		if err := c.Run(); err != nil {
			return nil, fmt.Errorf("%w: %s", err, said.String())
		}
		u := c.ProcessState.SysUsage().(*syscall.Rusage)
		spent := c.ProcessState.UserTime() + c.ProcessState.SystemTime()
		cpu = append(cpu, spent)
		f.RSS = max(f.RSS, int(u.Maxrss/1024))
		fmt.Printf("%d systems: %.2f s of a processor, %.2f s, %d MiB\n", len(files), spent.Seconds(), time.Since(began).Seconds(), u.Maxrss/1024)
		if results == nil {
			if err := json.Unmarshal(out.Bytes(), &results); err != nil {
				return nil, err
			}
		}
	}
	f.CPU = float64(kit.Quantile(cpu, 0.5).Milliseconds()) / 1000
	return results, nil
}

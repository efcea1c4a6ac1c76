// Package kit is what the benchmarks and the long fault runs have in common: a
// hub as a process of its own, what it costs by the kernel's account, and the
// one line in which a benchmark says its figures. It measures nothing itself.
package kit

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Print writes the line that ends a benchmark: BENCH name {json}.
func Print(w io.Writer, name string, figures any) error {
	b, err := json.Marshal(figures)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "BENCH %s %s\n", name, b)
	return err
}

// Machine says on what the figures were made, and when.
func Machine() string {
	model, kernel := "unknown processor", "unknown kernel"
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for l := range strings.Lines(string(b)) {
			if k, v, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(k) == "model name" {
				model = strings.TrimSpace(v)
				break
			}
		}
	}
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		kernel = strings.TrimSpace(string(b))
	}
	return fmt.Sprintf("%s, %d cores, Linux %s, %s, %s", model, runtime.NumCPU(), kernel, runtime.Version(), time.Now().UTC().Format(time.DateOnly))
}

// Load is how many wanted a core at once on the whole machine, over the last minute.
func Load() string {
	b, _ := os.ReadFile("/proc/loadavg")
	load, _, _ := strings.Cut(string(b), " ")
	return load
}

// CPU is the time that a process has spent, user and system.
func CPU(pid int) (time.Duration, error) {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, err
	}
	// The name in brackets may hold anything; the fields after it do not.
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	user, err := strconv.ParseInt(f[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * time.Second / clockTicks, err
}

// clockTicks is USER_HZ, which Linux fixed for what it tells programs.
const clockTicks = 100

// PeakRSS is the most memory that a process held, in MiB.
func PeakRSS(pid int) (int, error) {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0, err
	}
	for l := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(l, "VmHWM:"); ok {
			n, err := strconv.Atoi(strings.Fields(rest)[0])
			return n / 1024, err
		}
	}
	return 0, fmt.Errorf("process %d tells no VmHWM", pid)
}

// Quantile is the q-th of the samples, 0 ≤ q ≤ 1, by the nearest rank.
func Quantile(samples []time.Duration, q float64) time.Duration {
	if len(samples) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(samples))
	return s[min(int(q*float64(len(s))), len(s)-1)]
}

// Milliseconds writes a duration as figures are written, to a tenth.
func Milliseconds(d time.Duration) float64 {
	return float64(d.Round(100*time.Microsecond).Microseconds()) / 1000
}

// Binary is the program under test: $NOROSHI, or bin/noroshi of this tree.
func Binary() (string, error) {
	if b := os.Getenv("NOROSHI"); b != "" {
		return b, nil
	}
	b, err := filepath.Abs("bin/noroshi")
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(b); err != nil {
		return "", fmt.Errorf("%w; 'make build' makes it", err)
	}
	return b, nil
}

// quietly keeps what a process says for when it fails, behind what it said
// before it was started again.
func quietly(c *exec.Cmd, file string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	c.Stdout, c.Stderr = f, f
	err = c.Start()
	_ = f.Close() // The process has its own handle.
	return err
}

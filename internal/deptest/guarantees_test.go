package deptest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// tests lists every test and every fuzz target of the tree as folder.Name.
func tests(t *testing.T, root string) (all []string) {
	t.Helper()
	c := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard", "*_test.go")
	c.Dir = root
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	for file := range strings.FieldsSeq(string(out)) {
		b, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range function.FindAllSubmatch(b, -1) {
			all = append(all, filepath.Dir(file)+"."+string(m[1]))
		}
	}
	return all
}

// TestEveryPromiseNamesATestThatExists reads docs/guarantees.md: each promise has a
// test, each of them exists, and no fuzz target is left out or without a corpus.
func TestEveryPromiseNamesATestThatExists(t *testing.T) {
	root := filepath.Join("..", "..")
	b, err := os.ReadFile(filepath.Join(root, "docs", "guarantees.md"))
	if err != nil {
		t.Fatal(err)
	}
	all := tests(t, root)
	name := regexp.MustCompile("`([a-z0-9/]+\\.(?:Test|Fuzz)\\w+)`")
	promises := 0
	for line := range strings.Lines(string(b)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		named := name.FindAllStringSubmatch(cells[len(cells)-1], -1)
		if promise := strings.HasSuffix(cells[0], "."); promise && strings.HasPrefix(line, "|") {
			if promises++; len(named) == 0 {
				t.Errorf("nothing holds the promise: %s", cells[0])
			}
		}
		for _, n := range named {
			if !slices.Contains(all, n[1]) {
				t.Errorf("docs/guarantees.md names %s, which is not there", n[1])
			}
		}
	}
	if promises < 20 {
		t.Errorf("only %d promises were read", promises)
	}
	for _, x := range all {
		folder, target, ok := strings.Cut(x, ".Fuzz")
		if !ok {
			continue
		}
		if !strings.Contains(string(b), "`"+x+"`") {
			t.Errorf("docs/guarantees.md does not say what %s reads", x)
		}
		if kept, err := os.ReadDir(filepath.Join(root, folder, "testdata", "fuzz", "Fuzz"+target)); err != nil || len(kept) == 0 {
			t.Errorf("%s has no kept corpus in testdata/fuzz", x)
		}
	}
}

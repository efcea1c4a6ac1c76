// Package deptest holds the architecture in tests: which folder may import
// which, that every package says what it is, and that files stay short.
package deptest

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
)

type pkg struct {
	ImportPath string
	Dir        string
	Doc        string
	Standard   bool
	GoFiles    []string
	Imports    []string
	Deps       []string
}

func list(t *testing.T) []pkg {
	t.Helper()
	c := exec.Command("go", "list", "-json=ImportPath,Dir,Doc,Standard,GoFiles,Imports,Deps", "noroshi/...")
	c.Stderr = os.Stderr
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// layer of a top folder: what stands lower may be imported by what stands
// higher.
var layer = map[string]int{
	"action": 0, "bom": 0, "discovery": 0, "fault": 0, "ident": 0, "label": 0, "org": 0, "event": 0, "observable": 0, "finding": 0, "indicator": 0, "service": 0,
	"config": 1, "bus": 1, "access": 1, "ledger": 1, "identity": 1, "eventstore": 1, "content": 1, "web": 1, "backup": 1, "care": 1, "disk": 1, "status": 1, "oplog": 1, "sheet": 1,
	"sense": 2, "analyse": 2, "intel": 2, "share": 2, "act": 2,
	"api": 3, "console": 3, "drill": 3,
	"app": 4, "internal": 5, "bench": 5, "cli": 6, "cmd": 7,
}

var stages = []string{"sense", "analyse", "intel", "share", "act"}

func folder(path string) string {
	rest, ok := strings.CutPrefix(path, "noroshi/")
	if !ok {
		return ""
	}
	top, _, _ := strings.Cut(rest, "/")
	return top
}

func TestNothingPointsBack(t *testing.T) {
	for _, p := range list(t) {
		from := folder(p.ImportPath)
		if from == "e2e" {
			continue
		}
		if _, ok := layer[from]; !ok {
			t.Errorf("%s is in no layer: say where it belongs, here and in ARCHITECTURE.md", p.ImportPath)
			continue
		}
		for _, i := range p.Imports {
			to := folder(i)
			if to == "" || to == from {
				continue
			}
			if layer[to] > layer[from] {
				t.Errorf("%s imports %s, which stands above it", p.ImportPath, i)
			}
			if slices.Contains(stages, from) && slices.Contains(stages, to) {
				t.Errorf("%s imports %s: stages meet on the bus or through an interface that app satisfies", p.ImportPath, i)
			}
		}
	}
}

// vocabulary may import these beyond the standard library: internationalised
// names and the public suffix list are tables nobody should write again.
var allowed = []string{"golang.org/x/net/idna", "golang.org/x/net/publicsuffix"}

func TestVocabularyIsPlain(t *testing.T) {
	for _, p := range list(t) {
		if l, ok := layer[folder(p.ImportPath)]; !ok || l != 0 {
			continue
		}
		for _, i := range p.Imports {
			if strings.Contains(i, ".") && !slices.Contains(allowed, i) {
				t.Errorf("%s imports %s", p.ImportPath, i)
			}
		}
	}
}

func TestEdgesOpenNoDatabase(t *testing.T) {
	for _, p := range list(t) {
		if !strings.HasPrefix(p.ImportPath, "noroshi/sense/") && !strings.HasPrefix(p.ImportPath, "noroshi/share/edge") && p.ImportPath != "noroshi/identity/join" {
			continue
		}
		for _, d := range p.Deps {
			if strings.HasPrefix(d, "noroshi/ledger") || strings.HasPrefix(d, "modernc.org/sqlite") || strings.HasPrefix(d, "github.com/jackc/pgx") || d == "noroshi/api" || d == "noroshi/console" {
				t.Errorf("%s links %s", p.ImportPath, d)
			}
		}
	}
}

func TestPackagesSayWhatTheyAre(t *testing.T) {
	for _, p := range list(t) {
		if len(p.GoFiles) > 0 && p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
		if name := filepath.Base(p.ImportPath); slices.Contains([]string{"util", "utils", "common", "helpers", "types", "models", "pkg"}, name) {
			t.Errorf("%s is named after nothing", p.ImportPath)
		}
	}
}

func TestFilesAreShort(t *testing.T) {
	var sizes []int
	for _, p := range list(t) {
		for _, f := range p.GoFiles {
			n := lines(t, filepath.Join(p.Dir, f))
			sizes = append(sizes, n)
			if n > 700 {
				t.Errorf("%s/%s has %d lines; at most 700 are allowed", p.ImportPath, f, n)
			}
		}
	}
	sort.Ints(sizes)
	if median := sizes[len(sizes)/2]; median > 150 {
		t.Errorf("the median file has %d lines; at most 150 are allowed", median)
	} else {
		t.Logf("%d files, median %d lines, longest %d", len(sizes), median, sizes[len(sizes)-1])
	}
}

func lines(t *testing.T, name string) int {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	n := 0
	for s := bufio.NewScanner(f); s.Scan(); n++ {
	}
	return n
}

package gate_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"noroshi/indicator"
	"noroshi/intel/gate"
	"noroshi/label"
	"noroshi/observable"
	"noroshi/org"
)

var (
	real = label.Marking{TLP: label.TLPGreen, PAP: label.PAPGreen, Realm: label.Real}
	none = org.NewTree(nil)
)

// TestPublicWarningListsHoldWhatTheyName loads MISP's lists, which are not part
// of the project, and the popular names.
func TestPublicWarningListsHoldWhatTheyName(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "shared", "data", "intelligence")
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("the warning lists are not there:", err)
	}
	popular, err := os.Open(filepath.Join(dir, "toplist", first(t, filepath.Join(dir, "toplist"))))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = popular.Close() }()
	g, err := gate.New(gate.Config{Lists: []fs.FS{os.DirFS(filepath.Join(dir, "warninglists"))}, Popular: popular})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d entries", g.Len())
	for value, want := range map[string]indicator.Verdict{"google.com": indicator.Hold, "8.8.8.8": indicator.Hold, "www.wikipedia.org": indicator.Hold,
		"co.jp": indicator.Refuse, "x7f3k-not-listed.net": indicator.Pass} {
		if got := check(g, value); got != want {
			t.Errorf("%s: %s, not %s", value, got, want)
		}
	}
}

// first is the first file of a folder that is no licence.
func first(t *testing.T, dir string) string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if !e.IsDir() && (strings.HasSuffix(e.Name(), ".txt") || strings.HasSuffix(e.Name(), ".csv")) {
			return e.Name()
		}
	}
	t.Fatal("no list in ", dir)
	return ""
}

func check(g *gate.Gate, value string) indicator.Verdict {
	o, err := observable.Parse(value)
	if err != nil {
		return ""
	}
	v, _ := g.Check(o, real, indicator.Block, none)
	return v
}

func FuzzLists(f *testing.F) {
	f.Add([]byte(`{"name":"n","type":"cidr","list":["10.0.0.0/8","x"]}`))
	f.Add([]byte(`{"name":"n","type":"regex","list":["a(","^b$"]}`))
	f.Add([]byte(`{"name":"n","type":"substring","list":["evil"]}`))
	f.Fuzz(func(_ *testing.T, b []byte) {
		g, err := gate.New(gate.Config{Lists: []fs.FS{fstest.MapFS{"x/list.json": {Data: b}}}})
		if err == nil {
			check(g, "www.example.com")
			check(g, "203.0.113.5")
		}
	})
}

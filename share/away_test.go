package share_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"noroshi/indicator"
	"noroshi/label"
	"noroshi/ledger/ledgertest"
)

// alone stops the edge and starts it again with the hub away, after something
// happened to the file of a feed.
func (r *rig) alone(dir string, stop func(), happened func(file []byte) []byte) (again func(name string) bool) {
	r.t.Helper()
	stop()
	name := filepath.Join(dir, "real.all.feed")
	b, err := os.ReadFile(name)
	if err == nil {
		err = os.WriteFile(name, happened(b), 0o600)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.air.mu.Lock()
	r.air.down = true
	r.air.mu.Unlock()
	f, _ := r.edge(dir, "org_a", "nod_a")
	return func(name string) bool { return f.Set().Ready() && blocks(f, name) }
}

// three puts three indicators, one after the other, so that the file has the
// whole set and then frames.
func (r *rig) three(dir string) (stop func()) {
	r.t.Helper()
	f, stop := r.edge(dir, "org_a", "nod_a")
	until(r.t, "ready", func() bool { return f.Set().Ready() })
	for n := range 3 {
		i := ind(n, label.TLPGreen, "org_a")
		r.change(indicator.Put, i)
		until(r.t, "it blocks", func() bool { return blocks(f, i.Observable.Value) })
	}
	return stop
}

func TestDamageBehindTheBeginningLeavesWhatWasBefore(t *testing.T) {
	r := newRig(t, ledgertest.SQLite(t), 0)
	dir := t.TempDir()
	blocked := r.alone(dir, r.three(dir), func(b []byte) []byte {
		if bytes.Count(b, []byte("\n")) < 3 {
			t.Fatalf("the file is not of several lines: %s", b)
		}
		b[len(b)-30] ^= 1 // in the last line
		return b
	})
	if !blocked("n0.example.com") || blocked("n2.example.com") {
		t.Error("the sound part of the file is not what is enforced")
	}
	if _, err := os.Stat(filepath.Join(dir, "real.all.feed.damaged")); err != nil {
		t.Error("the damaged file was not put aside: ", err)
	}
}

// TestTornLineIsCutOff goes on after a power cut in the middle of a line: what
// is written behind it must be found again.
func TestTornLineIsCutOff(t *testing.T) {
	r := newRig(t, ledgertest.SQLite(t), 0)
	dir := t.TempDir()
	r.three(dir)()
	name := filepath.Join(dir, "real.all.feed")
	b, err := os.ReadFile(name)
	if err == nil {
		err = os.WriteFile(name, b[:len(b)-20], 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	f, stop := r.edge(dir, "org_a", "nod_a")
	until(t, "it caught up", func() bool { return blocks(f, "n2.example.com") })
	r.change(indicator.Put, ind(3, label.TLPGreen, "org_a"))
	until(t, "it goes on", func() bool { return blocks(f, "n3.example.com") })
	blocked := r.alone(dir, stop, func(b []byte) []byte { return b })
	for _, n := range []string{"n0.example.com", "n1.example.com", "n2.example.com", "n3.example.com"} {
		if !blocked(n) {
			t.Errorf("after the restart %s is not blocked", n)
		}
	}
}

func TestBlockExpiresAtTheEdgeWithTheHubAway(t *testing.T) {
	r := newRig(t, ledgertest.SQLite(t), 0)
	dir := t.TempDir()
	f, stop := r.edge(dir, "org_a", "nod_a")
	until(t, "ready", func() bool { return f.Set().Ready() })
	i := ind(1, label.TLPGreen, "org_a")
	r.change(indicator.Put, i)
	until(t, "it blocks", func() bool { return blocks(f, "n1.example.com") })
	if !r.alone(dir, stop, func(b []byte) []byte { return b })("n1.example.com") {
		t.Error("it does not block while it is valid")
	}
	if _, is := f.Set().Name("n1.example.com", i.ValidUntil.Add(time.Millisecond)); is {
		t.Error("it blocks after its time")
	}
}

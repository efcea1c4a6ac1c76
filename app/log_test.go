package app

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"noroshi/oplog"
)

// page is a log that a test may read while it is written.
type page struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (p *page) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.b.Write(b)
}

func (p *page) lines(t *testing.T) (out []map[string]any) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range strings.Lines(p.b.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(l), &m); err != nil {
			t.Fatalf("%q: %v", l, err)
		}
		out = append(out, m)
	}
	return out
}

func newPage(t *testing.T) (*page, *slog.Logger) {
	t.Helper()
	p := &page{}
	log, err := oplog.New(p, "debug", "json")
	if err != nil {
		t.Fatal(err)
	}
	return p, log
}

// TestNodeThatSendsGarbageDoesNotFillTheLog floods the hub with reports that are
// none: all are counted, few are written, and each line says who it was.
func TestNodeThatSendsGarbageDoesNotFillTheLog(t *testing.T) {
	p, log := newPage(t)
	h := startHubLogging(t, testConfig(t.TempDir()), log)
	id, line := dial(t, h)
	until(t, "the node is connected", line.Connected)
	const flood = 100
	for range flood {
		if err := line.Status("garbage"); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "all of it was counted", func() bool { return h.h.seen.allQuarantined() == flood })
	written := 0
	for _, l := range p.lines(t) {
		if l["role"] == nil {
			t.Errorf("a line names no role: %v", l)
		}
		if l["msg"] == "input was put into quarantine" {
			written++
			if l["org"] != string(id.Org) || l["node"] != string(id.Node) {
				t.Errorf("the line does not say who sent it: %v", l)
			}
		}
	}
	if written == 0 || written > 50 {
		t.Errorf("%d lines were written for %d pieces of garbage", written, flood)
	}
}

// TestLinesOfANodeNameIt: whatever a part of a node says, its organisation, role
// and id are beside it.
func TestLinesOfANodeNameIt(t *testing.T) {
	h := startHub(t, testConfig(t.TempDir()))
	p, log := newPage(t)
	cfg := testConfig(t.TempDir())
	cfg.Disk.BrakePercent, cfg.Disk.BrakeMiB = 90, 1<<30 // So that there is something to say.
	n, err := StartNode(t.Context(), cfg, RoleResolver, tokenFor(t, h, RoleResolver), "r", log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Stop() })
	until(t, "the node said something", func() bool { return len(p.lines(t)) > 0 })
	for _, l := range p.lines(t) {
		if l["role"] != RoleResolver || l["org"] != string(n.n.id.Org) || l["node"] != string(n.n.id.Node) {
			t.Errorf("a line does not name its node: %v", l)
		}
	}
}

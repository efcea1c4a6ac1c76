package share_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"noroshi/access"
	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/label"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
	"noroshi/org"
	"noroshi/share/edge"
	"noroshi/share/push"
)

// successor is an edge's line to whichever hub is there.
type successor struct {
	line
	hub atomic.Pointer[push.Push]
}

func (s *successor) Sync(ctx context.Context, req []byte) ([]byte, error) {
	return s.hub.Load().HandleSync(ctx, s.org, req)
}

func (s *successor) Ack(_ context.Context, ack []byte) error {
	return s.hub.Load().HandleAck(s.org, s.node, ack)
}

// TestEdgeAheadOfARestoredHubTakesItsSet restores a hub from before the edge's
// last changes. Nothing tells the edge but the hub's heartbeat.
func TestEdgeAheadOfARestoredHubTakesItsSet(t *testing.T) {
	for name, again := range map[string][]int{"behind": nil, "as far with other changes": {7, 8}, "further": {7, 8, 9, 10}} {
		t.Run(name, func(t *testing.T) {
			_, key, _ := ed25519.GenerateKey(nil)
			wire := &air{subs: map[string][]func([]byte){}, rnd: rand.New(rand.NewPCG(1, 2))}
			hub := func(db *ledger.DB) *rig {
				r := &rig{t: t, db: db, air: wire, key: key.Public().(ed25519.PublicKey)}
				r.push = push.New(push.Deps{DB: db, Wire: wire, Key: key, Now: time.Now, Log: log, Tree: func() *org.Tree { return tree },
					Edges: func() []push.Edge { return []push.Edge{{Node: "nod_a", Org: "org_a", Name: "a", Here: true}} }})
				return r
			}
			run := func(r *rig) {
				ctx, cancel := context.WithCancel(context.Background())
				var all sync.WaitGroup
				all.Go(func() { _ = r.push.Run(ctx) })
				all.Go(func() { _ = r.push.Acknowledge(ctx) })
				r.stop = sync.OnceFunc(func() { cancel(); all.Wait() })
				t.Cleanup(r.stop)
			}
			first := hub(ledgertest.SQLite(t))
			run(first)
			first.change(indicator.Put, ind(1, label.TLPGreen, "org_a"))
			restored := hub(copyOf(t, first.db))

			l := &successor{line: line{air: wire, org: "org_a", node: "nod_a", changed: make(chan struct{})}}
			l.hub.Store(first.push)
			f, err := edge.New(edge.Config{Dir: t.TempDir(), Feeds: push.FeedsFor("org_a"), Key: first.key}, edge.Deps{Line: l, Now: time.Now, Log: log})
			must(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			followed := make(chan struct{})
			go func() { defer close(followed); _ = f.Run(ctx) }()
			defer func() { cancel(); <-followed }()
			first.change(indicator.Put, ind(2, label.TLPGreen, "org_a"), ind(3, label.TLPGreen, "org_a"))
			until(t, "the edge has all three", func() bool { return f.Set().Len() == 3 && f.Set().Ready() })
			first.stop()

			for _, n := range again {
				restored.change(indicator.Put, ind(n, label.TLPGreen, "org_a"))
			}
			l.hub.Store(restored.push)
			run(restored)
			until(t, "the edge has the restored hub's set", func() bool {
				for _, n := range again {
					if !blocks(f, ind(n, label.TLPGreen, "").Observable.Value) {
						return false
					}
				}
				return f.Set().Len() == 1+len(again) && blocks(f, "n1.example.com") && !blocks(f, "n2.example.com")
			})
			restored.change(indicator.Put, ind(20, label.TLPGreen, "org_a"))
			until(t, "it follows again", func() bool { return blocks(f, "n20.example.com") })
			until(t, "the hub has the proof", func() bool {
				s, err := restored.push.EdgeStates(t.Context(), access.Hub(tree, "t"))
				return err == nil && len(s) == 1 && s[0].Node == ident.ID("nod_a") && s[0].State == push.Confirmed
			})
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// copyOf copies a ledger as a backup does.
func copyOf(t *testing.T, db *ledger.DB) *ledger.DB {
	t.Helper()
	url := "sqlite:" + filepath.Join(t.TempDir(), "copy.db")
	must(t, db.Dump(t.Context(), func(d *ledger.Dump) error {
		return ledger.Load(t.Context(), url, d.Versions, func(l *ledger.Loader) error {
			for _, tab := range d.Tables {
				var rows bytes.Buffer
				if _, err := d.Rows(t.Context(), tab, &rows); err != nil {
					return err
				}
				if _, err := l.Table(t.Context(), tab, &rows); err != nil {
					return err
				}
			}
			return nil
		})
	}))
	out, err := ledger.Open(t.Context(), url)
	must(t, err)
	t.Cleanup(func() { must(t, out.Close()) })
	return out
}

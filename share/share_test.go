// Package share_test joins the hub's side and the edge's side of sharing
// through a bus that loses, repeats and reorders.
package share_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/label"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
	"noroshi/observable"
	"noroshi/org"
	"noroshi/share/edge"
	"noroshi/share/push"
)

var tree = org.NewTree([]org.Organisation{{ID: "org_0"}, {ID: "org_a", Parent: "org_0"}, {ID: "org_b", Parent: "org_0"}})

// air is the bus between them.
type air struct {
	mu      sync.Mutex
	subs    map[string][]func([]byte)
	loss    float64 // of pushed frames
	rnd     *rand.Rand
	held    []func() // frames delivered late
	down    bool
	deaf    bool // edges cannot ask
	changed []chan struct{}
}

func (a *air) Publish(_ context.Context, feed string, frame []byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.down {
		return nil
	}
	for _, fn := range a.subs[feed] {
		send := func() { fn(frame) }
		switch p := a.rnd.Float64(); {
		case p < a.loss:
		case p < 2*a.loss:
			a.held = append(a.held, send)
		case p < 3*a.loss:
			send()
			send()
		default:
			send()
		}
		if len(a.held) > 0 && a.rnd.Float64() < a.loss {
			a.held[0]()
			a.held = a.held[1:]
		}
	}
	return nil
}

// line is one edge's end.
type line struct {
	*air
	push    *push.Push
	org     ident.ID
	node    ident.ID
	changed chan struct{}
}

func (l *line) Subscribe(feed string, fn func([]byte)) (func(), error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.subs[feed] = append(l.subs[feed], fn)
	return func() { l.mu.Lock(); defer l.mu.Unlock(); l.subs[feed] = nil }, nil
}

func (l *line) Sync(ctx context.Context, req []byte) ([]byte, error) {
	l.mu.Lock()
	down := l.down || l.deaf
	l.mu.Unlock()
	if down {
		return nil, fault.New(fault.Unavailable, "test", "down")
	}
	return l.push.HandleSync(ctx, l.org, req)
}

func (l *line) Ack(_ context.Context, ack []byte) error { return l.push.HandleAck(l.org, l.node, ack) }
func (l *line) Changed() <-chan struct{}                { return l.changed }

type rig struct {
	t      *testing.T
	db     *ledger.DB
	air    *air
	push   *push.Push
	key    ed25519.PublicKey
	secret ed25519.PrivateKey
	stop   func()
}

var log = slog.New(slog.DiscardHandler)

func newRig(t *testing.T, db *ledger.DB, loss float64) *rig {
	pub, key, _ := ed25519.GenerateKey(nil)
	r := &rig{t: t, db: db, key: pub, secret: key, air: &air{subs: map[string][]func([]byte){}, loss: loss, rnd: rand.New(rand.NewPCG(1, 2))}}
	joined := time.Now().Add(-time.Hour)
	r.push = r.hub(time.Now, push.Edge{Node: "nod_a", Org: "org_a", Name: "a", Joined: joined, Here: true}, push.Edge{Node: "nod_b", Org: "org_b", Name: "b", Joined: joined, Here: true})
	r.stop = r.run(r.push.Run, r.push.Acknowledge)
	return r
}

// hub is one hub of the platform, which knows of these edges.
func (r *rig) hub(now func() time.Time, edges ...push.Edge) *push.Push {
	return push.New(push.Deps{DB: r.db, Wire: r.air, Key: r.secret, Now: now, Log: log,
		Tree: func() *org.Tree { return tree }, Edges: func() []push.Edge { return edges }})
}

// run runs parts until the stop, or the end of the test.
func (r *rig) run(parts ...func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, run := range parts {
		wg.Go(func() { _ = run(ctx) })
	}
	stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	r.t.Cleanup(stop)
	return stop
}

// edge starts an edge of an organisation and returns how to stop it.
func (r *rig) edge(dir string, o ident.ID, node ident.ID) (*edge.Follower, func()) {
	r.t.Helper()
	l := &line{air: r.air, push: r.push, org: o, node: node, changed: make(chan struct{})}
	f, err := edge.New(edge.Config{Dir: dir, Feeds: push.FeedsFor(o), Key: r.key}, edge.Deps{Line: l, Now: time.Now, Log: log})
	if err != nil {
		r.t.Fatal(err)
	}
	return f, r.run(f.Run)
}

func ind(n int, tlp label.TLP, owner ident.ID) indicator.Indicator {
	return indicator.Indicator{ID: ident.ID(fmt.Sprintf("ind_%04d", n)), Org: owner, Observable: observable.Observable{Kind: observable.Domain, Value: fmt.Sprintf("n%d.example.com", n)},
		Marking: label.Marking{TLP: tlp, PAP: label.PAPGreen, Realm: label.Real}, Action: indicator.Block, State: indicator.Active, ValidUntil: time.Now().Add(time.Hour)}
}

func (r *rig) change(op indicator.Op, list ...indicator.Indicator) {
	r.t.Helper()
	r.changeAs("t", op, list...)
}

func (r *rig) changeAs(actor string, op indicator.Op, list ...indicator.Indicator) {
	r.t.Helper()
	err := r.db.Write(r.t.Context(), actor, func(tx *ledger.Tx) error {
		for _, i := range list {
			if err := r.push.Enqueue(r.t.Context(), tx, i, op); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.push.Kick()
}

func (r *rig) way(id ident.ID) (push.Way, error) {
	all, err := r.push.Ways(r.t.Context(), access.Hub(tree, "t"), []ident.ID{id})
	return all[id], err
}

// until waits for a condition, which a lost frame may delay to a heartbeat.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it did not happen: ", what)
		}
	}
}

func blocks(f *edge.Follower, name string) bool {
	_, ok := f.Set().Name(name, time.Now())
	return ok
}

func TestDecisionReachesWhoMaySeeItAndRevocationToo(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db, 0)
		a, _ := r.edge(t.TempDir(), "org_a", "nod_a")
		b, _ := r.edge(t.TempDir(), "org_b", "nod_b")
		until(t, "both are ready", func() bool { return a.Set().Ready() && b.Set().Ready() })
		green, amber := ind(1, label.TLPGreen, "org_a"), ind(2, label.TLPAmber, "org_a")
		passive := ind(3, label.TLPGreen, "org_a")
		passive.PAP = label.PAPAmber
		r.change(indicator.Put, green, amber, passive)
		until(t, "a blocks both", func() bool { return blocks(a, "x.n1.example.com") && blocks(a, "n2.example.com") })
		until(t, "b blocks what it may see", func() bool { return blocks(b, "n1.example.com") })
		if blocks(b, "n2.example.com") || blocks(a, "n3.example.com") {
			t.Error("something is blocked that may not be seen, or may not be acted on")
		}
		hub := access.Hub(tree, "t")
		until(t, "both confirmed", func() bool {
			w, err := r.way(green.ID)
			return err == nil && w.Confirmed == 2 && w.Edges == 2 && !w.Acknowledged.IsZero() && !w.Enforced.Before(w.Durable)
		})
		w, list, err := r.push.Deliveries(t.Context(), hub, amber.ID)
		if err != nil || len(list) != 1 || list[0].Node != "nod_a" || w.Edges != 1 {
			t.Errorf("the way of the amber one: %+v, %+v, %v", w, list, err)
		}
		r.change(indicator.Remove, green)
		until(t, "the block is lifted", func() bool { return !blocks(a, "n1.example.com") && !blocks(b, "n1.example.com") })
		until(t, "the lifting is confirmed", func() bool { w, err := r.way(green.ID); return err == nil && w.Confirmed == 2 })
	})
}

func TestEdgeThatWasAwayHasExactlyTheRightSet(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db, 0.2)
		dir := t.TempDir()
		want := map[string]bool{}
		_, stop := r.edge(dir, "org_a", "nod_a")
		rnd := rand.New(rand.NewPCG(3, 4))
		for round := range 6 {
			if round%2 == 1 {
				stop()
			}
			for range 30 {
				n := rnd.IntN(40)
				i := ind(n, label.TLPGreen, "org_a")
				if want[i.Observable.Value] = rnd.IntN(3) > 0; want[i.Observable.Value] {
					r.change(indicator.Put, i)
				} else {
					r.change(indicator.Remove, i)
				}
			}
			if round == 3 { // Lost to the disk: everything is asked for again.
				if err := os.RemoveAll(dir); err != nil {
					t.Fatal(err)
				}
			}
			if round == 5 { // Damaged: put aside, and asked for again.
				corrupt(t, dir)
			}
			var f *edge.Follower
			if round%2 == 1 {
				f, stop = r.edge(dir, "org_a", "nod_a")
				until(t, "the edge has exactly the right set", func() bool {
					for name, yes := range want {
						if blocks(f, name) != yes {
							return false
						}
					}
					return f.Set().Ready()
				})
			}
		}
		hub := access.Hub(tree, "t")
		until(t, "the hub has the proof", func() bool {
			s, err := r.push.EdgeStates(t.Context(), hub)
			return err == nil && len(s) == 2 && s[0].State == push.Confirmed
		})
	})
}

func corrupt(t *testing.T, dir string) {
	t.Helper()
	name := filepath.Join(dir, "real.all.feed")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRestartEnforcesBeforeTheHubIsThere(t *testing.T) {
	r := newRig(t, ledgertest.SQLite(t), 0)
	dir := t.TempDir()
	f, stop := r.edge(dir, "org_a", "nod_a")
	r.change(indicator.Put, ind(1, label.TLPGreen, "org_a"))
	until(t, "it blocks", func() bool { return blocks(f, "n1.example.com") && f.Set().Ready() })
	until(t, "the hub knows", func() bool {
		_, list, err := r.push.Deliveries(t.Context(), access.Hub(tree, "t"), "ind_0001")
		return err == nil && list[0].State == push.Confirmed
	})
	stop()
	r.air.mu.Lock()
	r.air.down = true
	r.air.mu.Unlock()
	again, _ := r.edge(dir, "org_a", "nod_a")
	if !blocks(again, "n1.example.com") || !again.Set().Ready() {
		t.Error("after a restart without the hub it does not block")
	}
	fresh, _ := r.edge(t.TempDir(), "org_a", "nod_x")
	if fresh.Set().Ready() {
		t.Error("an edge that never saw the hub says that it is ready")
	}
}

func TestLargeSetArrivesAsSnapshotInParts(t *testing.T) {
	r := newRig(t, ledgertest.SQLite(t), 0)
	var list []indicator.Indicator
	for n := range 5000 {
		i := ind(n, label.TLPGreen, "org_a")
		i.Reason = strings.Repeat("r", 100)
		list = append(list, i)
	}
	r.change(indicator.Put, list...)
	dir := t.TempDir()
	// A wrong set of the right length: only the digest tells.
	f, stop := r.edge(dir, "org_a", "nod_a")
	until(t, "the whole set is there", func() bool { return f.Set().Len() == 5000 })
	stop()
	corrupt(t, dir)
	again, _ := r.edge(dir, "org_a", "nod_a")
	until(t, "it is there again", func() bool { return again.Set().Len() == 5000 && again.Set().Ready() })
}

func TestForeignFeedsAndGarbageAreRefused(t *testing.T) {
	r := newRig(t, ledgertest.SQLite(t), 0)
	for req, kind := range map[string]fault.Kind{
		`{"feed":"real.org_b"}`: fault.Denied, `{"feed":"nonsense"}`: fault.Denied, `{`: fault.Invalid, ``: fault.Invalid,
	} {
		if _, err := r.push.HandleSync(t.Context(), "org_a", []byte(req)); fault.KindOf(err) != kind {
			t.Errorf("%s: %v", req, err)
		}
	}
	for ack, kind := range map[string]fault.Kind{
		`{"feed":"real.org_b"}`: fault.Denied, `{"feed":"real.all","seq":1,"enforced":"1999-01-01T00:00:00Z"}`: fault.Invalid, `]`: fault.Invalid,
	} {
		if err := r.push.HandleAck("org_a", "nod_a", []byte(ack)); fault.KindOf(err) != kind {
			t.Errorf("%s: %v", ack, err)
		}
	}
	f, _ := r.edge(t.TempDir(), "org_a", "nod_a")
	until(t, "ready", func() bool { return f.Set().Ready() })
	_ = r.air.Publish(t.Context(), "real.all", make([]byte, 200))
	_ = r.air.Publish(t.Context(), "real.all", []byte(`garbage`))
	r.change(indicator.Put, ind(1, label.TLPGreen, "org_a"))
	until(t, "it goes on after garbage", func() bool { return blocks(f, "n1.example.com") })
}

// FuzzNodeMessages sends what a hostile node may send.
func FuzzNodeMessages(f *testing.F) {
	f.Add([]byte(`{"feed":"real.all","seq":3,"digest":"x"}`))
	f.Add([]byte(`{"feed":"real.all","after":"ind_1","at":9}`))
	f.Add([]byte(`{"feed":"real.all","seq":1,"received":"2026-01-01T00:00:00Z","enforced":"2026-01-01T00:00:00Z"}`))
	_, key, _ := ed25519.GenerateKey(nil)
	p := push.New(push.Deps{DB: ledgertest.SQLite(f), Wire: &air{}, Key: key, Now: time.Now, Log: log, Tree: func() *org.Tree { return tree }, Edges: func() []push.Edge { return nil }})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, err := range []error{p.HandleAck("org_a", "nod_a", b), func() error { _, err := p.HandleSync(t.Context(), "org_a", b); return err }()} {
			if fault.KindOf(err) == fault.Internal && err != nil {
				t.Errorf("%q is our fault: %v", b, err)
			}
		}
	})
}

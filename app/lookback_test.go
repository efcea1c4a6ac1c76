package app

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"noroshi/access"
	"noroshi/analyse"
	"noroshi/analyse/hunt"
	"noroshi/analyse/match"
	"noroshi/analyse/sigma"
	"noroshi/event"
	"noroshi/eventstore"
	"noroshi/eventstore/victorialogs"
	"noroshi/finding"
	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/intel"
	"noroshi/label"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
	"noroshi/observable"
	"noroshi/org"
)

type pass struct{}

func (pass) Check(observable.Observable, label.Marking, indicator.Action, *org.Tree) (indicator.Verdict, []indicator.Reason) {
	return indicator.Pass, nil
}

func (pass) Enqueue(context.Context, *ledger.Tx, indicator.Indicator, indicator.Op) error { return nil }

func (pass) Kick() {}

// backRig is the stages that a look back needs, with a store of some events.
type backRig struct {
	*lookBack
	match *match.Set
	orgs  *org.Tree
}

func newBackRig(t *testing.T, db *ledger.DB) *backRig {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	s, err := victorialogs.Open(victorialogs.Config{Dir: t.TempDir(), MemoryMiB: 256, Retention: 30 * 24 * time.Hour}, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	var rows []eventstore.Row
	for i := range uint64(3) {
		rows = append(rows, lookup("org_a", 1, i+1, "www.evil-example.net"), lookup("org_b", 2, i+1, "evil-example.net"))
	}
	if err := s.Append(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	r := &backRig{match: match.New(), orgs: org.NewTree([]org.Organisation{{ID: "org_a", Tenant: 1}, {ID: "org_b", Tenant: 2}})}
	tree := func() *org.Tree { return r.orgs }
	found, err := analyse.New(analyse.Config{}, analyse.Deps{DB: db, Rules: &sigma.Set{}, Match: r.match, Tree: tree, Now: time.Now, Ident: ident.System()})
	if err != nil {
		t.Fatal(err)
	}
	in := intel.New(intel.Deps{DB: db, Gate: pass{}, Outbox: pass{}, Tree: tree, Now: time.Now, Ident: ident.System(), Log: log}, nil)
	r.lookBack = &lookBack{db: db, intel: in, findings: found, hunter: hunt.New(s), scope: func() access.Scope { return access.Hub(r.orgs, "hunt") },
		matched: r.match.Has, settled: func(context.Context) error { return nil }, log: log, wake: make(chan struct{}, 1)}
	return r
}

func lookup(o ident.ID, tenant uint32, seq uint64, name string) eventstore.Row {
	node := ident.ID("nod_of_" + o)
	e := &event.Event{ClassUID: event.DNSActivity, ActivityID: event.DNSTraffic, Time: time.Now().Add(-time.Hour).UnixMilli() + int64(seq), Query: &event.DNSQueryInfo{Hostname: name},
		Metadata: event.Metadata{UID: fmt.Sprintf("%s.%d", node, seq), Sequence: seq, Tenant: o, Reporter: event.Reporter{UID: node}}}
	e.Finish()
	return eventstore.Row{Tenant: tenant, Event: e}
}

// decide makes an indicator active.
func (r *backRig) decide(t *testing.T, value string, tlp label.TLP) indicator.Indicator {
	t.Helper()
	ind, err := r.intel.Decide(t.Context(), r.scope(), intel.Proposal{Org: "org_a", Observable: observable.Observable{Value: value}, Action: indicator.Observe,
		Confidence: 80, Valid: time.Hour, Reason: "bad", Marking: label.Marking{TLP: tlp, PAP: label.PAPGreen, Realm: label.Real}})
	if err != nil || ind.State != indicator.Active {
		t.Fatalf("%s is %s, %v", value, ind.State, err)
	}
	return ind
}

// counted is the findings that an indicator has, by organisation.
func (r *backRig) counted(t *testing.T, id ident.ID) map[ident.ID]int64 {
	t.Helper()
	p, err := r.findings.List(t.Context(), r.scope(), analyse.Filter{Indicator: id})
	if err != nil {
		t.Fatal(err)
	}
	out := map[ident.ID]int64{}
	for _, f := range p.Items {
		out[f.Org] += f.Count
	}
	return out
}

// all hunts until nothing is due.
func (r *backRig) all(t *testing.T) (hunted int) {
	t.Helper()
	for {
		n, err := r.round(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if hunted += n; n == 0 {
			return hunted
		}
	}
}

// TestEachIndicatorIsHuntedWhateverEnds decides more at once than fit in a
// hunt, and only then begins to look, as a hub does that was killed between.
func TestEachIndicatorIsHuntedWhateverEnds(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newBackRig(t, db)
		evil := r.decide(t, "evil-example.net", label.TLPGreen)
		red := r.decide(t, "www.evil-example.net", label.TLPRed)
		gone := r.decide(t, "gone-example.net", label.TLPGreen)
		for i := range hunt.MaxIndicators {
			r.decide(t, fmt.Sprintf("n%d.many-example.net", i), label.TLPGreen)
		}
		if n := r.all(t); n != 0 {
			t.Errorf("%d were hunted before the matcher had them", n)
		}
		if _, err := r.intel.Revoke(t.Context(), r.scope(), gone.ID, 0, "an appeal"); err != nil {
			t.Fatal(err)
		}
		due, err := r.intel.Unhunted(t.Context(), 2*hunt.MaxIndicators)
		if err != nil {
			t.Fatal(err)
		}
		for _, ind := range due {
			r.match.Put(ind)
		}
		if n := r.all(t); n != hunt.MaxIndicators+2 {
			t.Errorf("%d were hunted, not all", n)
		}
		want := fmt.Sprint(map[ident.ID]int64{"org_a": 3, "org_b": 3})
		if got := fmt.Sprint(r.counted(t, evil.ID)); got != want {
			t.Errorf("%s was seen %s, not %s", evil.Observable.Value, got, want)
		}
		if got := fmt.Sprint(r.counted(t, red.ID)); got != fmt.Sprint(map[ident.ID]int64{"org_a": 3}) {
			t.Errorf("a red indicator was seen %s: only its owner may learn of it", got)
		}
		// Two hubs, or one after a crash, look for the same: it counts once.
		r.again(t, db, evil)
		if got := fmt.Sprint(r.counted(t, evil.ID)); got != want {
			t.Errorf("%s was seen %s after a second look, not %s", evil.Observable.Value, got, want)
		}
		if got, err := r.findings.Seen(t.Context(), r.scope(), []ident.ID{evil.ID}); err != nil || got[evil.ID] != 6 {
			t.Errorf("it was seen %d times, %v", got[evil.ID], err)
		}
	})
}

// again marks an indicator as never hunted, and lets two hubs hunt it at once.
func (r *backRig) again(t *testing.T, db *ledger.DB, ind indicator.Indicator) {
	t.Helper()
	if err := db.Write(t.Context(), "test", func(tx *ledger.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO indicator_unhunted (indicator, since) VALUES (?, 1)`, string(ind.ID))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			if err := r.hunt(t.Context(), []indicator.Indicator{ind}); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if n := r.all(t); n != 0 {
		t.Errorf("%d are still to be hunted", n)
	}
}

// TestLookBackRunsWhenAsked lets the background find what is decided.
func TestLookBackRunsWhenAsked(t *testing.T) {
	r := newBackRig(t, ledgertest.SQLite(t))
	seen := make(chan finding.Finding, 8)
	r.findings.OnChange = func(f finding.Finding) { seen <- f }
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.run(ctx) }()
	ind := r.decide(t, "evil-example.net", label.TLPGreen)
	r.match.Put(ind)
	r.look()
	for range 2 {
		if f := <-seen; f.Indicator != ind.ID || f.Source != finding.ByHunt || f.Count != 3 {
			t.Errorf("%+v", f)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

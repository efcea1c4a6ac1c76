package intel_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/finding"
	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/intel"
	"noroshi/intel/gate"
	"noroshi/label"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
	"noroshi/observable"
	"noroshi/org"
)

// outbox keeps what would be pushed.
type outbox struct {
	mu  sync.Mutex
	ops []string
}

func (o *outbox) Enqueue(_ context.Context, _ *ledger.Tx, ind indicator.Indicator, op indicator.Op) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ops = append(o.ops, string(op)+" "+ind.Observable.Value)
	return nil
}

func (o *outbox) Kick() {}

func (o *outbox) last() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.ops) == 0 {
		return ""
	}
	return o.ops[len(o.ops)-1]
}

var tree = org.NewTree([]org.Organisation{{ID: "org_0", Name: "Centre"}, {ID: "org_a", Parent: "org_0", Name: "A", Assets: org.Assets{Domains: []string{"a.example.jp"}}}, {ID: "org_b", Parent: "org_0"}})

type rig struct {
	*intel.Intel
	out *outbox
	now time.Time
	hub access.Scope
}

func newRig(t testing.TB, db *ledger.DB, with *org.Tree) *rig {
	t.Helper()
	g, err := gate.New(gate.Config{})
	if err != nil {
		t.Fatal(err)
	}
	policies, err := intel.Policies()
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{out: &outbox{}, now: time.Now().UTC(), hub: access.Hub(with, "t")}
	r.Intel = intel.New(intel.Deps{DB: db, Gate: g, Outbox: r.out, Tree: func() *org.Tree { return with }, Now: func() time.Time { return r.now }, Ident: ident.System(), Log: slog.New(slog.DiscardHandler)}, policies)
	return r
}

func proposal(value string) intel.Proposal {
	return intel.Proposal{Org: "org_a", Observable: observable.Observable{Value: value}, Action: indicator.Block, Confidence: 80, Valid: time.Hour, Reason: "bad",
		Marking: label.Marking{TLP: label.TLPGreen, PAP: label.PAPGreen, Realm: label.Real}}
}

func TestLifeOfAnIndicator(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r, ctx := newRig(t, db, tree), t.Context()
		ind, err := r.Decide(ctx, r.hub, proposal("evil[.]badsite-example.net"))
		if err != nil || ind.State != indicator.Active || r.out.last() != "put evil.badsite-example.net" {
			t.Fatalf("%+v, %v, pushed %q", ind, err, r.out.last())
		}
		again, err := r.Decide(ctx, r.hub, proposal("EVIL.badsite-example.net."))
		if err != nil || again.ID != ind.ID {
			t.Errorf("the same thing became two indicators: %v, %v", again.ID, err)
		}
		if _, err := r.Revoke(ctx, r.hub, ind.ID, again.Version, "appeal"); err != nil || r.out.last() != "remove evil.badsite-example.net" {
			t.Errorf("revoke: %v, pushed %q", err, r.out.last())
		}
		if _, err := r.Revoke(ctx, r.hub, ind.ID, again.Version, "appeal"); fault.KindOf(err) != fault.Conflict {
			t.Errorf("a second revocation: %v", err)
		}
		p := proposal("evil.badsite-example.net")
		p.Policy = "serious"
		if back, err := r.Decide(ctx, r.hub, p); err != nil || back.State != indicator.Revoked {
			t.Errorf("a policy made again what a person revoked: %+v, %v", back.State, err)
		}
		short, err := r.Decide(ctx, r.hub, proposal("soon.badsite-example.net"))
		if err != nil {
			t.Fatal(err)
		}
		r.now = r.now.Add(2 * time.Hour)
		if err := r.Expire(ctx); err != nil {
			t.Fatal(err)
		}
		if got, err := r.Get(ctx, r.hub, short.ID); err != nil || got.State != indicator.Expired || r.out.last() != "remove soon.badsite-example.net" {
			t.Errorf("after its time it is %s, %v, pushed %q", got.State, err, r.out.last())
		}
		h, err := r.History(ctx, r.hub, ind.ID)
		if err != nil || len(h) != 2 {
			t.Errorf("history: %v, %v", h, err)
		}
	})
}

func TestGateHoldsForAPersonWhoMayLetPass(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r, ctx := newRig(t, db, tree), t.Context()
		for value, want := range map[string]indicator.State{
			"co.jp": indicator.Refused, "github.io": indicator.Refused, "www.a.example.jp": indicator.Held, "dns.jp": indicator.Held, "8.8.8.8": indicator.Held,
			"10.1.2.3": indicator.Refused, "203.0.112.0/20": indicator.Held, "0.0.0.0/4": indicator.Refused, "x.drill.noroshi.test": indicator.Refused,
			"localhost.localdomain.local": indicator.Refused, "download.windowsupdate.com": indicator.Held, "something-new.net": indicator.Active, "45.77.1.2": indicator.Active,
		} {
			ind, err := r.Decide(ctx, r.hub, proposal(value))
			if err != nil || ind.State != want {
				t.Errorf("%s is %s, not %s (%v): %v", value, ind.State, want, err, ind.GateReasons)
			}
			if ind.State != indicator.Active && len(ind.GateReasons) == 0 {
				t.Errorf("%s is %s without a reason", value, ind.State)
			}
			for _, g := range ind.GateReasons {
				if g.Text == "" || g.TextJA == "" {
					t.Errorf("%s: a reason lacks a language: %+v", value, g)
				}
			}
			if ind.State == indicator.Held {
				if got, err := r.Release(ctx, r.hub, ind.ID, ind.Version, "checked by hand"); err != nil || got.State != indicator.Active {
					t.Errorf("release of %s: %v, %v", value, got.State, err)
				}
			}
		}
		p := proposal("passive.badsite-example.net")
		p.Marking.PAP = label.PAPAmber
		if ind, err := r.Decide(ctx, r.hub, p); err != nil || ind.State != indicator.Refused {
			t.Errorf("a block under PAP:AMBER is %s, %v", ind.State, err)
		}
	})
}

func TestPoliciesDecideDrillsAndLeaveTheRestToAPerson(t *testing.T) {
	r, ctx := newRig(t, ledgertest.SQLite(t), tree), t.Context()
	f := finding.Finding{ID: "fnd_1", Org: "org_a", State: finding.New, Source: finding.BySigma, Realm: label.Exercise, Rule: finding.Rule{Level: finding.High},
		Observables: []observable.Observable{{Kind: observable.Domain, Value: "x.drill.noroshi.test"}, {Kind: observable.Domain, Value: "www.example.org"}}}
	made, err := r.Consider(ctx, r.hub, f)
	if err != nil || len(made) != 1 || made[0].State != indicator.Active || made[0].Realm != label.Exercise {
		t.Errorf("the drill made %+v, %v", made, err)
	}
	f.Realm, f.Observables = label.Real, []observable.Observable{{Kind: observable.Domain, Value: "c2.badsite-example.net"}}
	made, err = r.Consider(ctx, r.hub, f)
	if err != nil || len(made) != 1 || made[0].State != indicator.Held {
		t.Errorf("the real one made %+v, %v", made, err)
	}
}

// TestNobodySeesWhatIsNotTheirs asks by every read path, over random trees and
// markings, and compares with what the marking says.
func TestNobodySeesWhatIsNotTheirs(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(2, 7).Draw(rt, "n")
		list := []org.Organisation{{ID: "org_0", Tenant: 1}}
		for i := 1; i < n; i++ {
			list = append(list, org.Organisation{ID: ident.ID(fmt.Sprintf("org_%d", i)), Tenant: uint32(i + 1), Parent: list[rapid.IntRange(0, i-1).Draw(rt, "parent")].ID})
		}
		with := org.NewTree(list)
		r := newRig(t, ledgertest.SQLite(t), with)
		var made []indicator.Indicator
		for i := range rapid.IntRange(1, 6).Draw(rt, "indicators") {
			p := proposal(fmt.Sprintf("n%d.badsite-example.net", i))
			p.Org = list[rapid.IntRange(0, n-1).Draw(rt, "owner")].ID
			p.Marking.TLP = label.TLP(rapid.IntRange(1, 5).Draw(rt, "tlp"))
			if rapid.Bool().Draw(rt, "shared") {
				p.SharedWith = []ident.ID{list[rapid.IntRange(0, n-1).Draw(rt, "with")].ID}
			}
			ind, err := r.Decide(t.Context(), r.hub, p)
			if err != nil {
				rt.Fatal(err)
			}
			made = append(made, ind)
		}
		reader := list[rapid.IntRange(0, n-1).Draw(rt, "reader")]
		s := access.Hub(org.NewTree([]org.Organisation{reader}), "reader")
		seen, want := map[ident.ID]bool{}, 0
		for cursor, more := "", true; more; {
			page, err := r.List(t.Context(), s, intel.Filter{Limit: 2, Cursor: cursor})
			if err != nil {
				rt.Fatal(err)
			}
			for _, x := range page.Items {
				seen[x.ID] = true
			}
			cursor, more = page.Next, page.Next != ""
		}
		for _, ind := range made {
			may := ind.Org == reader.ID || with.Audience(ind.Org, ind.TLP, ind.SharedWith)[reader.ID]
			if may {
				want++
			}
			_, err := r.Get(t.Context(), s, ind.ID)
			if seen[ind.ID] != may || (err == nil) != may || (!may && fault.KindOf(err) != fault.NotFound) {
				rt.Fatalf("%s of %s under %s, shared with %v: %s sees it %v, may %v, get says %v", ind.ID, ind.Org, ind.TLP, ind.SharedWith, reader.ID, seen[ind.ID], may, err)
			}
			if _, err := r.Revoke(t.Context(), s, ind.ID, ind.Version, "x"); (err == nil) != (ind.Org == reader.ID && ind.State == indicator.Active) {
				rt.Fatalf("%s revoked what %s owns: %v", reader.ID, ind.Org, err)
			}
		}
		counts, err := r.Counts(t.Context(), s, label.RealmUnknown)
		total := int64(0)
		for _, c := range counts {
			total += c
		}
		if err != nil || total != int64(want) {
			rt.Fatalf("the counts tell of %d indicators, %d may be seen: %v", total, want, err)
		}
	})
}

func FuzzParsePolicy(f *testing.F) {
	f.Add([]byte("name: x\nrealm: real\nwhen: {source: [sigma], level: high, kinds: [domain]}\nthen: {decide: ask, tlp: GREEN, pap: GREEN, valid: 1h, reason: r}\n"))
	f.Add([]byte("a: &a [*a, *a]"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := intel.ParsePolicy("f.yml", b)
		if err == nil && (p.Name == "" || p.Then.Valid <= 0) {
			t.Errorf("a policy without name or end: %+v", p)
		}
	})
}

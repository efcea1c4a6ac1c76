package systems_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"noroshi/access"
	"noroshi/action"
	"noroshi/analyse/systems"
	"noroshi/fault"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
)

// decision is a document of OpenVEX with one statement about one product.
func decision(name, product, status string, day int) []byte {
	reason := ""
	if status == "not_affected" {
		reason = `"justification":"vulnerable_code_not_in_execute_path","impact_statement":"we never call it",`
	}
	return fmt.Appendf(nil, `{"@context":"https://openvex.dev/ns/v0.2.0","@id":"https://example.org/vex/1","author":"Shop team","timestamp":"2026-11-%02dT00:00:00Z","version":1,
		"statements":[{"vulnerability":{"name":%q},"products":[{"@id":%q}],%s"status":%q}]}`, day, name, product, reason, status)
}

func (r *rig) decide(t testing.TB, s access.Scope, document []byte) systems.VEX {
	t.Helper()
	v, err := r.Decide(t.Context(), s, s.Orgs()[0], "ours.json", false, document)
	must(t, err)
	return v
}

// only is the one weakness on the board.
func (b *board) only(t testing.TB) action.Weakness {
	t.Helper()
	for _, w := range b.there {
		if len(b.there) == 1 {
			return w
		}
	}
	t.Fatalf("on the board is %v", b.says())
	return action.Weakness{}
}

// TestADecisionActsOnWhatIsMatched: it is said with the hit, lasts over versions
// for as long as its condition holds, and only in its own organisation.
func TestADecisionActsOnWhatIsMatched(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx, r := t.Context(), newRig(t, db)
		shop := r.system(t, r.a, "shop", systems.Facts{}, "pkg:npm/left@2.0.0")
		r.load(t, "", []byte(advisory("GHSA-1", "CVE-2026-1", "left", "9.0.0")))
		other := r.hub(t)
		v := r.decide(t, r.a, decision("GHSA-1", "pkg:npm/left?vers=vers:npm/>=2.0.0|<3.0.0", "not_affected", 1))
		if v.Statements != 1 || v.Format != "OpenVEX" || v.State != systems.InForce || v.By != r.a.Actor() || v.File != "ours.json" {
			t.Errorf("kept is %+v", v)
		}
		must(t, r.Match(ctx))
		d := r.board.only(t).Decision
		if d == nil || d.Status != "not_affected" || d.Justification != "vulnerable_code_not_in_execute_path" ||
			d.Why != "Decided that it does not hit by Shop team in https://example.org/vex/1, 2026-11-01: vulnerable_code_not_in_execute_path: we never call it" || !strings.Contains(d.WhyJA, "脆弱なコードは実行されない: we never call it") {
			t.Errorf("the decision is %+v", d)
		}
		must(t, other.Refresh(ctx))
		for name, x := range map[string]*systems.Systems{"the hub": r.Systems, "another hub": other} {
			who, err := x.WhoIsHit(ctx, r.a, "CVE-2026-1", "", 0)
			if err != nil || who.Systems != 0 || who.Organisations != 0 || who.Decided != 1 || len(who.Items) != 1 || who.Items[0].Decision.Why != "we never call it" {
				t.Errorf("%s: who is hit: %+v, %v", name, who, err)
			}
			if f, err := x.Found(ctx, r.a, shop.ID); err != nil || f.Total != 0 || f.Decided != 1 || f.Hits[0].Decision == nil {
				t.Errorf("%s: found is %+v, %v", name, f, err)
			}
		}
		upload := func(parts string) *action.Decision {
			t.Helper()
			_, err := r.Upload(ctx, r.a, shop.ID, parts, "", []byte(parts))
			must(t, err)
			must(t, r.Match(ctx))
			return r.board.only(t).Decision
		}
		if upload("pkg:npm/left@2.5.0") == nil {
			t.Error("another version of the range lost the decision")
		}
		if upload("pkg:npm/left@2.5.0 pkg:npm/left@3.5.0") != nil || r.board.only(t).Version != "3.5.0" {
			t.Errorf("one version outside is decided too: %+v", r.board.only(t))
		}
		if upload("pkg:npm/left@3.5.0") != nil {
			t.Error("a version outside the range is decided")
		}
		if upload("pkg:npm/left@2.5.0") == nil {
			t.Error("back in the range it is not decided")
		}
		if _, err := r.Withdraw(ctx, r.a, v.ID, v.Version, " "); fault.KindOf(err) != fault.Invalid {
			t.Errorf("withdrawn without a reason: %v", err)
		}
		v, err := r.Withdraw(ctx, r.a, v.ID, v.Version, "we call it after all")
		must(t, err)
		if _, err := r.Withdraw(ctx, r.a, v.ID, v.Version, "again"); fault.KindOf(err) != fault.Conflict {
			t.Errorf("withdrawn twice: %v", err)
		}
		must(t, r.Match(ctx))
		if r.board.only(t).Decision != nil {
			t.Error("what was withdrawn still decides")
		}
		surveys := len(r.board.surveys)
		r.decide(t, r.a, decision("CVE-2026-1", "pkg:npm/left", "under_investigation", 2))
		must(t, r.Match(ctx))
		if len(r.board.surveys) != surveys {
			t.Error("a decision that changes nothing made a survey")
		}
	})
}

// TestDecisionsAreOfOneOrganisation: nobody else's systems, lists or hands.
func TestDecisionsAreOfOneOrganisation(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx, r := t.Context(), newRig(t, db)
		r.system(t, r.b, "other", systems.Facts{}, "pkg:npm/left@2.0.0")
		r.load(t, "", []byte(advisory("GHSA-1", "CVE-2026-1", "left", "9.0.0")))
		document := decision("CVE-2026-1", "pkg:npm/left", "not_affected", 1)
		v := r.decide(t, r.a, document)
		if again := r.decide(t, r.a, document); again.ID != v.ID {
			t.Error("the same document is in force twice")
		}
		must(t, r.Match(ctx))
		if r.board.only(t).Decision != nil {
			t.Error("one organisation decided about another's system")
		}
		_, err := r.Decide(ctx, r.b, orgA, "x", false, document)
		_, _, read := r.Decisions(ctx, r.b, v.ID)
		_, withdrawn := r.Withdraw(ctx, r.b, v.ID, v.Version, "x")
		for what, err := range map[string]error{"decides": err, "reads": read, "withdraws": withdrawn} {
			if fault.KindOf(err) != fault.NotFound {
				t.Errorf("another %s: %v", what, err)
			}
		}
		if p, err := r.Decided(ctx, r.b, systems.VEXFilter{}); err != nil || len(p.Items) != 0 {
			t.Errorf("another sees %+v, %v", p, err)
		}
		if p, err := r.Decided(ctx, r.centre, systems.VEXFilter{Org: orgA}); err != nil || len(p.Items) != 1 || p.Items[0].ID != v.ID {
			t.Errorf("the centre sees %+v, %v", p, err)
		}
		if _, kept, err := r.Decisions(ctx, r.a, v.ID); err != nil || string(kept) != string(document) {
			t.Errorf("kept is %s, %v", kept, err)
		}
		for name, text := range map[string]string{"no JSON": "{", "nothing decided": string(decision("CVE-2026-1", "pkg:npm/left", "perhaps", 1))} {
			if _, err := r.Decide(ctx, r.a, orgA, "x", false, []byte(text)); fault.KindOf(err) != fault.Invalid {
				t.Errorf("%s: %v", name, err)
			}
		}
		if len(r.aside) != 2 || r.aside[0].Org != orgA {
			t.Errorf("set aside was %+v", r.aside)
		}
		r.full = fault.New(fault.Exhausted, "disk", "nearly full")
		if _, err := r.Decide(ctx, r.a, orgA, "x", false, document); fault.KindOf(err) != fault.Exhausted {
			t.Errorf("the disk is nearly full: %v", err)
		}
		r.full = nil
		// What was withdrawn goes with time, all with the organisation.
		second := r.decide(t, r.a, decision("CVE-2026-2", "pkg:npm/left", "not_affected", 1))
		_, err = r.Withdraw(ctx, r.a, second.ID, second.Version, "x")
		must(t, err)
		r.now = r.now.Add(time.Hour)
		if n, err := r.Forget(ctx, orgA, r.now); err != nil || n != 1 {
			t.Errorf("retention dropped %d, %v", n, err)
		}
		if n, err := r.Forget(ctx, orgA, time.Time{}); err != nil || n != 1 {
			t.Errorf("deleted were %d, %v", n, err)
		}
		if p, err := r.Decided(ctx, r.centre, systems.VEXFilter{}); err != nil || len(p.Items) != 0 {
			t.Errorf("%+v stay, %v", p, err)
		}
	})
}

package remediation_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"noroshi/access"
	"noroshi/act/remediation"
	"noroshi/action"
	"noroshi/fault"
	"noroshi/label"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
)

func TestOneRecordFromFindingToProofAndBack(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db)
		w := weakness("org_a", 1, "CVE-2026-1", action.Critical)
		w.Threat.KEV = true
		first := r.survey("org_a", at(1), w)
		if out := r.take(t, first); out.New != 1 || out.Repeated {
			t.Fatalf("the first survey: %+v", out)
		}
		a := r.only(t, remediation.Filter{})
		if a.State != action.Open || !a.OwnerKnown || !a.Due.Equal(r.now.AddDate(0, 0, 14)) || a.DueWhy == "" || a.DueWhyJA == "" || a.Org != "org_a" {
			t.Fatalf("the action is %+v", a)
		}
		if out := r.take(t, first); out.New != 1 || !out.Repeated || r.only(t, remediation.Filter{}).Version != a.Version {
			t.Errorf("handed in again: %+v", out)
		}
		changed := first
		changed.By = "another"
		if _, err := r.Take(t.Context(), r.hub, changed); fault.KindOf(err) != fault.Conflict {
			t.Errorf("another survey under the same identifier: %v", err)
		}

		r.now = r.now.Add(day)
		worker := r.as(t, "w", "org_a", access.Analyst, access.WorkActions)
		a, err := r.Claim(t.Context(), worker, a.ID, a.Version, "patched")
		must(t, err)
		late := r.survey("org_a", at(1), w)
		late.Began, late.Ended = r.now.Add(-2*time.Hour), r.now.Add(-time.Hour)
		r.take(t, late)
		if a = r.only(t, remediation.Filter{}); a.State != action.Claimed || !a.LastSeen.Equal(late.Ended) {
			t.Errorf("a look before the claim decided about it: %+v", a)
		}
		r.now = r.now.Add(time.Hour)
		if out := r.take(t, r.survey("org_a", at(1), w)); out.Denied != 1 || out.Seen != 1 {
			t.Errorf("claimed and still there: %+v", out)
		}
		if a = r.only(t, remediation.Filter{}); a.State != action.Open || a.Why == "" || a.WhyJA == "" {
			t.Errorf("after that it is %+v", a)
		}

		r.now = r.now.Add(day)
		elsewhere := r.survey("org_b", at(1))
		if out := r.take(t, elsewhere); out.Proved != 0 {
			t.Errorf("a survey of another organisation proved: %+v", out)
		}
		if out := r.take(t, r.survey("org_a", at(1))); out.Proved != 1 {
			t.Errorf("not seen any more: %+v", out)
		}
		if a = r.only(t, remediation.Filter{}); a.State != action.Proved || a.Proof == nil || !a.Ended.Equal(r.now) {
			t.Errorf("proved it is %+v", a)
		}
		r.now = r.now.Add(day)
		r.take(t, r.survey("org_a", at(1), w))
		b := r.only(t, remediation.Filter{})
		if b.ID != a.ID || b.State != action.Open || b.Reopened != 1 || !b.Due.Equal(r.now.AddDate(0, 0, 14)) || b.Proof != nil || !b.FirstSeen.Equal(start) {
			t.Errorf("returned it is %+v", b)
		}
		h, err := r.History(t.Context(), worker, a.ID)
		must(t, err)
		var events []string
		for _, c := range h {
			events = append(events, c.Action)
		}
		if fmt.Sprint(events) != "[opened claimed denied proved reopened]" {
			t.Errorf("the history is %v", events)
		}
	})
}

func TestSilenceProvesOnlyTwiceAndApart(t *testing.T) {
	r := newRig(t, ledgertest.SQLite(t))
	r.take(t, r.survey("org_a", at(1), weakness("org_a", 1, "x", action.Low)))
	for i, c := range []struct {
		later time.Duration
		state action.State
	}{{day, action.Open}, {time.Hour, action.Open}, {6 * time.Hour, action.Proved}} {
		r.now = r.now.Add(c.later)
		r.take(t, r.survey("org_a", nil))
		if a := r.only(t, remediation.Filter{}); a.State != c.state {
			t.Fatalf("after silence %d it is %s", i+1, a.State)
		}
	}
	r.take(t, r.survey("org_a", at(1), weakness("org_a", 1, "x", action.Low)))
	r.now = r.now.Add(day)
	r.take(t, r.survey("org_a", nil))
	r.now = r.now.Add(day)
	r.take(t, r.survey("org_a", at(1), weakness("org_a", 1, "x", action.Low)))
	r.now = r.now.Add(day)
	r.take(t, r.survey("org_a", nil))
	if a := r.only(t, remediation.Filter{}); a.State != action.Open {
		t.Error("two silences with an answer between them proved it")
	}
}

func TestOldSurveyChangesNothing(t *testing.T) {
	r := newRig(t, ledgertest.SQLite(t))
	w := weakness("org_a", 1, "x", action.Low)
	old := r.survey("org_a", at(1))
	r.now = r.now.Add(day)
	r.take(t, r.survey("org_a", at(1), w))
	if out := r.take(t, old); out.Proved != 0 {
		t.Errorf("a survey from before it was seen proved it gone: %+v", out)
	}
	r.now = r.now.Add(day)
	r.take(t, r.survey("org_a", at(1)))
	seen := old
	seen.ID, seen.Weaknesses = r.make.New("srv"), []action.Weakness{w}
	if out := r.take(t, seen); out.Reopened != 0 || out.Skipped != 1 {
		t.Errorf("a survey from before the proof reopened: %+v", out)
	}
}

// TestInterruptedSurveyGoesOn cuts a large survey off after its first transaction.
func TestInterruptedSurveyGoesOn(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db)
		v := r.survey("org_a", at(1))
		v.Coverage.Assets = []string{"gone"}
		for i := range 9000 {
			v.Weaknesses = append(v.Weaknesses, weakness("org_a", i%200, fmt.Sprint("n", i), action.Low))
		}
		ctx, stop := context.WithCancel(t.Context())
		r.OnChange = func(remediation.Change) { stop() }
		if _, err := r.Take(ctx, r.hub, v); err == nil {
			t.Fatal("a survey that was cut off was taken")
		}
		counts, err := r.Counts(t.Context(), r.hub, "", label.Real)
		must(t, err)
		if n := counts[action.Open]; n == 0 || n == 9000 {
			t.Fatalf("it was cut off after %d", n)
		}
		out := r.take(t, v)
		counts, err = r.Counts(t.Context(), r.hub, "", label.Real)
		must(t, err)
		if out.New != 9000 || out.Repeated || counts[action.Open] != 9000 {
			t.Errorf("handed in again: %+v, %v", out, counts)
		}
	})
}

func TestOwnerIsFoundAndTheRecordFollows(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db)
		w := weakness("", 1, "x", action.High)
		r.take(t, r.survey("org_0", at(1), w))
		a := r.only(t, remediation.Filter{OwnerUnknown: true})
		if a.Org != "org_0" || a.OwnerKnown {
			t.Fatalf("without an owner it is %+v", a)
		}
		centre := r.as(t, "c", "org_0", access.Analyst, access.WorkActions)
		if _, err := r.SetOwner(t.Context(), r.as(t, "a", "org_a", access.Analyst, access.WorkActions), a.ID, a.Version, "org_a", ""); fault.KindOf(err) != fault.NotFound {
			t.Errorf("taken from above: %v", err)
		}
		moved, err := r.SetOwner(t.Context(), centre, a.ID, a.Version, "org_b", "the address is registered to it")
		must(t, err)
		if moved.Org != "org_b" || !moved.OwnerKnown || moved.ID != a.ID {
			t.Errorf("moved it is %+v", moved)
		}
		r.now = r.now.Add(day)
		r.take(t, r.survey("org_0", at(1), w)) // The source still does not know.
		if a = r.only(t, remediation.Filter{}); a.ID != moved.ID || !a.LastSeen.Equal(r.now) {
			t.Errorf("seen again it is %+v", a)
		}
		r.now = r.now.Add(day)
		if out := r.take(t, r.survey("org_0", at(1))); out.Proved != 1 {
			t.Errorf("gone: %+v", out)
		}
		// A source that finds out later takes the record along.
		u := weakness("", 2, "y", action.High)
		r.take(t, r.survey("org_0", at(2), u))
		b := r.only(t, remediation.Filter{OwnerUnknown: true})
		r.now = r.now.Add(day)
		u.Org = "org_a1"
		r.take(t, r.survey("org_0", at(2), u))
		if c := r.only(t, remediation.Filter{Org: "org_a1"}); c.ID != b.ID || !c.OwnerKnown {
			t.Errorf("known it is %+v", c)
		}
		counts, err := r.Counts(t.Context(), r.hub, "org_0", label.Real)
		must(t, err)
		if counts[action.Open] != 0 || counts[action.Proved] != 0 {
			t.Errorf("what went elsewhere is still counted: %v", counts)
		}
	})
}

func TestSurveyTouchesOnlyItsScope(t *testing.T) {
	r := newRig(t, ledgertest.SQLite(t))
	s := r.as(t, "o", "org_a", access.Operator, access.ReportSurveys)
	foreign := r.survey("org_a", at(1), weakness("org_b", 1, "x", action.Low))
	also := r.survey("org_a", at(1))
	also.Orgs = append(also.Orgs, "org_b")
	for _, v := range []action.Survey{foreign, also, r.survey("org_b", at(1)), r.survey("org_0", at(1)), r.survey("org_never", at(1))} {
		if _, err := r.Take(t.Context(), s, v); fault.KindOf(err) != fault.NotFound {
			t.Errorf("%v: %v", v.Org, err)
		}
	}
	r.take(t, r.survey("org_b", at(1), weakness("org_b", 1, "x", action.Low)))
	id := r.only(t, remediation.Filter{}).ID
	viewer := r.as(t, "v", "org_a", access.Administrator, access.ViewActions)
	if _, err := r.Get(t.Context(), viewer, id); fault.KindOf(err) != fault.NotFound {
		t.Errorf("another's action: %v", err)
	}
	if _, err := r.Claim(t.Context(), viewer, id, 1, ""); fault.KindOf(err) != fault.NotFound {
		t.Errorf("claimed another's action: %v", err)
	}
	p, err := r.List(t.Context(), viewer, remediation.Filter{Text: "x"})
	must(t, err)
	if len(p.Items) != 0 {
		t.Errorf("another's actions are listed: %v", p.Items)
	}
}

// TestADecisionRefutesForAsLongAsItIsSaid: what is seen and decided is refuted,
// never proved, asks for nothing, and is open again, as the same record, when it is
// seen without the decision.
func TestADecisionRefutesForAsLongAsItIsSaid(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx, r := t.Context(), newRig(t, db)
		w := weakness("org_a", 1, "CVE-2026-1", action.Critical)
		look := func(d *action.Decision) action.Outcome {
			r.now = r.now.Add(day)
			w.Decision = d
			v := r.survey("org_a", at(1), w)
			v.Source = action.BySBOM
			return r.take(t, v)
		}
		not := &action.Decision{Status: "not_affected", Justification: "component_not_present", Why: "never called", WhyJA: "呼び出されない"}
		look(not)
		a := r.only(t, remediation.Filter{})
		id := a.ID
		if a.State != action.Refuted || a.Why != "never called" || a.WhyJA != "呼び出されない" || a.Proof != nil || !a.RefutedUntil.IsZero() {
			t.Fatalf("decided from the first day: %+v", a)
		}
		if h, err := r.History(ctx, r.hub, id); err != nil || len(h) != 1 || h[0].Action != "refuted" {
			t.Errorf("its history is %+v, %v", h, err)
		}
		r.now = r.now.AddDate(2, 0, 0)
		must(t, r.Tick(ctx))
		if p, err := r.Reminders(ctx, r.hub, "", "", 0); err != nil || len(p.Items) > 0 || r.only(t, remediation.Filter{}).State != action.Refuted {
			t.Errorf("time ended it, or reminded of it: %+v, %v", p, err)
		}
		if out := look(nil); out.Reopened != 1 {
			t.Errorf("without the decision: %+v", out)
		}
		a = r.only(t, remediation.Filter{})
		if a.ID != id || a.State != action.Open || a.Weakness.Decision != nil || !a.Due.After(r.now) || a.Why == "" || a.WhyJA == "" {
			t.Errorf("after that it is %+v", a)
		}
		// A person refutes it until a day; a decision holds beyond that day.
		a, err := r.Refute(ctx, r.hub, id, a.Version, "the banner lies", r.now.Add(2*day))
		must(t, err)
		look(not)
		if a = r.only(t, remediation.Filter{}); a.Why != "the banner lies" {
			t.Errorf("the person's word is gone: %+v", a)
		}
		r.now = r.now.Add(2 * day)
		must(t, r.Tick(ctx))
		if a = r.only(t, remediation.Filter{}); a.State != action.Refuted || a.Why != "never called" {
			t.Errorf("the person's day has passed, the decision holds, and it is %+v", a)
		}
		w.Decision = &action.Decision{Status: "affected", Why: "it hits"}
		v := r.survey("org_a", at(1), w)
		v.Source = action.BySBOM
		if _, err := r.Take(ctx, r.hub, v); fault.KindOf(err) != fault.Invalid {
			t.Errorf("a decision that it hits: %v", err)
		}
		v.Source, v.Weaknesses[0].Decision = action.BySurface, not
		if _, err := r.Take(ctx, r.hub, v); fault.KindOf(err) != fault.Invalid {
			t.Errorf("a scan decides: %v", err)
		}
	})
}

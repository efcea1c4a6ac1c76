package remediation_test

import (
	"strings"
	"testing"
	"time"

	"noroshi/access"
	"noroshi/act/remediation"
	"noroshi/action"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
)

const day = 24 * time.Hour

func TestExceptionNeedsTwoPeopleAndEnds(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx, r := t.Context(), newRig(t, db)
		r.take(t, r.survey("org_a", at(1), weakness("org_a", 1, "x", action.High)))
		a := r.only(t, remediation.Filter{})
		one, other := r.as(t, "one", "org_a", access.Administrator, access.WorkActions), r.as(t, "other", "org_a", access.Administrator, access.ApproveExceptions)
		for _, until := range []time.Time{r.now, r.now.Add(366 * day), {}} {
			if _, err := r.Except(ctx, one, a.ID, a.Version, "old machine", until); fault.KindOf(err) != fault.Invalid {
				t.Errorf("until %s: %v", until, err)
			}
		}
		if _, err := r.Approve(ctx, other, a.ID, a.Version, ""); fault.KindOf(err) != fault.Conflict {
			t.Errorf("approved what nobody asked for: %v", err)
		}
		asked, err := r.Except(ctx, one, a.ID, a.Version, "old machine", r.now.Add(60*day))
		must(t, err)
		if asked.State != action.Open {
			t.Errorf("asked for, it is %s", asked.State)
		}
		if _, err := r.Approve(ctx, one, a.ID, asked.Version, ""); fault.KindOf(err) != fault.Denied {
			t.Errorf("approved one's own: %v", err)
		}
		if _, err := r.Approve(ctx, other, a.ID, a.Version, ""); fault.KindOf(err) != fault.Conflict {
			t.Errorf("approved an old version: %v", err)
		}
		x, err := r.Approve(ctx, other, a.ID, asked.Version, "until it is replaced")
		must(t, err)
		if x.State != action.Excepted || x.Exception.Approver != "person:psn_other" {
			t.Errorf("approved it is %+v", x)
		}
		r.now = r.now.Add(60 * day)
		must(t, r.Tick(ctx))
		if a = r.only(t, remediation.Filter{Overdue: true}); a.State != action.Open || a.Exception != nil || a.Why == "" {
			t.Errorf("ended it is %+v", a)
		}
		asked, err = r.Except(ctx, one, a.ID, a.Version, "again", r.now.Add(day))
		must(t, err)
		if x, err = r.Refuse(ctx, other, a.ID, asked.Version, "no"); err != nil || x.Exception != nil || x.State != action.Open {
			t.Errorf("refused it is %+v, %v", x, err)
		}
	})
}

func TestRefutationStaysUntilItEnds(t *testing.T) {
	ctx, r := t.Context(), newRig(t, ledgertest.SQLite(t))
	w := weakness("org_a", 1, "x", action.High)
	r.take(t, r.survey("org_a", at(1), w))
	a := r.only(t, remediation.Filter{})
	s := r.as(t, "one", "org_a", access.Analyst, access.WorkActions)
	if _, err := r.Refute(ctx, s, a.ID, a.Version, "", r.now.Add(day)); fault.KindOf(err) != fault.Invalid {
		t.Errorf("without a reason: %v", err)
	}
	_, err := r.Refute(ctx, s, a.ID, a.Version, "the banner lies", r.now.Add(30*day))
	must(t, err)
	r.now = r.now.Add(day)
	r.take(t, r.survey("org_a", at(1), w))
	r.take(t, r.survey("org_a", at(1)))
	if a = r.only(t, remediation.Filter{}); a.State != action.Refuted {
		t.Errorf("a survey turned what was refuted into %s", a.State)
	}
	r.now = r.now.Add(29 * day)
	must(t, r.Tick(ctx))
	if a = r.only(t, remediation.Filter{}); a.State != action.Open || a.Reopened != 1 || !a.Due.Equal(r.now.Add(30*day)) {
		t.Errorf("ended it is %+v", a)
	}
}

func TestWorkIsRefusedWithItsReason(t *testing.T) {
	ctx, r := t.Context(), newRig(t, ledgertest.SQLite(t))
	r.take(t, r.survey("org_a", at(1), weakness("org_a", 1, "x", action.High)))
	a := r.only(t, remediation.Filter{})
	s := r.as(t, "one", "org_a", access.Analyst, access.WorkActions)
	if _, err := r.Comment(ctx, s, a.ID, a.Version, strings.Repeat("x", 2001)); fault.KindOf(err) != fault.TooLarge {
		t.Errorf("a long comment: %v", err)
	}
	if _, err := r.Comment(ctx, s, a.ID, a.Version, ""); fault.KindOf(err) != fault.Invalid {
		t.Errorf("an empty comment: %v", err)
	}
	if _, err := r.Assign(ctx, s, a.ID, a.Version, strings.Repeat("x", 201)); fault.KindOf(err) != fault.TooLarge {
		t.Errorf("a long name: %v", err)
	}
	b, err := r.Assign(ctx, s, a.ID, a.Version, "web team")
	must(t, err)
	if _, err := r.Assign(ctx, s, a.ID, a.Version, "others"); fault.KindOf(err) != fault.Conflict || b.Assignee != "web team" {
		t.Errorf("an old version: %v", err)
	}
	r.now = r.now.Add(day)
	r.take(t, r.survey("org_a", at(1)))
	p := r.only(t, remediation.Filter{})
	for name, do := range map[string]func() (action.Action, error){
		"claim":  func() (action.Action, error) { return r.Claim(ctx, s, p.ID, p.Version, "") },
		"assign": func() (action.Action, error) { return r.Assign(ctx, s, p.ID, p.Version, "x") },
		"except": func() (action.Action, error) { return r.Except(ctx, s, p.ID, p.Version, "x", r.now.Add(day)) },
		"refute": func() (action.Action, error) { return r.Refute(ctx, s, p.ID, p.Version, "x", r.now.Add(day)) },
	} {
		if _, err := do(); fault.KindOf(err) != fault.Conflict {
			t.Errorf("%s of what is proved: %v", name, err)
		}
	}
}

// TestRemindersClimbTheTree lets a date pass and nobody do anything.
func TestRemindersClimbTheTree(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx, r := t.Context(), newRig(t, db)
		r.take(t, r.survey("org_a1", at(1), weakness("org_a1", 1, "x", action.High))) // 30 days
		want := []struct {
			day  int
			kind string
			told string
		}{{27, "soon", "org_a1"}, {30, "due", "org_a1"}, {37, "late", "org_a"}, {44, "late", "org_0"}, {51, "late", "org_0"}}
		for i, w := range want {
			r.now = start.Add(time.Duration(w.day)*day - time.Hour)
			must(t, r.Tick(ctx))
			r.now = r.now.Add(time.Hour)
			must(t, r.Tick(ctx))
			must(t, r.Tick(ctx))
			p, err := r.Reminders(ctx, r.hub, "", "", 0)
			must(t, err)
			if len(p.Items) != i+1 || p.Items[0].Kind != w.kind || string(p.Items[0].Told) != w.told {
				t.Fatalf("on day %d: %+v", w.day, p.Items)
			}
		}
		if a := r.only(t, remediation.Filter{}); a.Escalated != 3 {
			t.Errorf("it was escalated %d times", a.Escalated)
		}
		first, err := r.Reminders(ctx, r.hub, "", "", 2)
		must(t, err)
		second, err := r.Reminders(ctx, r.hub, "", first.Next, 10)
		must(t, err)
		if len(first.Items) != 2 || len(second.Items) != 3 || second.Items[0].At.After(first.Items[1].At) {
			t.Errorf("the pages are %v and %v", first.Items, second.Items)
		}
		if p, err := r.Reminders(ctx, r.as(t, "b", "org_b", access.Viewer, access.ViewActions), "", "", 0); err != nil || len(p.Items) != 0 {
			t.Errorf("another reads %v, %v", p.Items, err)
		}
		toldTo := func(o ident.ID, from time.Time) string {
			t.Helper()
			list, err := r.ToldTo(ctx, r.hub, o, from, r.now)
			must(t, err)
			said := ""
			for _, x := range list {
				said += x.Kind + " " + x.Live.Weakness.Name + "; "
			}
			return said
		}
		if own, above, later := toldTo("org_a1", start), toldTo("org_a", start), toldTo("org_0", r.now.Add(-day)); own != "soon x; due x; " || above != "late x; " || later != "late x; " {
			t.Errorf("told was %q, above %q, above that and lately %q", own, above, later)
		}
		if _, err := r.ToldTo(ctx, r.as(t, "b", "org_b", access.Viewer, access.ViewActions), "org_a", start, r.now); fault.KindOf(err) != fault.NotFound {
			t.Errorf("another hears what was told: %v", err)
		}
		r.take(t, r.survey("org_a1", at(1)))
		if said := toldTo("org_a1", start); said != "" {
			t.Errorf("it is mended, and %q is to be told", said)
		}
		r.now = r.now.Add(30 * day)
		must(t, r.Tick(ctx))
		if p, err := r.Reminders(ctx, r.hub, "", "", 0); err != nil || len(p.Items) != 5 {
			t.Errorf("what is proved is reminded of: %v, %v", p.Items, err)
		}
	})
}

func TestRecheckBeginsWithWhatIsClaimed(t *testing.T) {
	ctx, r := t.Context(), newRig(t, ledgertest.SQLite(t))
	for h := 1; h <= 3; h++ {
		v := r.survey("org_a", at(h), weakness("org_a", h, "x", action.High))
		v.Coverage.Checks = []string{"tls"}
		v.Coverage.Ranges = nil
		r.take(t, v)
		r.now = r.now.Add(day)
	}
	p, err := r.List(ctx, r.hub, remediation.Filter{Sort: remediation.BySeen})
	must(t, err)
	newest := p.Items[0]
	_, err = r.Claim(ctx, r.hub, newest.ID, newest.Version, "")
	must(t, err)
	list, err := r.Recheck(ctx, r.hub, action.BySurface, 2)
	must(t, err)
	if len(list) != 2 || list[0].ID != newest.ID || list[1].ID != p.Items[2].ID {
		t.Errorf("to be looked at again: %+v", list)
	}
	if list, err := r.Recheck(ctx, r.hub, action.BySBOM, 2); err != nil || len(list) != 0 {
		t.Errorf("of another source: %v, %v", list, err)
	}
}

func TestLeavingTakesEverythingAlong(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx, r := t.Context(), newRig(t, db)
		r.take(t, r.survey("org_a", at(1), weakness("org_a", 1, "secret", action.High)))
		r.take(t, r.survey("org_b", at(1), weakness("org_b", 1, "known", action.High)))
		r.now = r.now.Add(28 * day)
		must(t, r.Tick(ctx))
		r.take(t, r.survey("org_b", at(1)))
		if n, err := r.Forget(ctx, "org_b", r.now); err != nil || n != 0 {
			t.Errorf("dropped %d that were not old, %v", n, err)
		}
		r.now = r.now.Add(day)
		if n, err := r.Forget(ctx, "org_b", r.now); err != nil || n != 1 {
			t.Errorf("dropped %d that are old, %v", n, err)
		}
		if n, err := r.Forget(ctx, "org_a", r.now); err != nil || n != 0 {
			t.Errorf("dropped %d that are live, %v", n, err)
		}
		n, err := r.Forget(ctx, "org_a", time.Time{})
		must(t, err)
		must(t, db.Read(ctx, func(q ledger.Queryer) error {
			for _, table := range []string{"action", "action_count", "action_topic", "action_reminder", "action_survey"} {
				left := 0
				if err := q.QueryRow(ctx, `SELECT COUNT(*) FROM `+table).Scan(&left); err != nil || left > 0 && table != "action_survey" || left > 1 {
					t.Errorf("%s has %d rows, %v", table, left, err)
				}
			}
			return nil
		}))
		if n != 1 {
			t.Errorf("%d went", n)
		}
	})
}

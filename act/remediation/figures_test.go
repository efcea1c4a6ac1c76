package remediation_test

import (
	"fmt"
	"testing"

	"noroshi/access"
	"noroshi/action"
	"noroshi/label"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
)

// TestFiguresAreWhatCountingGives: of four weaknesses of a, one is gone after 10
// days, one after 40 (late), one returns, one stays; b has one without an owner.
func TestFiguresAreWhatCountingGives(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db)
		w := func(h int) action.Weakness { return weakness("org_a", h, fmt.Sprint("n", h), action.High) } // 30 days
		r.take(t, r.survey("org_a", at(1, 2, 3, 4), w(1), w(2), w(3), w(4)))
		r.take(t, r.survey("org_b", at(1), weakness("", 1, "x", action.Critical)))
		r.now = start.Add(10 * day)
		r.take(t, r.survey("org_a", at(1, 2, 3, 4), w(2), w(4)))
		r.now = start.Add(20 * day)
		r.take(t, r.survey("org_a", at(1, 2, 3, 4), w(2), w(3), w(4)))
		r.now = start.Add(40 * day)
		r.take(t, r.survey("org_a", at(1, 2, 3, 4), w(3), w(4)))
		r.now = start.Add(60 * day)
		rep, err := r.Figures(t.Context(), r.hub, "", label.Real, 365)
		must(t, err)
		f := rep.Organisations[0]
		is := func(what string, got *float64, want float64) {
			t.Helper()
			if got == nil || *got < want-1e-9 || *got > want+1e-9 {
				t.Errorf("%s is %v, not %v", what, got, want)
			}
		}
		if len(rep.Organisations) != 2 || f.Org != "org_a" || f.Live != 2 || f.Found != 4 || f.Proved != 2 || f.Overdue != 2 || f.States[action.Proved] != 2 || f.Levels[action.High] != 2 {
			t.Errorf("org_a: %+v", f)
		}
		is("the half-life", f.HalfLife, 40) // 1 of 4 after 10 days, the second after 40.
		is("the median", f.MedianDays, 25)
		is("in time", f.InTime, 1.0/4)
		is("owners known", f.OwnerKnown, 1)
		is("reopened", f.Reopened, 1.0/3)
		if fmt.Sprint(f.Ages) != "[{7 0} {14 0} {30 0} {60 2} {90 0} {180 0} {0 0}]" {
			t.Errorf("the ages are %v", f.Ages)
		}
		is("all owners known", rep.All.OwnerKnown, 4.0/5)
		if len(rep.Sectors) != 2 || rep.Sectors[1].Sector != "health" || rep.Sectors[1].Found != 4 || rep.All.Found != 5 || rep.Sectors[0].HalfLife != nil || rep.Sectors[0].InTime == nil {
			t.Errorf("the sectors are %+v", rep.Sectors)
		}
		b, err := r.Figures(t.Context(), r.as(t, "b", "org_b", access.Viewer, access.ViewActions), "", label.Real, 365)
		must(t, err)
		if len(b.Organisations) != 1 || b.All.Found != 1 {
			t.Errorf("b reads %+v", b)
		}
		x, err := r.Figures(t.Context(), r.hub, "", label.Exercise, 365)
		must(t, err)
		if x.All.Found != 0 || x.All.InTime != nil {
			t.Errorf("the exercise has %+v", x.All)
		}
		short, err := r.Figures(t.Context(), r.hub, "org_a", label.Real, 21)
		must(t, err)
		if short.All.Found != 0 || short.All.Proved != 1 || short.All.HalfLife != nil {
			t.Errorf("of the last days: %+v", short.All)
		}
	})
}

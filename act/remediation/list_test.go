package remediation_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"noroshi/access"
	"noroshi/act/remediation"
	"noroshi/action"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/label"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
	"noroshi/org"
)

// populous is a ledger with actions of all kinds at many organisations.
func populous(t *testing.T, db *ledger.DB) *rig {
	t.Helper()
	list := []org.Organisation{{ID: "org_m", Parent: "org_0"}, {ID: "org_0"}}
	for i := range 45 {
		list = append(list, org.Organisation{ID: ident.ID(fmt.Sprintf("org_%02d", i)), Parent: []ident.ID{"org_m", "org_0"}[i/30], Sector: []string{"health", "energy"}[i%2]})
	}
	r := newRig(t, db, list...)
	for n := range 3 {
		for i, o := range list[2:] {
			var seen []action.Weakness
			for k := range 6 {
				if (i+k+n)%5 == 0 {
					continue // It was there, or comes later.
				}
				w := weakness(o.ID, k, fmt.Sprintf("CVE-2026-%d", (i*7+k)%40), action.Levels[(i+k)%4])
				w.Threat.KEV = (i+k)%9 == 0
				if k == 3 {
					w.Org = ""
				}
				if k == 4 {
					w.Asset.Key, w.Asset.Name = fmt.Sprintf("Shop%d", i), fmt.Sprintf("www%d.example.jp", i)
				}
				seen = append(seen, w)
			}
			v := r.survey(o.ID, at(0, 1, 2, 3, 5), seen...)
			if i%6 == 0 {
				v.Source = action.BySBOM
			}
			if i%10 == 1 {
				v.Realm = label.Exercise
			}
			r.take(t, v)
			r.now = r.now.Add(time.Minute)
		}
		r.now = r.now.Add(20 * day)
	}
	all, err := r.List(t.Context(), r.hub, remediation.Filter{Limit: 60})
	must(t, err)
	for i, a := range all.Items {
		switch i % 4 {
		case 0:
			_, err = r.Claim(t.Context(), r.hub, a.ID, a.Version, "x")
		case 1:
			_, err = r.Refute(t.Context(), r.hub, a.ID, a.Version, "x", r.now.Add(300*day))
		}
		if i%4 == 2 {
			_, err = r.Except(t.Context(), r.hub, a.ID, a.Version, "x", r.now.Add(300*day))
		}
		if fault.KindOf(err) != fault.Conflict {
			must(t, err)
		}
	}
	return r
}

// fits is the slow, obvious reference of a filter.
func fits(r *rig, f remediation.Filter, a action.Action) bool {
	w, text := a.Weakness, strings.ToLower(f.Text)
	return (len(f.States) == 0 || slices.Contains(f.States, a.State)) && w.Level.Rank() >= f.Level.Rank() && (f.Source == "" || f.Source == a.Source) &&
		(f.Org == "" || f.Org == a.Org) && (f.Realm == 0 || f.Realm == a.Realm) && (!f.KEV || w.Threat.KEV) && (!f.OwnerUnknown || !a.OwnerKnown) && (!f.Asked || a.Exception != nil && a.Exception.Approver == "") &&
		(!f.Overdue || a.State.Live() && a.Due.Before(r.now)) &&
		(text == "" || strings.Contains(strings.ToLower(w.Name+"\n"+w.Title+"\n"+w.TitleJA+"\n"+w.Check), text) || strings.HasPrefix(strings.ToLower(w.Asset.Key), text) || strings.HasPrefix(strings.ToLower(w.Asset.Name), text))
}

func order(s remediation.Sort) func(a, b action.Action) int {
	return func(a, b action.Action) int {
		switch s {
		case remediation.ByPriority:
			return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(b.ID, a.ID))
		case remediation.BySeen:
			return cmp.Or(b.LastSeen.Compare(a.LastSeen), cmp.Compare(b.ID, a.ID))
		}
		return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.ID, b.ID))
	}
}

// TestPagesAreWhatASlowLookFinds asks for random pages at scopes of all sizes, in
// every way in which a page is found, and compares them with a look at everything.
func TestPagesAreWhatASlowLookFinds(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := populous(t, db)
		var all []action.Action
		must(t, r.Each(t.Context(), r.hub, remediation.Filter{}, func(a action.Action) error { all = append(all, a); return nil }))
		if len(all) < 250 {
			t.Fatalf("there are only %d", len(all))
		}
		defer remediation.Rare(remediation.Rare(0))
		defer remediation.Topics(remediation.Topics(0))
		rapid.Check(t, func(rt *rapid.T) {
			pick := func(name string, list ...string) string { return rapid.SampledFrom(list).Draw(rt, name) }
			f := remediation.Filter{Level: action.Level(pick("level", "", "", "high", "critical")), Source: action.Source(pick("source", "", "", "sbom", "iot")),
				Org: ident.ID(pick("org", "", "", "org_03", "org_never")), KEV: rapid.Bool().Draw(rt, "kev"), Overdue: rapid.Bool().Draw(rt, "overdue"), OwnerUnknown: rapid.IntRange(0, 3).Draw(rt, "unknown") == 0, Asked: rapid.IntRange(0, 3).Draw(rt, "asked") == 0,
				Text: pick("text", "", "", "cve-2026-1", "CVE-2026-39", "192.0.2.2", "shop1", "www", "title", "%", "題", "nothing"), Realm: label.Realm(rapid.IntRange(0, 2).Draw(rt, "realm")),
				Sort: remediation.Sort(pick("sort", "", "due", "priority", "seen")), Limit: rapid.IntRange(1, 40).Draw(rt, "limit")}
			if rapid.Bool().Draw(rt, "some") {
				f.States = []action.State{action.State(pick("state", "open", "claimed", "proved", "refuted")), action.Open}
			}
			remediation.Rare(rapid.SampledFrom([]int{7, 50, 10_000}).Draw(rt, "rare"))
			remediation.Topics(rapid.SampledFrom([]int{3, 200}).Draw(rt, "topics"))
			s, at := r.hub, ident.ID(pick("at", "", "org_0", "org_m", "org_07"))
			if at != "" {
				s = r.as(t, "x", at, access.Viewer, access.ViewActions)
			}
			var want []action.Action
			for _, a := range all {
				if s.Allows(a.Org) && fits(r, f, a) {
					want = append(want, a)
				}
			}
			slices.SortFunc(want, order(f.Sort))
			var got []action.Action
			for {
				p, err := r.List(t.Context(), s, f)
				must(rt, err)
				if len(p.Items) > f.Limit || p.Next != "" && len(p.Items) != f.Limit {
					rt.Fatalf("a page of %d holds %d", f.Limit, len(p.Items))
				}
				got = append(got, p.Items...)
				if f.Cursor = p.Next; p.Next == "" || len(got) > len(want) {
					break
				}
			}
			if len(got) != len(want) {
				rt.Fatalf("%d were found, and %d are there", len(got), len(want))
			}
			for i := range got {
				if got[i].ID != want[i].ID {
					rt.Fatalf("number %d is %s and not %s", i, got[i].ID, want[i].ID)
				}
			}
		})
	})
}

func TestSenselessFiltersAreRefused(t *testing.T) {
	r := newRig(t, ledgertest.SQLite(t))
	for _, f := range []remediation.Filter{{States: []action.State{"done"}}, {Level: "worst"}, {Source: "rumour"}, {Sort: "size"}, {Cursor: "x"}, {Cursor: "1.fnd_01m8911yr8ht1yq2rzvshb1phf"}, {Text: strings.Repeat("x", 201)}} {
		if _, err := r.List(t.Context(), r.hub, f); err == nil || fault.KindOf(err) != fault.Invalid && fault.KindOf(err) != fault.TooLarge {
			t.Errorf("%+v: %v", f, err)
		}
	}
	if p, err := r.List(t.Context(), access.Scope{}, remediation.Filter{}); err != nil || len(p.Items) != 0 {
		t.Errorf("the zero scope lists %v, %v", p.Items, err)
	}
}

package notice_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"noroshi/access"
	"noroshi/action"
	"noroshi/content"
	"noroshi/ident"
	"noroshi/label"
	"noroshi/ledger"
	"noroshi/org"
	"noroshi/share/notice"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// rig is a centre with two providers and a ministry.
type rig struct {
	*notice.Notices
	t    testing.TB
	tree *org.Tree
	now  time.Time
	all  access.Scope
	took []action.Survey
	ids  ident.Maker
}

func newRig(t testing.TB, db *ledger.DB) *rig {
	t.Helper()
	prefixes := func(list ...string) (a org.Assets) {
		for _, p := range list {
			a.Prefixes = append(a.Prefixes, netip.MustParsePrefix(p))
		}
		return a
	}
	r := &rig{t: t, now: time.Date(2026, 11, 10, 3, 0, 0, 0, time.UTC), ids: ident.System()}
	r.tree = org.NewTree([]org.Organisation{{ID: "org_0", Slug: "centre", Sector: "centre"}, {ID: "org_a", Parent: "org_0", Sector: "telecom", Assets: prefixes("192.0.2.0/24", "2001:db8:a::/48")},
		{ID: "org_b", Parent: "org_0", Sector: "telecom", Assets: prefixes("198.51.100.0/24")}, {ID: "org_m", Parent: "org_0", Sector: "government", Assets: prefixes("203.0.113.0/24")}})
	r.all = r.as("org_0", access.Administrator, access.SendNotices)
	var err error
	r.Notices, err = notice.New(notice.Deps{DB: db, Actions: actions{r}, Tree: func() *org.Tree { return r.tree }, Now: func() time.Time { return r.now }, Ident: ident.System(),
		Zone: time.FixedZone("JST", 9*3600), Words: content.Notices(), Key: []byte("0123456789abcdef0123456789abcdef"), Link: func() string { return "https://check.example.jp" }})
	must(t, err)
	return r
}

type actions struct{ r *rig }

// Take keeps what the keeper of actions is told.
func (a actions) Take(_ context.Context, _ access.Scope, v action.Survey) (action.Outcome, error) {
	a.r.took = append(a.r.took, v)
	return action.Outcome{}, nil
}

func (r *rig) as(at ident.ID, role string, a access.Action) access.Scope {
	r.t.Helper()
	auth, err := access.New(nil)
	must(r.t, err)
	s, err := auth.Scope(access.Principal{ID: "psn_x", Roles: map[ident.ID][]string{at: {role}}}, r.tree, a)
	must(r.t, err)
	return s
}

func weak(address, check, place, name string) action.Weakness {
	return action.Weakness{Asset: action.Asset{Kind: "device", Key: address}, Check: check, Place: place, Name: name, Level: action.High, Title: "title of " + name, TitleJA: "題名 " + name, Fix: "mend " + name, FixJA: "直す " + name}
}

// report is a survey of everything, in which the given places answered.
func (r *rig) report(weak []action.Weakness, answered ...string) notice.Report {
	return notice.Report{Until: r.now.AddDate(0, 3, 0), Survey: action.Survey{ID: r.ids.New(ident.Survey), Source: action.ByIoT, Org: "org_0", Realm: label.Real, Began: r.now.Add(-time.Minute), Ended: r.now, By: "scanner", Basis: "law 5",
		Coverage: action.Coverage{Checks: []string{"firmware", "exposed"}, Ranges: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}, Ports: []string{"tcp/23", "tcp/80"}, Answered: answered}, Weaknesses: weak}}
}

func (r *rig) take(rep notice.Report) notice.Outcome {
	r.t.Helper()
	o, err := r.Notices.Take(r.t.Context(), r.all, rep)
	must(r.t, err)
	return o
}

func (r *rig) list(s access.Scope) []notice.Notice {
	r.t.Helper()
	p, err := r.List(r.t.Context(), s, notice.Filter{})
	must(r.t, err)
	return p.Items
}

func (r *rig) one(id ident.ID) notice.Notice {
	r.t.Helper()
	x, err := r.Get(r.t.Context(), r.all, id)
	must(r.t, err)
	return x
}

func (r *rig) want(o notice.Outcome, text string) {
	r.t.Helper()
	if got := fmt.Sprintf("new %d seen %d fixed %d silent %d unrouted %d", o.New, o.Seen, o.Fixed, o.Silent, o.Unrouted); got != text {
		r.t.Fatalf("the survey: %s, want %s", got, text)
	}
}

package remediation_test

import (
	"fmt"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"noroshi/access"
	"noroshi/act/remediation"
	"noroshi/action"
	"noroshi/content"
	"noroshi/ident"
	"noroshi/label"
	"noroshi/ledger"
	"noroshi/org"
)

func must(t interface {
	Helper()
	Fatal(...any)
}, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// rig is a stage with a clock of its own, over a tree of which everything below
// org_0 is seen by hub.
type rig struct {
	*remediation.Remediation
	db   *ledger.DB
	tree *org.Tree
	now  time.Time
	hub  access.Scope
	auth *access.Authorizer
	make ident.Maker
}

var start = time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC)

func newRig(t testing.TB, db *ledger.DB, list ...org.Organisation) *rig {
	t.Helper()
	if list == nil {
		list = []org.Organisation{{ID: "org_0", Sector: "centre"}, {ID: "org_a", Parent: "org_0", Sector: "health"}, {ID: "org_a1", Parent: "org_a", Sector: "health"}, {ID: "org_b", Parent: "org_0", Sector: "energy"}}
	}
	policy, err := remediation.ReadPolicy("remediation.yaml", content.Remediation())
	must(t, err)
	r := &rig{db: db, tree: org.NewTree(list), now: start}
	r.make = ident.Maker{Now: func() time.Time { return r.now }, Rand: ident.System().Rand}
	r.Remediation, err = remediation.New(remediation.Config{}, remediation.Deps{DB: db, Policy: policy, Tree: func() *org.Tree { return r.tree }, Now: func() time.Time { return r.now }, Ident: r.make, Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	r.hub = access.Hub(r.tree, "t")
	r.auth, err = access.New(nil)
	must(t, err)
	return r
}

// as is what a person who holds a role at an organisation may do.
func (r *rig) as(t testing.TB, who string, at ident.ID, role string, may access.Action) access.Scope {
	t.Helper()
	s, err := r.auth.Scope(access.Principal{ID: ident.ID("psn_" + who), Roles: map[ident.ID][]string{at: {role}}}, r.tree, may)
	must(t, err)
	return s
}

// survey is one of the range 192.0.2.0/24 at tcp/443 and tcp/80, for tls and web,
// in which the places answered.
func (r *rig) survey(o ident.ID, answered []string, list ...action.Weakness) action.Survey {
	return action.Survey{ID: r.make.New(ident.Survey), Source: action.BySurface, Org: o, Realm: label.Real, Began: r.now.Add(-time.Minute), Ended: r.now, By: "scanner",
		Coverage: action.Coverage{Checks: []string{"tls", "web"}, Ranges: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, Ports: []string{"tcp/443", "tcp/80"}, Answered: answered}, Weaknesses: list}
}

func weakness(o ident.ID, host int, name string, level action.Level) action.Weakness {
	return action.Weakness{Org: o, Asset: action.Asset{Kind: "host", Key: fmt.Sprintf("192.0.2.%d", host)}, Place: "tcp/443", Check: "tls", Name: name, Title: "title of " + name, TitleJA: "題", Level: level}
}

func at(hosts ...int) (list []string) {
	for _, h := range hosts {
		list = append(list, fmt.Sprintf("192.0.2.%d tcp/443", h))
	}
	return list
}

func (r *rig) take(t testing.TB, v action.Survey) action.Outcome {
	t.Helper()
	out, err := r.Take(t.Context(), r.hub, v)
	must(t, err)
	return out
}

// only is the one action that a filter finds.
func (r *rig) only(t testing.TB, f remediation.Filter) action.Action {
	t.Helper()
	p, err := r.List(t.Context(), r.hub, f)
	must(t, err)
	if len(p.Items) != 1 {
		t.Fatalf("%d actions were found, not one: %+v", len(p.Items), p.Items)
	}
	return p.Items[0]
}

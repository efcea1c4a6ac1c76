package app

import (
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"noroshi/access"
	"noroshi/analyse/exposure"
	"noroshi/content"
	"noroshi/ident"
	"noroshi/identity"
	"noroshi/ledger/ledgertest"
	"noroshi/org"
)

// TestAnOwnersWishNeedsAScopeInForce: a scope of the hub that was withdrawn counts
// more than the date that a survey named; where none ever named the address, that
// date decides alone.
func TestAnOwnersWishNeedsAScopeInForce(t *testing.T) {
	ctx := t.Context()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	h := &hub{db: ledgertest.SQLite(t)}
	h.deps = identity.Deps{DB: h.db, Now: time.Now, Ident: ident.System()}
	var err error
	h.orgs, err = identity.OpenOrganisations(ctx, h.deps)
	check(err)
	centre, err := h.orgs.Put(ctx, "t", org.Organisation{Slug: "centre", Name: "C"})
	check(err)
	isp, err := h.orgs.Put(ctx, "t", org.Organisation{Slug: "isp", Name: "I", Sector: "telecom", Parent: centre.ID, Assets: org.Assets{Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}})
	check(err)
	h.exposure, err = exposure.New(exposure.Deps{DB: h.db, Texts: scopeTexts{}, Tree: h.orgs.Current, Now: time.Now, Ident: h.deps.Ident, Log: slog.New(slog.DiscardHandler), Rules: content.Exposure()})
	check(err)
	in, out, cut := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.200"), netip.MustParseAddr("192.0.2.7")
	want := func(when string, a netip.Addr, want bool) {
		t.Helper()
		if ok, err := h.inForce(ctx, isp.ID, a); err != nil || ok != want {
			t.Errorf("%s: %s is %v, %v", when, a, ok, err)
		}
	}
	want("without any scope", in, true)
	as := func(who string) access.Scope { return access.Hub(h.orgs.Current(), who) }
	c, err := h.exposure.Propose(ctx, as("hanako"), isp.ID, "owner: o\ncontact: c\nlegal_basis: l\nproof: {kind: letter, reference: r, recorded_by: [a, b]}\nranges: [192.0.2.0/26]\nexcluded: [192.0.2.7/32]\nports: [23]\nrate: 10\ncaps: {address: 5, network: 5, owner: 1000}\nvalid_until: 2099-01-01T00:00:00Z\n")
	check(err)
	want("proposed", in, true)
	c, err = h.exposure.Approve(ctx, as("taro"), c.ID, c.Version)
	check(err)
	want("in force", in, true)
	want("in force", cut, false)
	want("in force for others", out, true)
	_, err = h.exposure.Withdraw(ctx, as("taro"), c.ID, c.Version, "the contract ended")
	check(err)
	want("withdrawn", in, false)
	want("withdrawn for others", out, true)
}

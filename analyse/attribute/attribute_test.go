package attribute_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"noroshi/access"
	"noroshi/analyse/attribute"
	"noroshi/discovery"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
	"noroshi/observable"
	"noroshi/org"
)

var (
	start = time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)
	city  = org.Organisation{ID: "org_city", Slug: "city", Tenant: 1, Assets: org.Assets{Domains: []string{"city.example", "lg.jp"}, Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}}
	ward  = org.Organisation{ID: "org_ward", Slug: "ward", Parent: "org_city", Tenant: 2, Assets: org.Assets{Domains: []string{"ward.city.example"}}}
	port  = org.Organisation{ID: "org_port", Slug: "port", Tenant: 3, Assets: org.Assets{Domains: []string{"port.city.example"}}}
	tree  = org.NewTree([]org.Organisation{city, ward, port})
)

// rig is an attribution whose walks find what a test says.
type rig struct {
	*attribute.Attribution
	t    *testing.T
	now  time.Time
	walk func(o org.Organisation) (discovery.Walk, error)
	log  strings.Builder
}

func newRig(t *testing.T, db *ledger.DB) *rig {
	t.Helper()
	r := &rig{t: t, now: start}
	r.Attribution = attribute.New(attribute.Deps{DB: db, Tree: func() *org.Tree { return tree }, Now: func() time.Time { return r.now },
		Ident: ident.Maker{Now: func() time.Time { return r.now }, Rand: ident.System().Rand}, Log: slog.New(slog.NewTextHandler(&r.log, nil)),
		Walk: func(_ context.Context, o org.Organisation) (discovery.Walk, error) { return r.walk(o) }})
	return r
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func scope(o ...org.Organisation) access.Scope { return access.Hub(org.NewTree(o), "test") }

func named(s string) observable.Observable {
	o, err := observable.Parse(s)
	if err != nil {
		panic(err)
	}
	return o
}

// found is a candidate with one piece of evidence of each kind.
func (r *rig) found(asset string, kinds ...discovery.Kind) discovery.Candidate {
	c := discovery.Candidate{Asset: named(asset), ThirdParty: strings.HasSuffix(asset, ".net")}
	for _, k := range kinds {
		c.Note(discovery.Evidence{Kind: k, Via: "city.example", Asked: "A " + asset, From: "192.0.2.53:53", Said: "A", At: r.now})
	}
	return c
}

func (r *rig) keep(o org.Organisation, list ...discovery.Candidate) int {
	r.t.Helper()
	n, err := r.Keep(r.t.Context(), o, discovery.Walk{Candidates: list})
	must(r.t, err)
	return n
}

// get finds a discovery by its asset.
func (r *rig) get(o org.Organisation, asset string) attribute.Discovery {
	r.t.Helper()
	p, err := r.List(r.t.Context(), scope(o), attribute.Filter{Text: asset, Limit: 500})
	must(r.t, err)
	for _, d := range p.Items {
		if d.Asset.Value == asset {
			d, err := r.Get(r.t.Context(), scope(o), d.ID)
			must(r.t, err)
			return d
		}
	}
	r.t.Fatalf("%s is not there", asset)
	return attribute.Discovery{}
}

// stands is a discovery in a few words.
func stands(d attribute.Discovery) string {
	return fmt.Sprint(d.State, " ", d.Confidence, " ", d.Owner)
}

func TestEvidenceIsWeighedAndTheOwnerMayBeUnknown(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db)
		r.keep(city, r.found("city.example"), r.found("www.city.example", discovery.Permutation), r.found("a.ward.city.example", discovery.Answer),
			r.found("a.port.city.example"), r.found("192.0.2.7", discovery.PTRForeign), r.found("198.51.100.1", discovery.AddressOf, discovery.PTR),
			r.found("198.51.100.2", discovery.AddressOf, discovery.PTR, discovery.Shared), r.found("203.0.113.0/28", discovery.SPFAddress),
			r.found("192.0.2.0/25", discovery.SPFAddress), r.found("mail.provider.net", discovery.MailServer), r.found("other.lg.jp", discovery.Declared),
			r.found("shop.net", discovery.CertificateOrg, discovery.PTRTarget))
		for asset, want := range map[string]string{
			"city.example": "certain 100 org_city", "www.city.example": "certain 100 org_city", "192.0.2.7": "certain 100 org_city", "192.0.2.0/25": "certain 100 org_city",
			"a.ward.city.example": "certain 100 org_ward",  // the organisation below declared it more closely
			"a.port.city.example": "certain 100 org_city",  // what another declares is not the reader's to know
			"198.51.100.1":        "candidate 67 org_city", // 1 - 0.6 × 0.55
			"198.51.100.2":        "candidate 27 unknown",  // … × 0.4
			"203.0.113.0/28":      "candidate 25 unknown",  //
			"mail.provider.net":   "candidate 15 unknown",  //
			"other.lg.jp":         "candidate 0 unknown",   // below a public suffix everybody may register, and a walk declares nothing
			"shop.net":            "candidate 70 org_city", // 1 - 0.4 × 0.75
		} {
			if got := stands(r.get(city, asset)); got != want {
				t.Errorf("%s is %q, not %q", asset, got, want)
			}
		}
		twice := r.found("twice.city.example", discovery.PassiveName)
		twice.Note(discovery.Evidence{Kind: discovery.PassiveName, Asked: "AAAA twice.city.example", At: r.now})
		r.keep(city, twice)
		if g := r.get(city, "twice.city.example").Evidence; len(g) != 2 || len(g[1].Facts) != 2 || g[1].Share != 15 {
			t.Errorf("what was seen twice is told as %+v", g)
		}
		d := r.get(city, "198.51.100.2")
		if d.Evidence[0].Kind != discovery.PTR || d.Evidence[0].Share != 45 || d.Evidence[0].Text == "" || d.Evidence[0].TextJA == "" || d.Evidence[2].Factor != 0.4 {
			t.Errorf("its reasons are %+v", d.Evidence)
		}
	})
}

// TestNothingIsCertainWithoutADeclaration: whatever evidence a walk hands in, of
// whatever kind and however much.
func TestNothingIsCertainWithoutADeclaration(t *testing.T) {
	var all []discovery.Kind
	for k := range attribute.Weights() {
		all = append(all, k)
	}
	slices.Sort(all)
	var everything discovery.Candidate
	for _, k := range all {
		if k != discovery.Declared && k != discovery.Shared && k != discovery.PTRForeign {
			everything.Note(discovery.Evidence{Kind: k, At: start})
		}
	}
	if got := attribute.Confidence(everything.Evidence, start); got != 95 {
		t.Errorf("everything but a declaration amounts to %d", got)
	}
	assets := []string{"city.example", "a.b.city.example", "notcity.example", "city.example.net", "lg.jp", "x.lg.jp", "192.0.2.1", "192.0.3.1", "192.0.2.0/24", "192.0.0.0/16", "2001:db8::1"}
	rapid.Check(t, func(r *rapid.T) {
		c := discovery.Candidate{Asset: named(rapid.SampledFrom(assets).Draw(r, "asset"))}
		for _, k := range rapid.SliceOf(rapid.SampledFrom(append(all, "unheard_of"))).Draw(r, "kinds") {
			age := time.Duration(rapid.IntRange(-10, 400).Draw(r, "days")) * 24 * time.Hour
			c.Evidence = append(c.Evidence, discovery.Evidence{Kind: k, At: start.Add(-age), Via: rapid.SampledFrom(assets).Draw(r, "via")})
		}
		list := attribute.Declare(c, city.Assets, start)
		got := attribute.Confidence(list, start)
		// The slow reference: what the organisation wrote down, compared by itself.
		a, err := netip.ParseAddr(c.Asset.Value)
		p, perr := netip.ParsePrefix(c.Asset.Value)
		declared := c.Asset.Value == "city.example" || strings.HasSuffix(c.Asset.Value, ".city.example") ||
			err == nil && city.Assets.Prefixes[0].Contains(a) || perr == nil && city.Assets.Prefixes[0].Contains(p.Addr()) && p.Bits() >= 24
		if (got == 100) != declared || got < 0 || got > 100 {
			r.Errorf("%s with %v has %d", c.Asset.Value, c.Evidence, got)
		}
		// Saying the same again says nothing more.
		if again := attribute.Confidence(append(list, list...), start); again != got {
			r.Errorf("twice the same evidence has %d, not %d", again, got)
		}
	})
}

func TestAJudgementIsRemembered(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx, r := t.Context(), newRig(t, db)
		judge := func(asset string, state attribute.State) {
			t.Helper()
			d := r.get(city, asset)
			_, err := r.Judge(ctx, scope(city), d.ID, d.Version, state, "we asked them")
			must(t, err)
		}
		r.keep(city, r.found("198.51.100.1", discovery.AddressOf), r.found("198.51.100.2", discovery.AddressOf), r.found("www.city.example"))
		judge("198.51.100.1", attribute.Confirmed)
		judge("198.51.100.2", attribute.Rejected)
		judge("www.city.example", attribute.Rejected)
		for day := range 3 {
			r.now = r.now.Add(24 * time.Hour)
			if n := r.keep(city, r.found("198.51.100.1", discovery.PTRForeign, discovery.Shared), r.found("198.51.100.2", discovery.AddressOf, discovery.PTRForeign, discovery.Answer), r.found("www.city.example")); n != 0 {
				t.Fatalf("day %d: %d are new", day, n)
			}
			for asset, want := range map[string]string{"198.51.100.1": "confirmed 11 org_city", "198.51.100.2": "rejected 28 unknown", "www.city.example": "rejected 100 unknown"} {
				if d := r.get(city, asset); stands(d) != want || len(d.Returned) != 0 || d.Judgement == nil || d.Judgement.Reason != "we asked them" {
					t.Errorf("day %d: %s is %q, not %q: %+v", day, asset, stands(d), want, d)
				}
			}
		}
		// A new kind of evidence, and not more of the old, brings a rejected one back.
		r.keep(city, r.found("198.51.100.2", discovery.PTR))
		d := r.get(city, "198.51.100.2")
		if stands(d) != "candidate 47 unknown" || !slices.Equal(d.Returned, []discovery.Kind{discovery.PTR}) || d.Judgement.State != attribute.Rejected {
			t.Errorf("with new evidence it is %q: %+v", stands(d), d)
		}
		judge("198.51.100.2", attribute.Rejected)
		r.keep(city, r.found("198.51.100.2", discovery.PTR, discovery.AddressOf))
		if d := r.get(city, "198.51.100.2"); stands(d) != "rejected 47 unknown" || len(d.Returned) != 0 {
			t.Errorf("rejected again, it is %q: %+v", stands(d), d)
		}
		h, err := r.History(ctx, scope(city), d.ID)
		must(t, err)
		var said []string
		for _, c := range h {
			said = append(said, c.Action)
		}
		if got := strings.Join(said, " "); got != "rejected returned rejected" {
			t.Errorf("its history is %q", got)
		}
	})
}

func TestOnlyThoseWhoMayJudge(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx, r := t.Context(), newRig(t, db)
		r.keep(city, r.found("198.51.100.1", discovery.AddressOf))
		d := r.get(city, "198.51.100.1")
		for name, c := range map[string]struct {
			scope   access.Scope
			version int64
			state   attribute.State
			reason  string
			want    fault.Kind
		}{
			"somebody else":       {scope(port), 0, attribute.Confirmed, "r", fault.NotFound},
			"nobody":              {access.Scope{}, 0, attribute.Confirmed, "r", fault.NotFound},
			"without a reason":    {scope(city), 0, attribute.Rejected, " ", fault.Invalid},
			"with a novel":        {scope(city), 0, attribute.Rejected, strings.Repeat("x", 2000), fault.Invalid},
			"into another state":  {scope(city), 0, attribute.Certain, "r", fault.Invalid},
			"on an older version": {scope(city), 7, attribute.Confirmed, "r", fault.Conflict},
		} {
			if _, err := r.Judge(ctx, c.scope, d.ID, c.version, c.state, c.reason); fault.KindOf(err) != c.want {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := r.Get(ctx, scope(port), d.ID); fault.KindOf(err) != fault.NotFound {
			t.Errorf("somebody else reads it: %v", err)
		}
		if p, err := r.List(ctx, scope(port), attribute.Filter{Org: city.ID}); err != nil || len(p.Items) != 0 {
			t.Errorf("somebody else lists %v, %v", p, err)
		}
		if n, err := r.Counts(ctx, scope(port)); err != nil || n["new"] != 0 {
			t.Errorf("somebody else counts %v, %v", n, err)
		}
		if _, err := r.Ask(ctx, scope(port), city.ID); fault.KindOf(err) != fault.NotFound {
			t.Errorf("somebody else asks for a walk: %v", err)
		}
	})
}

func TestListsPageAndFilter(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx, r := t.Context(), newRig(t, db)
		for i := range 5 {
			r.keep(city, r.found(fmt.Sprintf("198.51.100.%d", i), discovery.AddressOf))
			r.now = r.now.Add(time.Minute)
		}
		r.now = r.now.AddDate(0, 0, 8)
		r.keep(city, r.found("mail.provider.net", discovery.MailServer), r.found("a_b.city.example"))
		values := func(f attribute.Filter) string {
			t.Helper()
			var out []string
			for {
				p, err := r.List(ctx, scope(city), f)
				must(t, err)
				for _, d := range p.Items {
					out = append(out, strings.TrimPrefix(d.Asset.Value, "198.51.100."))
				}
				if f.Cursor = p.Next; p.Next == "" {
					return strings.Join(out, " ")
				}
			}
		}
		for want, f := range map[string]attribute.Filter{
			"4 3 2 1 0":          {States: []attribute.State{attribute.Candidate}, Confidence: 40, Limit: 2},
			"a_b.city.example":   {States: []attribute.State{attribute.Certain}},
			"mail.provider.net":  {Since: attribute.NewSince(r.now), Text: "PROVIDER"},
			"a_b.city.example 4": {Own: true, Since: start.Add(4 * time.Minute)},
			"":                   {Text: "a%b"},
		} {
			if got := values(f); got != want {
				t.Errorf("%+v lists %q, not %q", f, got, want)
			}
		}
		n, err := r.Counts(ctx, scope(city))
		must(t, err)
		if fmt.Sprint(n) != "map[candidate:6 certain:1 confirmed:0 new:2 rejected:0]" {
			t.Errorf("the counts are %v", n)
		}
		for _, f := range []attribute.Filter{{Cursor: "x"}, {Cursor: "1.ind_00000000000000000000000000"}, {Text: strings.Repeat("x", 300)}} {
			if _, err := r.List(ctx, scope(city), f); err == nil {
				t.Errorf("%+v is taken", f)
			}
		}
	})
}

// TestCountsAreThoseOfTheLists: whatever becomes of discoveries, the counts beside
// a list are what a reader who pages through it would count.
func TestCountsAreThoseOfTheLists(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx, r := t.Context(), newRig(t, db)
		same := func(when string) {
			t.Helper()
			for _, s := range []access.Scope{scope(city), scope(port), scope(city, port)} {
				n, err := r.Counts(ctx, s)
				must(t, err)
				want := map[string]int64{"candidate": 0, "certain": 0, "confirmed": 0, "rejected": 0, "new": 0}
				p, err := r.List(ctx, s, attribute.Filter{Limit: 500})
				must(t, err)
				for _, d := range p.Items {
					want[string(d.State)]++
					if !d.FirstSeen.Before(attribute.NewSince(r.now)) {
						want["new"]++
					}
				}
				if !maps.Equal(n, want) {
					t.Errorf("%s: the counts are %v; the list has %v", when, n, want)
				}
			}
		}
		r.keep(city, r.found("www.city.example"), r.found("198.51.100.1", discovery.AddressOf), r.found("mail.provider.net", discovery.MailServer))
		r.keep(port, r.found("198.51.100.1", discovery.AddressOf))
		same("found")
		d := r.get(city, "mail.provider.net")
		_, err := r.Judge(ctx, scope(city), d.ID, d.Version, attribute.Rejected, "a provider's")
		must(t, err)
		same("rejected")
		r.now = r.now.AddDate(0, 0, 8)
		r.keep(city, r.found("mail.provider.net", discovery.SPF), r.found("new.city.example"))
		same("returned a week later")
		less := city
		less.Assets.Domains = nil
		r.now = r.now.AddDate(1, 0, 0)
		r.keep(less)
		same("a year later, when what nobody saw has lapsed")
		_, err = r.Forget(ctx, port.ID, time.Time{})
		must(t, err)
		same("forgotten")
	})
}

// TestEvidenceAndDeclarationsGrowOld: what a walk does not meet again is weighed
// anew, too.
func TestEvidenceAndDeclarationsGrowOld(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db)
		r.keep(city, r.found("198.51.100.1", discovery.AddressOf, discovery.PTR), r.found("www.city.example", discovery.Answer))
		r.now = r.now.Add(91 * 24 * time.Hour)
		less := city
		less.Assets.Domains = nil
		r.keep(less)
		if d := r.get(city, "198.51.100.1"); stands(d) != "candidate 0 unknown" || !d.Evidence[0].Stale {
			t.Errorf("after a quarter it is %q: %+v", stands(d), d.Evidence)
		}
		if d := r.get(city, "www.city.example"); stands(d) != "candidate 0 unknown" {
			t.Errorf("without the declaration it is %q", stands(d))
		}
		// What nobody judged is forgotten in the end, and what is declared is not.
		d := r.get(city, "198.51.100.1")
		_, err := r.Judge(t.Context(), scope(city), d.ID, 0, attribute.Rejected, "not ours")
		must(t, err)
		r.now = r.now.Add(91 * 24 * time.Hour)
		r.keep(city, r.found("city.example"))
		r.now = r.now.Add(400 * 24 * time.Hour)
		r.keep(city, r.found("city.example"))
		p, err := r.List(t.Context(), scope(city), attribute.Filter{})
		must(t, err)
		var left []string
		for _, d := range p.Items {
			left = append(left, d.Asset.Value+" "+r.now.Sub(d.LastSeen).String())
		}
		if got := strings.Join(left, ", "); got != "city.example 0s, www.city.example 13968h0m0s, 198.51.100.1 13968h0m0s" && got != "city.example 0s, 198.51.100.1 13968h0m0s, www.city.example 13968h0m0s" {
			t.Errorf("there are left %s", got)
		}
	})
}

func TestWalksAreDueOnceADayAndWhenAsked(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx, r := t.Context(), newRig(t, db)
		var walked []string
		r.walk = func(o org.Organisation) (discovery.Walk, error) {
			walked = append(walked, o.Slug)
			if o.Slug == "port" {
				return discovery.Walk{}, errors.New("the cable is cut")
			}
			return discovery.Walk{Candidates: []discovery.Candidate{r.found(o.Assets.Domains[0])}, Summary: discovery.WalkSummary{Ended: "done", Queries: 3}}, nil
		}
		due := func(want string) {
			t.Helper()
			walked = nil
			must(t, r.Due(ctx))
			if got := strings.Join(walked, " "); got != want {
				t.Errorf("%q were walked, not %q", got, want)
			}
		}
		due("city port ward")
		due("")
		r.now = r.now.Add(23 * time.Hour)
		due("")
		_, err := r.Ask(ctx, scope(city, ward), ward.ID)
		must(t, err)
		r.now = r.now.Add(time.Second)
		due("ward")
		due("")
		r.now = r.now.Add(time.Hour)
		due("city port")
		r.now = r.now.Add(time.Second)
		for _, o := range []org.Organisation{port, ward} {
			_, err := r.Ask(ctx, scope(tree.All()...), o.ID)
			must(t, err)
			r.now = r.now.Add(24 * time.Hour)
		}
		due("port ward city") // Those first that were asked for.
		list, err := r.Runs(ctx, scope(city, port))
		must(t, err)
		if len(list) != 2 || list[0].New != 0 || list[0].Summary.Queries != 3 || list[1].Error == "" || strings.Contains(list[1].Error, "cable") {
			t.Errorf("the runs are %+v", list)
		}
		if !strings.Contains(r.log.String(), "organisation=port") {
			t.Errorf("the log says %s", r.log.String())
		}
	})
}

func TestForgetting(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx, r := t.Context(), newRig(t, db)
		r.walk = func(o org.Organisation) (discovery.Walk, error) {
			return discovery.Walk{Candidates: []discovery.Candidate{r.found(o.Assets.Domains[0]), r.found("198.51.100.1", discovery.AddressOf)}}, nil
		}
		must(t, r.Due(ctx))
		d := r.get(city, "198.51.100.1")
		_, err := r.Judge(ctx, scope(city), d.ID, 0, attribute.Rejected, "not ours")
		must(t, err)
		for _, c := range []struct {
			before time.Time
			want   int64
		}{{start, 0}, {start.Add(time.Second), 1}, {time.Time{}, 1}, {time.Time{}, 0}} {
			if n, err := r.Forget(ctx, city.ID, c.before); err != nil || n != c.want {
				t.Errorf("before %v: %d went, %v", c.before, n, err)
			}
		}
		if list, err := r.Runs(ctx, scope(city, ward)); err != nil || len(list) != 1 {
			t.Errorf("the runs left are %v, %v", list, err)
		}
	})
}

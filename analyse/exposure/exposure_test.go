package exposure_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"noroshi/access"
	"noroshi/action"
	"noroshi/analyse/exposure"
	"noroshi/bom"
	"noroshi/content"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
	"noroshi/org"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// texts reads scopes that are lines of ranges; "!" begins an excluded one, and
// "closed" is a scope outside its hours.
type texts struct{ until time.Time }

func (x texts) Parse(b []byte) (exposure.Terms, error) {
	t := exposure.Terms{Owner: "Example City", Digest: string(b), LegalBasis: "contract 1", Places: []string{"tcp/22", "tcp/443", "tcp/6379"}, Cap: 1000, ValidUntil: x.until}
	for line := range strings.FieldsSeq(string(b)) {
		to := &t.Ranges
		if strings.HasPrefix(line, "!") {
			to = &t.Excluded
		}
		if p, err := netip.ParsePrefix(strings.TrimPrefix(line, "!")); err == nil {
			*to = append(*to, p)
		}
	}
	if len(t.Ranges) == 0 {
		return t, fault.New(fault.Invalid, "test", "no range")
	}
	return t, nil
}

func (x texts) Exclude(b []byte, more []netip.Prefix) ([]byte, error) {
	out := string(b)
	for _, p := range more {
		out += " !" + p.String()
	}
	return []byte(out), nil
}

func (x texts) Open(b []byte, _ time.Time) bool { return !bytes.Contains(b, []byte("closed")) }

// actions remembers the surveys it was told.
type actions struct {
	looks  []action.Survey
	wishes []exposure.Wish
	fails  error
}

func (a *actions) Take(_ context.Context, s access.Scope, v action.Survey) error {
	if a.fails != nil {
		return a.fails
	}
	if !s.Allows(v.Org) {
		return fault.New(fault.NotFound, "test", "not of this scope")
	}
	a.looks = append(a.looks, v)
	return nil
}

func (a *actions) Recheck(context.Context) ([]exposure.Wish, error) { return a.wishes, nil }

func (a *actions) last(t *testing.T) action.Survey {
	t.Helper()
	if len(a.looks) == 0 {
		t.Fatal("nobody was told of a survey")
	}
	return a.looks[len(a.looks)-1]
}

var tree = org.NewTree([]org.Organisation{
	{ID: "org_0", Slug: "centre", Tenant: 1},
	{ID: "org_a", Parent: "org_0", Slug: "a", Tenant: 2, Assets: org.Assets{Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}},
	{ID: "org_a1", Parent: "org_a", Slug: "a1", Tenant: 3, Assets: org.Assets{Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.64/28")}}},
	{ID: "org_i", Parent: "org_0", Slug: "i", Tenant: 5, Sector: "telecom"},
	{ID: "org_b", Parent: "org_0", Slug: "b", Tenant: 4, Assets: org.Assets{Prefixes: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}}},
})

type rig struct {
	*testing.T
	*exposure.Store
	db      *ledger.DB
	actions *actions
	now     time.Time
	known   map[string][]exposure.Known
	edition int64 // of what is known; 0 while nothing is believed
	unread  error
	names   map[netip.Addr][]string
}

func (r *rig) Names(context.Context, ident.ID) (map[netip.Addr][]string, error) { return r.names, nil }

func (r *rig) Weak(p bom.PURL) []exposure.Known { return r.known[p.String()] }

func (r *rig) Believed(packageType string) (int64, error) {
	if packageType != "deb" {
		r.Errorf("it is asked for packages of %s", packageType)
	}
	return r.edition, r.unread
}

func newRig(t *testing.T, db *ledger.DB) *rig {
	t.Helper()
	r := &rig{T: t, db: db, actions: &actions{}, edition: 1, now: time.Date(2026, 5, 1, 3, 0, 0, 0, time.UTC), known: map[string][]exposure.Known{}}
	var err error
	r.Store, err = exposure.New(exposure.Deps{DB: db, Texts: texts{r.now.AddDate(1, 0, 0)}, Actions: r.actions, Advisories: r, Names: r, Tree: func() *org.Tree { return tree },
		Now: func() time.Time { return r.now }, Ident: ident.System(), Log: slog.New(slog.DiscardHandler), Every: 7 * 24 * time.Hour, Rules: content.Exposure()})
	must(t, err)
	return r
}

// as is somebody who may do an action at an organisation.
func (r *rig) as(name string, at ident.ID, what access.Action) access.Scope {
	r.Helper()
	auth, err := access.New(nil)
	must(r, err)
	s, err := auth.Scope(access.Principal{ID: ident.ID(name), Name: name, Roles: map[ident.ID][]string{at: {access.Administrator}}}, tree, what)
	must(r, err)
	return s
}

func (r *rig) scanner() access.Scope { return r.as("scanner", "org_0", access.ReportSurveys) }

// inForce makes a scope that two people stand for.
func (r *rig) inForce(at ident.ID, text string) exposure.Scope {
	r.Helper()
	c, err := r.Propose(r.Context(), r.as("hanako", at, access.RecordScopes), at, text)
	must(r, err)
	c, err = r.Approve(r.Context(), r.as("taro", at, access.ApproveScopes), c.ID, c.Version)
	must(r, err)
	return c
}

// scan makes the run that is due, and tells of open ports as JSON and of closed
// ones.
func (r *rig) scan(ports []string, closed ...string) exposure.ScanJob {
	r.Helper()
	j, err := r.Next(r.Context(), r.scanner(), "one")
	must(r, err)
	part := exposure.Part{Quiet: closed}
	for _, p := range ports {
		part.Ports = append(part.Ports, json.RawMessage(p))
	}
	must(r, r.Put(r.Context(), r.scanner(), j.Run, "one", part))
	must(r, r.Put(r.Context(), r.scanner(), j.Run, "one", part)) // The answer to the first was lost.
	must(r, r.Close(r.Context(), r.scanner(), j.Run, "one", "done", true, nil))
	return j
}

func port(address string, n int, more string) string {
	return fmt.Sprintf(`{"address":%q,"port":%d,"transport":"tcp"%s}`, address, n, more)
}

func (r *rig) changes() (list []string) {
	r.Helper()
	p, err := r.Changes(r.Context(), r.as("x", "org_0", access.ViewSurface), exposure.Filter{Since: r.now})
	must(r, err)
	for _, c := range p.Items {
		list = append(list, fmt.Sprintf("%s %s %s %s: %s > %s", c.Org, c.Kind, c.Address, c.Place, c.Before, c.After))
	}
	slices.Sort(list)
	return list
}

func names(v action.Survey) (list []string) {
	for _, w := range v.Weaknesses {
		list = append(list, string(w.Org)+" "+w.Asset.Key+" "+w.Place+" "+w.Name)
	}
	return list
}

func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

func TestTwoPeoplePutAScopeInForce(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db)
		ctx := t.Context()
		hanako := r.as("hanako", "org_a", access.RecordScopes)
		c, err := r.Propose(ctx, hanako, "org_a", "192.0.2.0/28")
		must(t, err)
		if _, err := r.Next(ctx, r.scanner(), "one"); fault.KindOf(err) != fault.NotFound {
			t.Fatalf("what one person proposed is scanned: %v", err)
		}
		if _, err := r.Approve(ctx, r.as("hanako", "org_a", access.ApproveScopes), c.ID, c.Version); fault.KindOf(err) != fault.Denied {
			t.Errorf("who recorded it approved it: %v", err)
		}
		if _, err := r.Approve(ctx, r.as("jiro", "org_b", access.ApproveScopes), c.ID, c.Version); fault.KindOf(err) != fault.NotFound {
			t.Errorf("another organisation approved it: %v", err)
		}
		if _, err := r.Propose(ctx, hanako, "org_b", "192.0.2.0/28"); fault.KindOf(err) != fault.NotFound {
			t.Errorf("a scope was proposed for another organisation: %v", err)
		}
		c, err = r.Approve(ctx, r.as("taro", "org_a", access.ApproveScopes), c.ID, c.Version)
		must(t, err)
		if c.State != exposure.InForce || c.ApprovedBy != "person:taro" {
			t.Errorf("approved: %+v", c)
		}
		if _, err := r.Next(ctx, r.scanner(), "one"); err != nil {
			t.Errorf("it is not scanned: %v", err)
		}
		h, err := r.History(ctx, c)
		must(t, err)
		if len(h) < 2 || h[0].Action != "proposed" || h[0].Actor != "person:hanako" || h[1].Action != "approved" || h[1].Actor != "person:taro" {
			t.Errorf("the history is %+v", h)
		}
		r.now = r.now.AddDate(2, 0, 0)
		for state, want := range map[exposure.State]int{exposure.Expired: 1, exposure.InForce: 0} {
			p, err := r.Scopes(ctx, hanako, exposure.Filter{States: []string{string(state)}})
			must(t, err)
			if len(p.Items) != want {
				t.Errorf("%d scopes are %s two years later", len(p.Items), state)
			}
		}
	})
}

func TestWhatStopsAScan(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db)
		ctx := t.Context()
		c := r.inForce("org_a", "192.0.2.0/24 198.51.100.0/28")
		j, err := r.Next(ctx, r.scanner(), "one")
		must(t, err)
		text, err := r.Text(ctx, r.scanner(), j.Run, "one")
		must(t, err)
		if text != "192.0.2.0/24 198.51.100.0/28 !198.51.100.0/24" {
			t.Errorf("the addresses that a neighbour has declared are not excluded: %s", text)
		}
		o, err := r.Ask(ctx, "192.0.2.7", "me@example.net", "", "203.0.113.9")
		must(t, err)
		if again, err := r.Text(ctx, r.scanner(), j.Run, "one"); err != nil || again != text {
			t.Errorf("asking alone changes the scope: %s, %v", again, err)
		}
		if _, err := r.Answer(ctx, r.as("b", "org_b", access.RecordScopes), o.ID, 0, true, ""); fault.KindOf(err) != fault.NotFound {
			t.Errorf("another organisation answers: %v", err)
		}
		_, err = r.Answer(ctx, r.as("a", "org_a", access.RecordScopes), o.ID, 0, true, "")
		must(t, err)
		if again, err := r.Text(ctx, r.scanner(), j.Run, "one"); err != nil || again != text+" !192.0.2.7/32" {
			t.Errorf("an opt-out that was granted does not reach the scan that is under way: %s, %v", again, err)
		}
		if _, err := r.Text(ctx, r.scanner(), j.Run, "two"); fault.KindOf(err) != fault.Conflict {
			t.Errorf("a scanner that does not hold the run goes on: %v", err)
		}
		if _, err := r.Next(ctx, r.scanner(), "two"); fault.KindOf(err) != fault.NotFound {
			t.Errorf("two scanners have one scope: %v", err)
		}
		_, err = r.Withdraw(ctx, r.as("hanako", "org_a", access.RecordScopes), c.ID, 0, "the contract ended")
		must(t, err)
		if _, err := r.Text(ctx, r.scanner(), j.Run, "one"); fault.KindOf(err) != fault.Denied {
			t.Errorf("a scope that was withdrawn still has a text: %v", err)
		}
		must(t, r.Close(ctx, r.scanner(), j.Run, "one", "withdrawn", false, nil))
		if _, err := r.Next(ctx, r.scanner(), "one"); fault.KindOf(err) != fault.NotFound {
			t.Errorf("it is scanned after the withdrawal: %v", err)
		}
	})
}

func TestAScanGoesOnWhereItWasLeft(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db)
		ctx := t.Context()
		r.inForce("org_a", "192.0.2.0/24")
		j, err := r.Next(ctx, r.scanner(), "one")
		must(t, err)
		again, err := r.Next(ctx, r.scanner(), "one")
		must(t, err)
		if again.Run != j.Run {
			t.Error("a scanner that was started again gets another run")
		}
		must(t, r.Put(ctx, r.scanner(), j.Run, "one", exposure.Part{Ports: []json.RawMessage{json.RawMessage(port("192.0.2.1", 6379, `,"service":"redis"`))}}))
		r.now = r.now.Add(2 * time.Minute) // It says nothing any more.
		other, err := r.Next(ctx, r.scanner(), "two")
		must(t, err)
		if other.Run != j.Run {
			t.Error("what a scanner left is not gone on with")
		}
		if err := r.Put(ctx, r.scanner(), j.Run, "one", exposure.Part{}); fault.KindOf(err) != fault.Conflict {
			t.Errorf("the first scanner still hands in: %v", err)
		}
		must(t, r.Close(ctx, r.scanner(), j.Run, "two", "out_of_hours", false, nil))
		if len(r.actions.looks) > 0 {
			t.Error("a run that waits for its hours was told of")
		}
		third, err := r.Next(ctx, r.scanner(), "two")
		must(t, err)
		must(t, r.Close(ctx, r.scanner(), third.Run, "two", "done", false, nil))
		equal(t, "weaknesses", names(r.actions.last(t)), []string{"org_a 192.0.2.1 tcp/6379 exposed-redis"})
		must(t, r.Close(ctx, r.scanner(), third.Run, "two", "done", false, nil)) // The answer was lost.
		if len(r.actions.looks) != 1 {
			t.Error("one run was told of twice")
		}
	})
}

// TestWhoseAnAddressIs: of who declared it, else of whose scope it is; but a
// provider of access is not the owner of its customers' machines.
func TestWhoseAnAddressIs(t *testing.T) {
	for of, want := range map[ident.ID]ident.ID{"org_a": "org_a", "org_i": ""} {
		r := newRig(t, ledgertest.SQLite(t))
		r.inForce(of, "203.0.113.0/24")
		r.scan([]string{port("203.0.113.1", 6379, `,"service":"redis"`)})
		if v := r.actions.last(t); len(v.Weaknesses) == 0 || v.Weaknesses[0].Org != want || v.Org != of {
			t.Errorf("of %s: %+v", of, v)
		}
	}
}

func TestWhatIsSeenAndWhatChanged(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db)
		r.inForce("org_a", "192.0.2.0/24")
		week := func() { r.now = r.now.Add(8 * 24 * time.Hour) }
		redis, ssh := port("192.0.2.1", 6379, `,"service":"redis","product":"Redis","version":"7.0"`), func(v string) string {
			return port("192.0.2.70", 22, `,"service":"ssh","product":"OpenSSH","version":"`+v+`","ssh":{"kex":["curve25519-sha256"]}`)
		}
		r.scan([]string{redis, ssh("9.2")})
		equal(t, "at first", r.changes(), []string{"org_a new 192.0.2.1 tcp/6379:  > redis Redis 7.0", "org_a1 new 192.0.2.70 tcp/22:  > ssh OpenSSH 9.2"})
		week()
		r.scan([]string{ssh("9.6")}, "192.0.2.1 tcp/6379")
		equal(t, "then", r.changes(), []string{"org_a gone 192.0.2.1 tcp/6379: redis Redis 7.0 > ", "org_a1 changed 192.0.2.70 tcp/22: ssh OpenSSH 9.2 > ssh OpenSSH 9.6"})
		if v := r.actions.last(t); !slices.Contains(v.Coverage.Answered, "192.0.2.1 tcp/6379") || len(v.Coverage.Ranges) != 1 || len(v.Weaknesses) != 0 {
			t.Errorf("the survey is %+v", v)
		}
		week()
		r.scan([]string{redis})
		equal(t, "when it returns", r.changes(), []string{"org_a returned 192.0.2.1 tcp/6379: redis Redis 7.0 > redis Redis 7.0"})
		for i := range 2 { // It was silent once already.
			week()
			r.scan([]string{redis})
			want := []string{}
			if i == 1 {
				want = []string{"org_a1 gone 192.0.2.70 tcp/22: ssh OpenSSH 9.6 > "}
			}
			equal(t, fmt.Sprint("silent ", i+2), append([]string{}, r.changes()...), want)
		}
		p, err := r.Assets(t.Context(), r.as("x", "org_a1", access.ViewSurface), exposure.Filter{})
		must(t, err)
		if len(p.Items) != 1 || p.Items[0].Address.String() != "192.0.2.70" || p.Items[0].Services[0].State != "gone" {
			t.Errorf("org_a1 sees %+v", p.Items)
		}
		if _, err := r.Asset(t.Context(), r.as("x", "org_b", access.ViewSurface), p.Items[0].ID); fault.KindOf(err) != fault.NotFound {
			t.Errorf("another organisation sees the host: %v", err)
		}
	})
}

// TestAScanThatCouldNotSeeProvesNothing holds the coverage to what was really
// asked.
func TestAScanThatCouldNotSeeProvesNothing(t *testing.T) {
	r := newRig(t, ledgertest.SQLite(t))
	ctx := t.Context()
	r.inForce("org_a", "192.0.2.0/24")
	r.scan([]string{port("192.0.2.1", 443, ""), port("192.0.2.2", 443, `,"service":"https"`), port("192.0.2.3", 22, `,"service":"ssh"`), port("192.0.2.4", 6379, `,"service":"redis"`),
		port("203.0.113.1", 443, `,"service":"http"`), port("192.0.2.5", 80, `,"service":"http"`)})
	v := r.actions.last(t)
	equal(t, "answered", v.Coverage.Answered, []string{"192.0.2.4 tcp/6379"})
	equal(t, "said too little", v.Coverage.Unknown, []string{"192.0.2.1 tcp/443", "192.0.2.2 tcp/443", "192.0.2.3 tcp/22"})
	equal(t, "weaknesses of places that no scope names", names(v), []string{"org_a 192.0.2.4 tcp/6379 exposed-redis"})
	if !slices.Contains(v.Coverage.Checks, "product") {
		t.Errorf("the checks are %v", v.Coverage.Checks)
	}
	r.now = r.now.Add(8 * 24 * time.Hour)
	j, err := r.Next(ctx, r.scanner(), "one")
	must(t, err)
	must(t, r.Close(ctx, r.scanner(), j.Run, "one", "done", false, nil))
	if v := r.actions.last(t); slices.Contains(v.Coverage.Checks, "product") || !slices.Contains(v.Coverage.Checks, "tls") {
		t.Errorf("without fingerprints the checks are %v", v.Coverage.Checks)
	}
	r.now = r.now.Add(8 * 24 * time.Hour)
	j, err = r.Next(ctx, r.scanner(), "one")
	must(t, err)
	must(t, r.Close(ctx, r.scanner(), j.Run, "one", "owner_cap", true, nil))
	if v := r.actions.last(t); len(v.Coverage.Answered)+len(v.Coverage.Ranges) > 0 {
		t.Errorf("a run that did not come to its end covered %+v", v.Coverage)
	}
}

func TestAClaimIsLookedAtAgain(t *testing.T) {
	r := newRig(t, ledgertest.SQLite(t))
	ctx := t.Context()
	r.inForce("org_a", "192.0.2.0/24")
	r.scan([]string{port("192.0.2.4", 6379, `,"service":"redis"`)})
	one := netip.MustParseAddr("192.0.2.4")
	r.actions.wishes = []exposure.Wish{{Address: netip.MustParseAddr("203.0.113.1"), Place: "tcp/443"}, {Address: one, Place: "tcp/8080"}, {Address: one, Place: "tcp/6379"}, {Address: netip.MustParseAddr("192.0.2.5"), Place: "tcp/443"}}
	j := r.scan(nil, "192.0.2.4 tcp/6379")
	if len(j.Only) != 1 || j.Only[0] != "192.0.2.4:6379" {
		t.Fatalf("the re-check looks at %v", j.Only)
	}
	v := r.actions.last(t)
	if fmt.Sprint(v.Coverage.Ranges, v.Coverage.Ports, v.Coverage.Answered) != "[192.0.2.4/32] [tcp/6379] [192.0.2.4 tcp/6379]" {
		t.Errorf("the re-check covered %+v", v.Coverage)
	}
	if j = r.scan(nil); len(j.Only) != 1 || j.Only[0] != "192.0.2.5:443" {
		t.Errorf("another address is looked at by a run of its own, which was %v", j.Only)
	}
	if _, err := r.Next(ctx, r.scanner(), "one"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("it is looked at without end: %v", err)
	}
	r.actions.wishes = []exposure.Wish{{Address: one, Place: "tcp/22", Provider: "org_a"}}
	if _, err := r.Next(ctx, r.scanner(), "one"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("an owner's wish is met by a scope that is no survey of devices: %v", err)
	}
	r.now = r.now.Add(time.Minute)
	r.actions.wishes = []exposure.Wish{{Address: one, Place: "tcp/6379", At: r.now}}
	if _, err := r.Next(ctx, r.scanner(), "one"); err != nil {
		t.Errorf("who asks after a look waits: %v", err)
	}
}

func TestBackportsAreHonoured(t *testing.T) {
	r := newRig(t, ledgertest.SQLite(t))
	r.inForce("org_a", "192.0.2.0/24")
	r.known["pkg:deb/debian/openssh@1:9.2p1-2%2Bdeb12u1?distro=debian-12"] = []exposure.Known{{Name: "CVE-2024-6387", Fixed: "1:9.2p1-2+deb12u3"}}
	said := func(pkg string) string {
		return port("192.0.2.1", 22, `,"service":"ssh","product":"OpenSSH","version":"9.2p1","package_version":"`+pkg+`","ssh":{"kex":["curve25519-sha256"]}`)
	}
	for _, c := range []struct{ pkg, want string }{{"", ""}, {"9.2p1-2+deb12u1", "org_a 192.0.2.1 tcp/22 CVE-2024-6387"}, {"", "org_a 192.0.2.1 tcp/22 CVE-2024-6387"}, {"9.2p1-2+deb12u3", ""}, {"", ""}} {
		r.scan([]string{said(c.pkg)})
		if got := strings.Join(names(r.actions.last(t)), ","); got != c.want {
			t.Errorf("%q has %q, not %q", c.pkg, got, c.want)
		}
		r.now = r.now.Add(8 * 24 * time.Hour)
	}
}

// TestASurveyThatWasNotTakenIsToldAgain breaks those who keep actions.
func TestASurveyThatWasNotTakenIsToldAgain(t *testing.T) {
	r := newRig(t, ledgertest.SQLite(t))
	ctx := t.Context()
	r.inForce("org_a", "192.0.2.0/24")
	r.actions.fails = fault.New(fault.Unavailable, "test", "away")
	j, err := r.Next(ctx, r.scanner(), "one")
	must(t, err)
	must(t, r.Put(ctx, r.scanner(), j.Run, "one", exposure.Part{Ports: []json.RawMessage{json.RawMessage(port("192.0.2.4", 6379, `,"service":"redis"`))}}))
	if err := r.Close(ctx, r.scanner(), j.Run, "one", "done", true, nil); err == nil {
		t.Error("nobody says that it was not taken")
	}
	r.actions.fails = nil
	must(t, r.Close(ctx, r.scanner(), j.Run, "one", "done", true, nil))
	equal(t, "weaknesses", names(r.actions.last(t)), []string{"org_a 192.0.2.4 tcp/6379 exposed-redis"})
	equal(t, "changes", r.changes(), []string{"org_a new 192.0.2.4 tcp/6379:  > redis"})
}

func TestAnOrganisationLeavesNothing(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db)
		ctx := t.Context()
		r.inForce("org_a", "192.0.2.0/24")
		r.scan([]string{port("192.0.2.4", 6379, `,"service":"redis"`)})
		o, err := r.Ask(ctx, "192.0.2.7", "me@example.net", "", "203.0.113.9")
		must(t, err)
		if n, err := r.Leave(ctx, "org_a"); err != nil || n < 5 {
			t.Errorf("%d rows were deleted: %v", n, err)
		}
		must(t, db.Read(ctx, func(q ledger.Queryer) error {
			for _, table := range []string{"scan_scope", "scan_run", "scan_part", "surface_asset", "surface_service", "surface_change", "scan_optout"} {
				var n int
				if err := q.QueryRow(ctx, `SELECT COUNT(*) FROM `+table+` WHERE org = 'org_a'`).Scan(&n); err != nil || n > 0 {
					t.Errorf("%s keeps %d rows, %v", table, n, err)
				}
			}
			return nil
		}))
		p, err := r.OptOuts(ctx, r.as("x", "org_0", access.ViewSurface), exposure.Filter{})
		must(t, err)
		if len(p.Items) != 1 || p.Items[0].ID != o.ID || p.Items[0].Org != "org_0" {
			t.Errorf("the wish not to be scanned is gone: %+v", p.Items)
		}
	})
}

func TestAProofThatDidNotStandIsLookedAtWithinTheHour(t *testing.T) {
	r := newRig(t, ledgertest.SQLite(t))
	ctx := t.Context()
	r.inForce("org_a", "192.0.2.0/24")
	j, err := r.Next(ctx, r.scanner(), "one")
	must(t, err)
	must(t, r.Close(ctx, r.scanner(), j.Run, "one", "refused", true, nil))
	for _, c := range []struct {
		after time.Duration
		due   bool
	}{{59 * time.Minute, false}, {time.Minute, true}} {
		r.now = r.now.Add(c.after)
		if _, err := r.Next(ctx, r.scanner(), "one"); (err == nil) != c.due {
			t.Errorf("%s later: %v", c.after, err)
		}
	}
}

func TestOldRecordsAreDroppedAndWhatIsThereStays(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db)
		ctx := t.Context()
		r.inForce("org_a", "192.0.2.0/24")
		r.scan([]string{port("192.0.2.4", 6379, `,"service":"redis"`), port("192.0.2.5", 6379, `,"service":"redis"`)})
		r.now = r.now.Add(8 * 24 * time.Hour)
		r.scan([]string{port("192.0.2.4", 6379, `,"service":"redis"`)}, "192.0.2.5 tcp/6379")
		r.now = r.now.Add(time.Hour)
		_, err := r.Forget(ctx, "org_a", r.now)
		must(t, err)
		s := r.as("x", "org_0", access.ViewSurface)
		hosts, err := r.Assets(ctx, s, exposure.Filter{})
		must(t, err)
		runs, err := r.Runs(ctx, s, exposure.Filter{})
		must(t, err)
		scopes, err := r.Scopes(ctx, s, exposure.Filter{})
		must(t, err)
		if len(hosts.Items) != 1 || hosts.Items[0].Address.String() != "192.0.2.4" || len(runs.Items) != 0 || len(scopes.Items) != 1 {
			t.Errorf("what stays is %+v, %d runs, %d scopes", hosts.Items, len(runs.Items), len(scopes.Items))
		}
	})
}

// TestListsArePaged asks for one after the other.
func TestListsArePaged(t *testing.T) {
	r := newRig(t, ledgertest.SQLite(t))
	r.inForce("org_a", "192.0.2.0/24")
	var want, got []string
	var ports []string
	for i := range 7 {
		a := fmt.Sprintf("192.0.2.%d", i+1)
		want, ports = append(want, a), append(ports, port(a, 6379, `,"service":"redis"`))
	}
	r.scan(ports)
	f := exposure.Filter{Limit: 2}
	for {
		p, err := r.Assets(t.Context(), r.as("x", "org_a", access.ViewSurface), f)
		must(t, err)
		for _, h := range p.Items {
			got = append(got, h.Address.String())
		}
		if f.Cursor = p.Next; f.Cursor == "" {
			break
		}
	}
	slices.Sort(got)
	equal(t, "hosts", got, want)
	if _, err := r.Assets(t.Context(), r.as("x", "org_a", access.ViewSurface), exposure.Filter{Cursor: "x"}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a cursor of another list: %v", err)
	}
}

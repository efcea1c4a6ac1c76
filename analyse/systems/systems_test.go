package systems_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"noroshi/access"
	"noroshi/action"
	"noroshi/analyse/exposure"
	"noroshi/analyse/systems"
	"noroshi/bom"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
	"noroshi/ledger/quarantine"
	"noroshi/org"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// list is a bill of materials in the simplest of notations: a package URL a line,
// each needed by the one before it.
type list struct{}

func (list) Read(r io.Reader) (s bom.System, err error) {
	b, err := io.ReadAll(r)
	for i, line := range strings.Fields(string(b)) {
		p, perr := bom.ParsePURL(line)
		if perr != nil {
			return s, fault.As(fault.Invalid, "list.read", perr, "%s", fault.PublicOf(perr)).At("line %d", i+1)
		}
		s.Components = append(s.Components, bom.Component{Name: p.Name, Version: p.Version, PURL: p, CPE: p.Qualifiers["cpe"], License: p.Qualifiers["license"]})
		s.Edges = append(s.Edges, bom.Edge{From: i - 1, To: i})
	}
	return s, err
}

func (list) Score(bom.System) int { return 50 }

func (list) Write(w io.Writer, s bom.System) error {
	_, err := fmt.Fprintf(w, "%d components", len(s.Components))
	return err
}

// board keeps what surveys say, in the plainest way: what is there, of which
// system, and which surveys came.
type board struct {
	there   map[string]action.Weakness
	surveys []action.Survey
	fails   error
}

func (b *board) Take(_ context.Context, s access.Scope, v action.Survey) (action.Outcome, error) {
	if b.fails != nil {
		return action.Outcome{}, b.fails
	}
	if !s.Allows(v.Org) {
		return action.Outcome{}, fault.New(fault.NotFound, "board", "no such organisation")
	}
	b.surveys = append(b.surveys, v)
	look := v.Coverage.Looker()
	for k, w := range b.there {
		if w.Org == v.Org && look(w.Check, w.Asset, w.Place) == action.Judged {
			delete(b.there, k)
		}
	}
	for _, w := range v.Weaknesses {
		b.there[string(w.Org)+action.Fingerprint(v.Source, w)] = w
	}
	return action.Outcome{}, nil
}

func (b *board) Standing(_ context.Context, s access.Scope, orgs []ident.ID, prints []string) (map[string]action.Action, error) {
	out := map[string]action.Action{}
	for _, o := range orgs {
		for _, p := range prints {
			if w, ok := b.there[string(o)+p]; ok && s.Allows(o) {
				out[string(o)+p] = action.Action{ID: "act_1", Weakness: w, State: action.Open}
			}
		}
	}
	return out, nil
}

// says is what the board has, in words.
func (b *board) says() map[string]string {
	out := map[string]string{}
	for k, w := range b.there {
		x, _ := json.Marshal(w.Evidence)
		for i := range w.Evidence {
			x = bytes.ReplaceAll(x, []byte(w.Evidence[i].By), nil)
			x = bytes.ReplaceAll(x, []byte(w.Evidence[i].At.Format(time.RFC3339Nano)), nil)
		}
		out[k] = strings.Join([]string{string(w.Org), w.Asset.Key, w.Place, w.Name, w.Version, w.Fix, w.Title, ledger.JSON(w.Decision), string(x)}, " | ")
	}
	return out
}

// outside is what a scanner saw.
type outside struct {
	edition int64
	list    []exposure.Sighting
}

func (o *outside) Sightings(_ context.Context, have int64) (int64, []exposure.Sighting, error) {
	if have == o.edition {
		return have, nil, nil
	}
	return o.edition, o.list, nil
}

// rig is a hub with a centre and two members.
type rig struct {
	*systems.Systems
	db           *ledger.DB
	tree         *org.Tree
	outside      outside
	board        *board
	aside        []quarantine.Quarantined
	now          time.Time
	full         error
	centre, a, b access.Scope
}

const centre, orgA, orgB ident.ID = "org_0", "org_a", "org_b"

func newRig(t testing.TB, db *ledger.DB) *rig {
	t.Helper()
	r := &rig{db: db, now: time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC), board: &board{there: map[string]action.Weakness{}},
		tree: org.NewTree([]org.Organisation{{ID: centre}, {ID: orgA, Parent: centre}, {ID: orgB, Parent: centre}})}
	auth, err := access.New(nil)
	must(t, err)
	as := func(o ident.ID) access.Scope {
		s, err := auth.Scope(access.Principal{ID: ident.ID("psn_" + o), Roles: map[ident.ID][]string{o: {access.Administrator}}}, r.tree, access.ManageSystems)
		must(t, err)
		return s
	}
	r.centre, r.a, r.b = as(centre), as(orgA), as(orgB)
	r.Systems = r.hub(t)
	return r
}

// hub is another hub on the same ledger.
func (r *rig) hub(t testing.TB) *systems.Systems {
	t.Helper()
	x, err := systems.New(r.deps())
	must(t, err)
	must(t, x.Refresh(t.Context()))
	return x
}

// deps is what hubs on this ledger work with.
func (r *rig) deps() systems.Deps {
	return systems.Deps{DB: r.db, Documents: list{}, Actions: r.board, Outside: &r.outside, Closed: func() error { return r.full }, Tree: func() *org.Tree { return r.tree }, Now: func() time.Time { return r.now },
		Ident: ident.System(), Log: slog.New(slog.DiscardHandler), Aside: func(_ context.Context, l []quarantine.Quarantined) error {
			r.aside = append(r.aside, l...)
			return nil
		}}
}

// system adds one with a bill of materials.
func (r *rig) system(t testing.TB, s access.Scope, name string, f systems.Facts, parts string) systems.System {
	t.Helper()
	f.Name = name
	sys, err := r.Add(t.Context(), s, s.Orgs()[0], f)
	must(t, err)
	_, err = r.Upload(t.Context(), s, sys.ID, "1", "", []byte(parts))
	must(t, err)
	sys, err = r.Get(t.Context(), s, sys.ID)
	must(t, err)
	return sys
}

// advisory says that versions of an npm package below one are weak.
func advisory(id, alias, pkg, fixed string) string {
	return fmt.Sprintf(`{"id":%q,"aliases":[%q],"modified":"2026-01-01T00:00:00Z","summary":"about %s","affected":[{"package":{"ecosystem":"npm","name":%q},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":%q}]}]}]}`, id, alias, id, pkg, fixed)
}

func archive(t testing.TB, entries ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i, e := range entries {
		w, err := z.Create(fmt.Sprintf("%03d.json", i))
		must(t, err)
		_, err = io.WriteString(w, e)
		must(t, err)
	}
	must(t, z.Close())
	return b.Bytes()
}

func (r *rig) load(t testing.TB, name string, content []byte) systems.Feed {
	t.Helper()
	f, err := r.Load(t.Context(), r.centre, name, name, content)
	must(t, err)
	return f
}

func TestAnAdvisoryReachesOnlyWhoIsHit(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx, r := t.Context(), newRig(t, db)
		shop := r.system(t, r.a, "shop", systems.Facts{Owner: "Shop team", Importance: "high", SeenAs: []string{"Shop.example.jp."}}, "pkg:npm/web@1.0.0 pkg:npm/left@2.0.0")
		r.system(t, r.b, "other", systems.Facts{}, "pkg:npm/right@1.0.0")
		must(t, r.Match(ctx))
		if len(r.board.surveys) > 0 {
			t.Fatalf("nothing is known, and a survey says %+v", r.board.surveys[0])
		}
		r.load(t, "", []byte(advisory("GHSA-1", "CVE-2026-1", "left", "2.0.1")))
		must(t, r.Match(ctx))
		must(t, r.Match(ctx))
		if len(r.board.surveys) != 1 || r.board.surveys[0].Org != orgA || len(r.board.surveys[0].Weaknesses) != 1 {
			t.Fatalf("the surveys are %+v", r.board.surveys)
		}
		w := r.board.surveys[0].Weaknesses[0]
		if w.Name != "CVE-2026-1" || w.Place != "pkg:npm/left" || w.Version != "2.0.0" || !strings.Contains(w.Fix, "2.0.1") || !w.Asset.Exposed || w.Asset.Importance != "high" ||
			!strings.Contains(w.Evidence[0].Text, "through web 1.0.0") {
			t.Errorf("the weakness is %+v", w)
		}
		for name, s := range map[string]access.Scope{"a": r.a, "centre": r.centre} {
			who, err := r.WhoIsHit(ctx, s, "GHSA-1", "", 0)
			must(t, err)
			if who.Systems != 1 || len(who.Items) != 1 || who.Items[0].Owner != "Shop team" || who.Items[0].SeenAs[0] != "shop.example.jp" || strings.Join(who.Items[0].Path, " ") != "web 1.0.0 left 2.0.0" ||
				who.Items[0].Action == nil || who.Items[0].Action.State != action.Open {
				t.Errorf("%s hears %+v", name, who)
			}
		}
		if who, err := r.WhoIsHit(ctx, r.b, "GHSA-1", "", 0); err != nil || who.Systems != 0 || who.Looked != 1 || len(who.Items) != 0 {
			t.Errorf("the other hears %+v, %v", who, err)
		}
		_, err := r.Upload(ctx, r.a, shop.ID, "2", "", []byte("pkg:npm/web@1.0.0 pkg:npm/left@2.0.1"))
		must(t, err)
		must(t, r.Match(ctx))
		if last := r.board.surveys[len(r.board.surveys)-1]; len(r.board.surveys) != 2 || len(last.Weaknesses) != 0 || last.Coverage.Assets[0] != "shop" || len(r.board.there) != 0 {
			t.Errorf("the upgrade is not looked at: %+v", last)
		}
	})
}

// TestAnAdvisoryMoreLeavesTheRestAlone: of a system that has much already, only
// what is new is handed in.
func TestAnAdvisoryMoreLeavesTheRestAlone(t *testing.T) {
	ctx, r := t.Context(), newRig(t, ledgertest.SQLite(t))
	r.system(t, r.a, "shop", systems.Facts{}, "pkg:npm/left@2.0.0 pkg:npm/right@1.0.0")
	r.load(t, "", []byte(advisory("A-1", "CVE-2026-1", "left", "3.0.0")))
	must(t, r.Match(ctx))
	r.load(t, "", []byte(advisory("A-2", "CVE-2026-2", "right", "3.0.0")))
	must(t, r.Match(ctx))
	last := r.board.surveys[1]
	if len(last.Weaknesses) != 1 || last.Weaknesses[0].Name != "CVE-2026-2" || len(last.Coverage.Assets) != 0 || len(r.board.there) != 2 {
		t.Errorf("handed in was %+v", last)
	}
	// A withdrawal is a whole look.
	r.load(t, "", []byte(`{"id":"A-2","modified":"2026-02-01T00:00:00Z","withdrawn":"2026-02-01T00:00:00Z"}`))
	must(t, r.Match(ctx))
	if last = r.board.surveys[2]; len(last.Coverage.Assets) != 1 || len(r.board.there) != 1 {
		t.Errorf("after it was withdrawn there is %v", r.board.says())
	}
}

// TestWhatCouldNotBeHandedInIsHandedInLater, also by a hub that begins.
func TestWhatCouldNotBeHandedInIsHandedInLater(t *testing.T) {
	ctx, r := t.Context(), newRig(t, ledgertest.SQLite(t))
	r.system(t, r.a, "shop", systems.Facts{}, "pkg:npm/left@2.0.0")
	r.load(t, "", []byte(advisory("A-1", "CVE-2026-1", "left", "3.0.0")))
	r.board.fails = fault.New(fault.Unavailable, "board", "away")
	if err := r.Match(ctx); err == nil {
		t.Fatal("nobody took it, and nobody says so")
	}
	r.board.fails = nil
	must(t, r.Match(ctx))
	if len(r.board.there) != 1 {
		t.Fatal("it was not tried again")
	}
	must(t, r.Match(ctx))
	again := r.hub(t)
	must(t, again.MatchAll(ctx, false))
	if len(r.board.surveys) != 1 {
		t.Errorf("a hub that began said again what was said: %d surveys", len(r.board.surveys))
	}
	must(t, again.MatchAll(ctx, true))
	if len(r.board.surveys) != 2 {
		t.Error("the daily look said nothing, so what people claimed is never judged")
	}
}

func TestALyingHashAndWhatIsNoBillAreRefused(t *testing.T) {
	ctx, r := t.Context(), newRig(t, ledgertest.SQLite(t))
	sys := r.system(t, r.a, "shop", systems.Facts{}, "pkg:npm/left@2.0.0")
	if _, err := r.Upload(ctx, r.a, sys.ID, "2", "sha256:"+strings.Repeat("0", 64), []byte("pkg:npm/left@2.0.1")); fault.KindOf(err) != fault.Invalid || !strings.Contains(fault.PublicOf(err), "changed on its way") {
		t.Errorf("a lying hash: %v", err)
	}
	if _, err := r.Upload(ctx, r.a, sys.ID, "2", "", []byte("pkg:npm/left@2.0.1 nonsense")); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("what is none: %v", err)
	}
	if len(r.aside) != 1 || r.aside[0].Org != orgA || !strings.Contains(r.aside[0].Place, "shop") || !strings.Contains(r.aside[0].Reason, "line 2") {
		t.Errorf("set aside was %+v", r.aside)
	}
	if _, err := r.Upload(ctx, r.b, sys.ID, "2", "", []byte("pkg:npm/left@2.0.1")); fault.KindOf(err) != fault.NotFound {
		t.Errorf("another's system: %v", err)
	}
	if bills, err := r.Bills(ctx, r.a, sys.ID); err != nil || len(bills) != 1 {
		t.Errorf("there are %d bills, %v", len(bills), err)
	}
	r.full = fault.New(fault.Exhausted, "disk", "nearly full")
	if _, err := r.Upload(ctx, r.a, sys.ID, "2", "", []byte("pkg:npm/left@2.0.1")); fault.KindOf(err) != fault.Exhausted {
		t.Errorf("the disk is nearly full: %v", err)
	}
	if _, err := r.Load(ctx, r.centre, "npm", "npm", archive(t, many(0, 1)...)); fault.KindOf(err) != fault.Exhausted {
		t.Errorf("the disk is nearly full: %v", err)
	}
	r.full = nil
	b, err := r.Upload(ctx, r.a, sys.ID, "", "", []byte("pkg:npm/left@2.0.0"))
	must(t, err)
	if b.Number != 1 {
		t.Errorf("the same again is number %d", b.Number)
	}
}

func TestBillsAreKeptAndCompared(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx, r := t.Context(), newRig(t, db)
		was := "pkg:npm/gone@1.0.0 pkg:npm/same@1.0.0 pkg:npm/up@1.0.0 pkg:npm/up@1.5.0"
		sys := r.system(t, r.a, "shop", systems.Facts{}, was)
		_, err := r.Upload(ctx, r.a, sys.ID, "2", "", []byte("pkg:npm/same@1.0.0 pkg:npm/up@1.5.0 pkg:npm/up@2.0.0 pkg:npm/new@3.0.0"))
		must(t, err)
		c, err := r.Compare(ctx, r.a, sys.ID, 1, 2)
		must(t, err)
		got, _ := json.Marshal([]any{c.Added, c.Removed, c.Changed, c.Same, c.From.Version, c.To.Version})
		if want := `[[{"package":"pkg:npm/new","version":"3.0.0"}],[{"package":"pkg:npm/gone","version":"1.0.0"}],[{"package":"pkg:npm/up","from":["1.0.0","1.5.0"],"to":["1.5.0","2.0.0"]}],1,"1","2"]`; string(got) != want {
			t.Errorf("compared: %s", got)
		}
		if _, doc, err := r.Document(ctx, r.a, sys.ID, 1); err != nil || string(doc) != was {
			t.Errorf("kept was %q, %v", doc, err)
		}
		if doc, err := r.CycloneDX(ctx, r.a, sys.ID, 2); err != nil || string(doc) != "4 components" {
			t.Errorf("written: %q, %v", doc, err)
		}
		if _, err := r.Compare(ctx, r.b, sys.ID, 1, 2); fault.KindOf(err) != fault.NotFound {
			t.Errorf("another compares: %v", err)
		}
		r.now = r.now.AddDate(0, 0, 10)
		if n, err := r.Forget(ctx, orgA, r.now); err != nil || n != 1 {
			t.Errorf("retention dropped %d, %v", n, err)
		}
		r.system(t, r.b, "other", systems.Facts{}, "pkg:npm/same@1.0.0")
		other := r.hub(t)
		if n, err := r.Forget(ctx, orgA, time.Time{}); err != nil || n != 2 {
			t.Errorf("deleted were %d, %v", n, err)
		}
		must(t, other.Refresh(ctx))
		for name, x := range map[string]*systems.Systems{"the hub": r.Systems, "another hub": other} {
			if st, err := x.Stats(ctx); err != nil || st.Systems != 1 {
				t.Errorf("%s knows %+v, %v", name, st, err)
			}
		}
		if _, err := r.Forget(ctx, orgB, time.Time{}); err != nil {
			t.Error(err)
		}
		for _, table := range []string{"system", "system_bill"} {
			var n int
			must(t, db.Read(ctx, func(q ledger.Queryer) error { return q.QueryRow(ctx, `SELECT COUNT(*) FROM `+table).Scan(&n) }))
			if n != 0 {
				t.Errorf("%d rows stay in %s", n, table)
			}
		}
	})
}

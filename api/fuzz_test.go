package api_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"noroshi/access"
	"noroshi/analyse"
	"noroshi/analyse/attribute"
	"noroshi/analyse/match"
	"noroshi/analyse/pdns"
	"noroshi/analyse/sigma"
	"noroshi/api"
	"noroshi/discovery"
	"noroshi/eventstore"
	"noroshi/eventstore/storetest"
	"noroshi/eventstore/victorialogs"
	"noroshi/ident"
	"noroshi/identity"
	"noroshi/indicator"
	"noroshi/intel"
	"noroshi/intel/gate"
	"noroshi/label"
	"noroshi/ledger/ledgertest"
	"noroshi/ledger/quarantine"
	"noroshi/observable"
	"noroshi/org"
	"noroshi/sense/rollcall"
	"noroshi/share/push"
)

func must[T any](f *testing.F) func(v T, err error) T {
	return func(v T, err error) T {
		f.Helper()
		if err != nil {
			f.Fatal(err)
		}
		return v
	}
}

// platform is the API on real stores with two organisations, of which the second
// has a secret in each.
func platform(f *testing.F) (h http.Handler, secrets []string) {
	db := ledgertest.SQLite(f)
	deps := identity.Deps{DB: db, Now: time.Now, Ident: ident.System()}
	orgs := must[*identity.Organisations](f)(identity.OpenOrganisations(f.Context(), deps))
	a := must[org.Organisation](f)(orgs.Put(f.Context(), "hub:test", org.Organisation{Slug: "a", Name: "A", NameJA: "甲"}))
	b := must[org.Organisation](f)(orgs.Put(f.Context(), "hub:test", org.Organisation{Slug: "b", Name: "B", NameJA: "乙", Parent: a.ID}))
	a, b = b, a // The reader stands below, and does not see up.
	ca := must[*identity.CA](f)(identity.OpenCA(f.TempDir(), time.Now))
	events := must[*victorialogs.Store](f)(victorialogs.Open(victorialogs.Config{Dir: f.TempDir(), MemoryMiB: 64, Retention: 48 * time.Hour}, slog.New(slog.DiscardHandler)))
	f.Cleanup(func() { _ = events.Close() })
	g := must[*gate.Gate](f)(gate.New(gate.Config{}))
	p := push.New(push.Deps{DB: db, Key: ca.FeedKey(), Tree: orgs.Current, Edges: func() []push.Edge { return nil }, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	x := api.Backend{Version: "test", Log: slog.New(slog.DiscardHandler), Now: time.Now, Access: must[*access.Authorizer](f)(access.New(nil)), Tree: orgs.Current,
		People: identity.NewPeople(deps), Nodes: must[*identity.Nodes](f)(identity.OpenNodes(f.Context(), deps, ca, identity.Hub{Enrol: "127.0.0.1:1", Bus: "127.0.0.1:1", Feeds: push.FeedsFor})),
		Roll: rollcall.New(time.Now), Push: p, Events: events, PDNS: pdns.New(db), Quarantine: quarantine.New(db, time.Now, deps.Ident),
		Findings: must[*analyse.Analyser](f)(analyse.New(analyse.Config{}, analyse.Deps{DB: db, Rules: &sigma.Set{}, Match: match.New(), Tree: orgs.Current, Now: time.Now, Ident: deps.Ident})),
		Intel:    intel.New(intel.Deps{DB: db, Gate: g, Outbox: p, Tree: orgs.Current, Now: time.Now, Ident: deps.Ident, Log: slog.New(slog.DiscardHandler)}, nil),
		Watch:    func(func(string, []byte)) (func(), error) { return func() {}, nil }}
	if err := events.Append(f.Context(), []eventstore.Row{{Tenant: b.Tenant, Event: storetest.Event(b.ID, 1, time.Now(), storetest.Secret)}}); err != nil {
		f.Fatal(err)
	}
	if err := x.Quarantine.Put(f.Context(), []quarantine.Quarantined{{Org: b.ID, Node: "nod_b", Place: "line 1", Reason: storetest.Secret}}); err != nil {
		f.Fatal(err)
	}
	ind := must[indicator.Indicator](f)(x.Intel.Decide(f.Context(), access.Hub(orgs.Current(), "test"), intel.Proposal{Org: b.ID, Observable: observable.Observable{Kind: observable.Domain, Value: storetest.Secret},
		Marking: label.Marking{TLP: label.TLPRed, PAP: label.PAPGreen, Realm: label.Exercise}, Action: indicator.Block, Confidence: 1, Valid: time.Hour, Reason: "r"}))
	x.Discoveries = attribute.New(attribute.Deps{DB: db, Tree: orgs.Current, Now: time.Now, Ident: deps.Ident, Log: x.Log})
	if _, err := x.Discoveries.Keep(f.Context(), b, discovery.Walk{Candidates: []discovery.Candidate{{Asset: observable.Observable{Kind: observable.Domain, Value: storetest.Secret}}}}); err != nil {
		f.Fatal(err)
	}
	found := must[attribute.Page](f)(x.Discoveries.List(f.Context(), access.Hub(orgs.Current(), "test"), attribute.Filter{}))
	reader := access.Principal{ID: "psn_a", Name: "a", Roles: map[ident.ID][]string{a.ID: {access.Administrator}}}
	return api.New(x).Trusted(reader), []string{storetest.Secret, string(ind.ID), string(found.Items[0].ID)}
}

// FuzzRequest asks any operation anything, as a person who may do everything in
// one organisation: it is never the platform's fault, and nothing of another
// organisation comes back.
func FuzzRequest(f *testing.F) {
	h, secrets := platform(f)
	for _, s := range [][4]string{
		{"GET", "search", `q=*&limit=5&from=2026-01-01T00:00:00Z`, ""}, {"GET", "search/values", "field=node&q=*", ""}, {"GET", "search/histogram", "to=0000-00-00", ""},
		{"GET", "findings", "state=new,closed&level=high&cursor=1.2&q=%25", ""}, {"GET", "indicators", "cursor=zz.ind_&q='", ""}, {"GET", "indicators/ind_x", "", ""},
		{"GET", "pdns", "q=*.test", ""}, {"GET", "nodes", "", ""}, {"GET", "quarantine", "", ""}, {"GET", "beacon", "hours=168", ""}, {"GET", "organisations", "", ""},
		{"POST", "indicators", "", `{"observable":"hxxp://evil[.]example/a","action":"block","tlp":"TLP:GREEN","pap":"PAP:GREEN","confidence":1,"valid_hours":0.01,"reason":"r"}`},
		{"POST", "indicators/ind_x/revoke", "", `{"reason":"r","version":1}`}, {"POST", "findings/fnd_x/indicator", "", `{"observable":{"kind":"domain","value":"a.b"},"tlp":1}`},
		{"POST", "enrol", "", `{"org":"org_x","role":"sensor"}`}, {"POST", "nodes/nod_x/cut", "", `{"reason":""}`}, {"GET", "discoveries", "state=candidate&new=true&confidence=50&cursor=1.dsc_&q=%25", ""}, {"GET", "discoveries/dsc_x", "", ""}, {"GET", "discoveries/runs", "", ""},
		{"POST", "discoveries/dsc_x/confirm", "", `{"reason":"r","version":1}`}, {"POST", "discoveries/runs", "", `{"org":"org_x"}`}, {"POST", "session", "", `{"link":"x"}`}, {"PUT", "../../x", "", ""},
	} {
		f.Add(s[0], s[1], s[2], s[3])
	}
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		if strings.HasPrefix(path, "live") {
			return // It does not end by itself.
		}
		u := url.URL{Path: "/api/v1/" + path, RawQuery: query}
		r, err := http.NewRequestWithContext(t.Context(), method, u.String(), strings.NewReader(body))
		if err != nil {
			return
		}
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("%s %s %q is answered with %d %.300s", method, u.String(), body, w.Code, w.Body)
		}
		for _, s := range secrets {
			if strings.Contains(w.Body.String(), s) && !strings.Contains(u.String()+body, s) {
				t.Errorf("%s %s %q shows %s", method, u.String(), body, s)
			}
		}
	})
}

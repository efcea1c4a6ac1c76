package identity_test

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"noroshi/access"
	"noroshi/ident"
	"noroshi/identity"
	"noroshi/identity/identitytest"
	"noroshi/identity/join"
	"noroshi/ledger"
	"noroshi/org"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// clock is moved by hand.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.t }

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	c.t = c.t.Add(d)
	c.mu.Unlock()
}

// life is how long certificates of nodes last in these tests. The hub's clock is
// moved within it, while the nodes' TLS keeps to the machine's.
const life = time.Hour

// rig is a hub with a real enrolment listener on loopback, and organisations b
// below a.
type rig struct {
	*clock
	deps  identity.Deps
	ca    *identity.CA
	orgs  *identity.Organisations
	nodes *identity.Nodes
	hub   identity.Hub
	all   access.Scope
	dir   string // of the authority
	log   identitytest.Journal
	a, b  org.Organisation
}

func newRig(t *testing.T, db *ledger.DB) *rig {
	t.Helper()
	r := &rig{clock: &clock{t: time.Now()}}
	r.deps = identity.Deps{DB: db, Now: r.now, Ident: ident.Maker{Now: r.now, Rand: ident.System().Rand}}
	var err error
	r.dir = t.TempDir()
	r.ca, err = identity.OpenCA(r.dir, r.now)
	must(t, err)
	r.orgs, err = identity.OpenOrganisations(t.Context(), r.deps)
	must(t, err)
	r.a, err = r.orgs.Put(t.Context(), "hub:test", org.Organisation{Slug: "a", Name: "A", NameJA: "甲"})
	must(t, err)
	r.b, err = r.orgs.Put(t.Context(), "hub:test", org.Organisation{Slug: "b", Name: "B", NameJA: "乙", Parent: r.a.ID})
	must(t, err)
	r.all = access.Hub(r.orgs.Current(), "test")
	cfg, err := r.ca.EnrolTLS(nil)
	must(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	r.hub = identity.Hub{Enrol: l.Addr().String(), Bus: "127.0.0.1:1", Feeds: func(ident.ID) []string { return []string{"real.all"} }, Life: life}
	r.nodes, err = identity.OpenNodes(t.Context(), r.deps, r.ca, r.hub)
	must(t, err)
	log := slog.New(slog.NewTextHandler(&r.log, nil))
	s := &http.Server{Handler: identity.EnrolHandler(r.nodes, log), ErrorLog: r.nodes.HandshakeLog(log), ReadHeaderTimeout: time.Minute}
	go func() { _ = s.Serve(tls.NewListener(l, cfg)) }()
	t.Cleanup(func() { _ = s.Close() })
	return r
}

// scope is what somebody with a role at one organisation may do.
func (r *rig) scope(t *testing.T, at ident.ID, role string, action access.Action) access.Scope {
	t.Helper()
	auth, err := access.New(nil)
	must(t, err)
	s, err := auth.Scope(access.Principal{ID: "psn_x", Roles: map[ident.ID][]string{at: {role}}}, r.orgs.Current(), action)
	must(t, err)
	return s
}

// another is a second hub of the platform on the same ledger.
func (r *rig) another(t *testing.T) *identity.Nodes {
	t.Helper()
	n, err := identity.OpenNodes(t.Context(), r.deps, r.ca, r.hub)
	must(t, err)
	return n
}

// join lets a node join organisation a.
func (r *rig) join(t *testing.T, name string) *join.Credentials {
	t.Helper()
	c, err := join.Join(t.Context(), r.token(t, r.a.ID), name, t.TempDir())
	must(t, err)
	return c
}

// csr is a request of a new key.
func csr(t testing.TB) string { t.Helper(); return identitytest.Request(t, identitytest.Key(t)) }

func (r *rig) token(t *testing.T, at ident.ID) string {
	t.Helper()
	tok, _, err := r.nodes.NewToken(t.Context(), r.all, at, identity.Sensor, 0)
	must(t, err)
	return tok
}

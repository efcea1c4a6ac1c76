package identity_test

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/identity"
	"noroshi/identity/join"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
	"noroshi/org"
)

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

type rig struct {
	*clock
	ca    *identity.CA
	orgs  *identity.Orgs
	nodes *identity.Nodes
	hub   access.Scope
	a     org.Organisation
	deps  identity.Deps
}

// newRig starts a real enrolment listener on loopback.
func newRig(t *testing.T, db *ledger.DB) *rig {
	r := &rig{clock: &clock{t: time.Now()}}
	r.deps = identity.Deps{DB: db, Now: r.now, Ident: ident.System()}
	var err error
	if r.ca, err = identity.OpenCA(t.TempDir(), r.now); err != nil {
		t.Fatal(err)
	}
	if r.orgs, err = identity.OpenOrgs(t.Context(), r.deps); err != nil {
		t.Fatal(err)
	}
	if r.a, err = r.orgs.Put(t.Context(), "t", org.Organisation{Slug: "a", Name: "A", NameJA: "甲"}); err != nil {
		t.Fatal(err)
	}
	r.hub = access.Hub(r.orgs.Tree(), "test")
	cfg, err := r.ca.Server(nil, false)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.nodes, err = identity.OpenNodes(t.Context(), r.deps, r.ca, identity.Hub{Enrol: l.Addr().String(), Bus: "127.0.0.1:1", Feeds: func(ident.ID) []string { return []string{"real.all"} }})
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: identity.EnrolHandler(r.nodes, slog.New(slog.DiscardHandler)), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	go func() { _ = s.Serve(tls.NewListener(l, cfg)) }()
	t.Cleanup(func() { _ = s.Close() })
	return r
}

func (r *rig) token(t *testing.T) string {
	t.Helper()
	tok, _, err := r.nodes.NewToken(t.Context(), r.hub, r.a.ID, identity.Sensor, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func TestTokenJoinsOnceAndTheNodeIsAdmittedUntilCut(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db)
		tok, dir := r.token(t), t.TempDir()
		if _, err := join.Load(dir); fault.KindOf(err) != fault.NotFound {
			t.Errorf("an empty folder loads: %v", err)
		}
		c, err := join.Join(t.Context(), tok, "host-1", dir)
		if err != nil {
			t.Fatal(err)
		}
		if c.Org != r.a.ID || c.Role != identity.Sensor || c.Name != "host-1" {
			t.Errorf("the node became %+v", c.Enrolment)
		}
		if _, err := join.Join(t.Context(), tok, "host-2", t.TempDir()); fault.KindOf(err) != fault.Denied || !strings.Contains(fault.PublicOf(err), "used before") {
			t.Errorf("the token works twice: %v", err)
		}
		cert, err := join.ParseCert([]byte(c.Cert))
		if err != nil {
			t.Fatal(err)
		}
		n, err := r.nodes.Admit(cert)
		if err != nil || n.ID != c.Node {
			t.Fatalf("admit: %v, %v", n, err)
		}
		var cut ident.ID
		r.nodes.OnCut = func(id ident.ID) { cut = id }
		if err := r.nodes.Cut(t.Context(), r.hub, n.ID, "lost laptop"); err != nil {
			t.Fatal(err)
		}
		if _, err := r.nodes.Admit(cert); fault.KindOf(err) != fault.Denied || cut != n.ID {
			t.Errorf("after the cut: %v, told %q", err, cut)
		}
		again, err := identity.OpenNodes(t.Context(), r.deps, r.ca, identity.Hub{Feeds: func(ident.ID) []string { return nil }})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := again.Admit(cert); fault.KindOf(err) != fault.Denied {
			t.Errorf("after a restart: %v", err)
		}
	})
}

func TestTokenExpiresAndBelongsToItsHub(t *testing.T) {
	db := ledgertest.SQLite(t)
	r := newRig(t, db)
	tok := r.token(t)
	p, err := join.ParseToken(tok)
	if err != nil {
		t.Fatal(err)
	}
	p.CA = strings.Repeat("0", 64)
	if _, err := join.Join(t.Context(), p.String(), "x", t.TempDir()); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("a hub with another authority was believed: %v", err)
	}
	r.add(2 * time.Hour)
	if _, err := join.Join(t.Context(), tok, "x", t.TempDir()); fault.KindOf(err) != fault.Denied {
		t.Errorf("an expired token: %v", err)
	}
	var none access.Scope
	if _, _, err := r.nodes.NewToken(t.Context(), none, r.a.ID, identity.Sensor, time.Hour); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a foreign organisation's token: %v", err)
	}
}

func TestLinkMakesOneSessionAndIsKeptAsHash(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		c := &clock{t: time.Now()}
		ctx := t.Context()
		p := identity.NewPeople(identity.Deps{DB: db, Now: c.now, Ident: ident.System()})
		who, err := p.Administrator(ctx, "org_root")
		if err != nil {
			t.Fatal(err)
		}
		if again, err := p.Administrator(ctx, "org_root"); err != nil || again.ID != who.ID {
			t.Errorf("the administrator is made twice: %v %v", again, err)
		}
		link, err := p.NewLink(ctx, who.ID)
		if err != nil {
			t.Fatal(err)
		}
		session, got, err := p.SignIn(ctx, link)
		if err != nil || got.ID != who.ID {
			t.Fatal(got, err)
		}
		if _, _, err := p.SignIn(ctx, link); fault.KindOf(err) != fault.Unauthenticated {
			t.Errorf("the link works twice: %v", err)
		}
		if s, err := p.Session(ctx, session); err != nil || s.ID != who.ID || len(s.Roles["org_root"]) != 1 {
			t.Errorf("session: %+v %v", s, err)
		}
		mustNotHold(t, db, ctx, session, link)
		c.add(13 * time.Hour)
		if _, err := p.Session(ctx, session); fault.KindOf(err) != fault.Unauthenticated {
			t.Errorf("an old session: %v", err)
		}
	})
}

func mustNotHold(t *testing.T, db *ledger.DB, ctx context.Context, secrets ...string) {
	t.Helper()
	err := db.Read(ctx, func(q ledger.Queryer) error {
		for _, s := range secrets {
			var n int
			if err := q.QueryRow(ctx, `SELECT (SELECT COUNT(*) FROM session WHERE hash = ?) + (SELECT COUNT(*) FROM sign_in_link WHERE hash = ?)`, s, s).Scan(&n); err != nil {
				return err
			}
			if n != 0 {
				t.Error("the ledger holds a secret that works")
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add(join.Token{Hub: "h:1", CA: strings.Repeat("a", 64), Secret: strings.Repeat("b", 64)}.String())
	f.Add("nrs1_")
	f.Add("nrs1_e30")
	f.Fuzz(func(t *testing.T, s string) {
		tok, err := join.ParseToken(s)
		if err != nil {
			return
		}
		if again, err := join.ParseToken(tok.String()); err != nil || again != tok {
			t.Errorf("%q became %v, %v", s, again, err)
		}
	})
}

package identity_test

import (
	"testing"
	"time"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/identity"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
)

func TestLinkMakesOneSessionAndIsKeptAsHash(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx := t.Context()
		c := &clock{t: time.Now()}
		p := identity.NewPeople(identity.Deps{DB: db, Now: c.now, Ident: ident.System()})
		who, err := p.Administrator(ctx, "org_root")
		must(t, err)
		if again, err := p.Administrator(ctx, "org_root"); err != nil || again.ID != who.ID || again.Roles["org_root"][0] != access.Administrator {
			t.Errorf("the administrator is made twice: %v %v", again, err)
		}
		link, err := p.NewLink(ctx, who.ID)
		must(t, err)
		session, got, err := p.SignIn(ctx, link)
		if err != nil || got.ID != who.ID {
			t.Fatal(got, err)
		}
		for _, bad := range []string{link, session, "", "x\x00"} {
			if s, _, err := p.SignIn(ctx, bad); fault.KindOf(err) != fault.Unauthenticated || s != "" {
				t.Errorf("signing in with %q: %v", bad, err)
			}
		}
		if s, err := p.Session(ctx, session); err != nil || s.ID != who.ID || len(s.Roles["org_root"]) != 1 {
			t.Errorf("session: %+v %v", s, err)
		}
		mustNotHold(t, db, session, link)
		must(t, p.SignOut(ctx, session))
		if _, err := p.Session(ctx, session); fault.KindOf(err) != fault.Unauthenticated {
			t.Errorf("after signing out: %v", err)
		}
		late, err := p.NewLink(ctx, who.ID)
		must(t, err)
		c.add(identity.LinkLife)
		if _, _, err := p.SignIn(ctx, late); fault.KindOf(err) != fault.Unauthenticated {
			t.Errorf("a link that has expired: %v", err)
		}
		if _, err := p.NewLink(ctx, "psn_never"); fault.KindOf(err) != fault.NotFound {
			t.Errorf("a link for nobody: %v", err)
		}
	})
}

func TestSessionLivesOnWhileItIsUsedButNotForEver(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx := t.Context()
		c := &clock{t: time.Now()}
		start := c.now()
		p := identity.NewPeople(identity.Deps{DB: db, Now: c.now, Ident: ident.System()})
		who, err := p.Administrator(ctx, "org_root")
		must(t, err)
		enter := func() string {
			link, err := p.NewLink(ctx, who.ID)
			must(t, err)
			s, _, err := p.SignIn(ctx, link)
			must(t, err)
			return s
		}
		used, idle := enter(), enter()
		for c.now().Sub(start) < identity.MaxSessionLife-identity.SessionLife {
			c.add(identity.SessionLife - time.Minute)
			_, err := p.Session(ctx, used)
			must(t, err)
		}
		if _, err := p.Session(ctx, idle); fault.KindOf(err) != fault.Unauthenticated {
			t.Errorf("an idle session: %v", err)
		}
		c.t = start.Add(identity.MaxSessionLife)
		if _, err := p.Session(ctx, used); fault.KindOf(err) != fault.Unauthenticated {
			t.Errorf("a session after its last day: %v", err)
		}
	})
}

func TestPersonIsGivenRolesInScopeOnly(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx := t.Context()
		r := newRig(t, db)
		p := identity.NewPeople(r.deps)
		atB := r.scope(t, r.b.ID, access.Administrator, access.ManageOrganisations)
		who, err := p.Add(ctx, atB, "花子", map[ident.ID][]string{r.b.ID: {access.Analyst}})
		must(t, err)
		link, err := p.NewLink(ctx, who.ID)
		must(t, err)
		session, _, err := p.SignIn(ctx, link)
		must(t, err)
		if got, err := p.Session(ctx, session); err != nil || got.Name != "花子" || got.Roles[r.b.ID][0] != access.Analyst {
			t.Errorf("the person is %+v, %v", got, err)
		}
		if _, err := p.Add(ctx, atB, "x", map[ident.ID][]string{r.a.ID: {access.Viewer}}); fault.KindOf(err) != fault.NotFound {
			t.Errorf("a role above: %v", err)
		}
		for name, roles := range map[string]map[ident.ID][]string{"": {}, "x": {r.b.ID: {"king"}}} {
			if _, err := p.Add(ctx, atB, name, roles); fault.KindOf(err) != fault.Invalid {
				t.Errorf("%q with %v: %v", name, roles, err)
			}
		}
	})
}

func mustNotHold(t *testing.T, db *ledger.DB, secrets ...string) {
	t.Helper()
	must(t, db.Read(t.Context(), func(q ledger.Queryer) error {
		for _, s := range secrets {
			var n int
			if err := q.QueryRow(t.Context(), `SELECT (SELECT COUNT(*) FROM session WHERE hash = ?) + (SELECT COUNT(*) FROM sign_in_link WHERE hash = ?)
				+ (SELECT COUNT(*) FROM history WHERE state LIKE ? OR id LIKE ?)`, s, s, "%"+s+"%", "%"+s+"%").Scan(&n); err != nil {
				return err
			}
			if n != 0 {
				t.Error("the ledger holds a secret that works")
			}
		}
		return nil
	}))
}

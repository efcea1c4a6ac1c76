package identity_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/identity"
	"noroshi/identity/join"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
)

func TestTokenJoinsOnceAndTheNodeIsAdmittedUntilCut(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx := t.Context()
		r := newRig(t, db)
		tok, dir := r.token(t, r.a.ID), t.TempDir()
		if _, err := join.Load(dir); fault.KindOf(err) != fault.NotFound {
			t.Errorf("an empty folder loads: %v", err)
		}
		c, err := join.Join(ctx, tok, "host-1", dir)
		must(t, err)
		if c.Org != r.a.ID || c.Role != identity.Sensor || c.Name != "host-1" || c.Feeds[0] != "real.all" {
			t.Errorf("the node became %+v", c.Enrolment)
		}
		if _, err := join.Join(ctx, tok, "host-2", t.TempDir()); fault.KindOf(err) != fault.Denied || !strings.Contains(fault.PublicOf(err), "used before") {
			t.Errorf("the token works twice: %v", err)
		}
		again, err := join.Load(dir)
		must(t, err)
		cert := again.Leaf()
		n, err := r.nodes.Admit(ctx, cert)
		if err != nil || n.ID != c.Node {
			t.Fatalf("admit: %v, %v", n, err)
		}
		var told ident.ID
		r.nodes.OnCut = func(id ident.ID) { told = id }
		must(t, r.nodes.Cut(ctx, r.all, n.ID, "lost laptop"))
		if _, err := r.nodes.Admit(ctx, cert); fault.KindOf(err) != fault.Denied || told != n.ID {
			t.Errorf("after the cut: %v, told %q", err, told)
		}
		if err := r.nodes.Cut(ctx, r.all, n.ID, "again"); fault.KindOf(err) != fault.Conflict {
			t.Errorf("cut twice: %v", err)
		}
		restarted, err := identity.OpenNodes(ctx, r.deps, r.ca, r.hub)
		must(t, err)
		if _, err := restarted.Admit(ctx, cert); fault.KindOf(err) != fault.Denied {
			t.Errorf("after a restart: %v", err)
		}
		h, err := db.History(ctx, n.ID)
		must(t, err)
		if len(h) != 2 || h[0].Action != "enrolled" || h[0].Actor != "node:"+string(n.ID) || h[1].Action != "cut" || h[1].Actor != "hub:test" {
			t.Errorf("the node's history is %+v", h)
		}
	})
}

// TestTokenRedeemedByManyMakesOneNode posts the same secret at once.
func TestTokenRedeemedByManyMakesOneNode(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db)
		tok := r.token(t, r.a.ID)
		var joined atomic.Int32
		var wg sync.WaitGroup
		for range 8 {
			dir := t.TempDir()
			wg.Go(func() {
				_, err := join.Join(t.Context(), tok, "host", dir)
				if err == nil {
					joined.Add(1)
				} else if fault.KindOf(err) != fault.Denied {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		list, err := r.nodes.List(t.Context(), r.all)
		if err != nil || joined.Load() != 1 || len(list) != 1 {
			t.Errorf("%d joined, %d nodes: %v", joined.Load(), len(list), err)
		}
	})
}

func TestNodesAreSeenAndCutInScopeOnly(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx := t.Context()
		r := newRig(t, db)
		ca, err := join.Join(ctx, r.token(t, r.a.ID), "at-a", t.TempDir())
		must(t, err)
		cb, err := join.Join(ctx, r.token(t, r.b.ID), "at-b", t.TempDir())
		must(t, err)
		view := func(at ident.ID) int {
			list, err := r.nodes.List(ctx, r.scope(t, at, access.Viewer, access.ViewNodes))
			must(t, err)
			for _, n := range list {
				if n.ID != ca.Node && n.ID != cb.Node {
					t.Errorf("a stranger: %+v", n)
				}
			}
			return len(list)
		}
		if a, b := view(r.a.ID), view(r.b.ID); a != 2 || b != 1 {
			t.Errorf("%d nodes are seen from above, %d from below", a, b)
		}
		if list, err := r.nodes.List(ctx, access.Scope{}); err != nil || len(list) != 0 {
			t.Errorf("the empty scope sees %v, %v", list, err)
		}
		atB := r.scope(t, r.b.ID, access.Operator, access.CutNodes)
		foreign := r.nodes.Cut(ctx, atB, ca.Node, "not mine")
		unknown := r.nodes.Cut(ctx, atB, "nod_never", "not there")
		if fault.KindOf(foreign) != fault.NotFound || fault.PublicOf(foreign) != fault.PublicOf(unknown) {
			t.Errorf("a foreign node says %v, an unknown one %v", foreign, unknown)
		}
		must(t, r.nodes.Cut(ctx, atB, cb.Node, "mine"))
		if err := r.nodes.Cut(ctx, atB, cb.Node, ""); fault.KindOf(err) != fault.Invalid {
			t.Errorf("without a reason: %v", err)
		}
		if _, _, err := r.nodes.NewToken(ctx, atB, r.a.ID, identity.Sensor, 0); fault.KindOf(err) != fault.NotFound {
			t.Errorf("a token for a foreign organisation: %v", err)
		}
		if _, _, err := r.nodes.NewToken(ctx, atB, r.b.ID, "toaster", 0); fault.KindOf(err) != fault.Invalid {
			t.Errorf("a token for no role: %v", err)
		}
		if _, _, err := r.nodes.NewToken(ctx, atB, r.b.ID, identity.Sensor, identity.MaxTokenLife+1); fault.KindOf(err) != fault.Invalid {
			t.Errorf("a token for ever: %v", err)
		}
	})
}

// TestAnotherHubKnowsTheNode has two hubs on one ledger.
func TestAnotherHubKnowsTheNode(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx := t.Context()
		r := newRig(t, db)
		other, err := identity.OpenNodes(ctx, r.deps, r.ca, r.hub)
		must(t, err)
		c, err := join.Join(ctx, r.token(t, r.a.ID), "host", t.TempDir())
		must(t, err)
		cert := c.Leaf()
		if n, err := other.Admit(ctx, cert); err != nil || n.ID != c.Node {
			t.Errorf("the other hub says %v, %v", n, err)
		}
		r.add(366 * 24 * time.Hour)
		if _, err := other.Admit(ctx, cert); fault.KindOf(err) != fault.Denied {
			t.Errorf("after its certificate's end: %v", err)
		}
	})
}

func TestTokenExpires(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db)
		tok := r.token(t, r.a.ID)
		r.add(identity.TokenLife)
		if _, err := join.Join(t.Context(), tok, "x", t.TempDir()); fault.KindOf(err) != fault.Denied {
			t.Errorf("an expired token: %v", err)
		}
	})
}

func TestTokenIsNotUsedUpByARequestThatCannotBeSigned(t *testing.T) {
	r := newRig(t, ledgertest.SQLite(t))
	tok, err := join.ParseToken(r.token(t, r.a.ID))
	must(t, err)
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	must(t, err)
	request := func(key any) string {
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
		must(t, err)
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
	}
	for name, in := range map[string]join.Request{
		"RSA":       {Secret: tok.Secret, Name: "x", CSR: request(weak)},
		"P-384":     {Secret: tok.Secret, Name: "x", CSR: request(other)},
		"no CSR":    {Secret: tok.Secret, Name: "x"},
		"no name":   {Secret: tok.Secret, CSR: request(other)},
		"a colour":  {Secret: tok.Secret, Name: "\x1b[31mred", CSR: request(other)},
		"long name": {Secret: tok.Secret, Name: strings.Repeat("x", 201), CSR: request(other)},
	} {
		if _, err := r.nodes.Redeem(t.Context(), in); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	good := join.Request{Secret: tok.Secret, Name: "x", CSR: request(key)}
	if _, err := r.nodes.Redeem(t.Context(), good); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	tok, err = join.ParseToken(r.token(t, r.b.ID))
	must(t, err)
	good.Secret = tok.Secret
	if _, err := r.nodes.Redeem(t.Context(), good); fault.KindOf(err) != fault.Conflict {
		t.Errorf("the same key joins a second organisation: %v", err)
	}
}

package identity_test

import (
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
)

// TestTokenRedeemedAtTwoHubsAtOnceMakesOneNode has a thief at another hub, with
// a connection to the ledger of its own, in the same moment.
func TestTokenRedeemedAtTwoHubsAtOnceMakesOneNode(t *testing.T) {
	ledgertest.EachURL(t, func(t *testing.T, url string) {
		ctx := t.Context()
		var dbs []*ledger.DB
		for range 2 {
			db, err := ledger.Open(ctx, url)
			must(t, err)
			t.Cleanup(func() { must(t, db.Close()) })
			dbs = append(dbs, db)
		}
		r := newRig(t, dbs[0])
		deps := r.deps
		deps.DB = dbs[1]
		second, err := identity.OpenNodes(ctx, deps, r.ca, r.hub)
		must(t, err)
		hubs := []*identity.Nodes{r.nodes, second}
		for range 5 {
			tok, err := join.ParseToken(r.token(t, r.a.ID))
			must(t, err)
			var mu sync.Mutex
			made := map[ident.ID]bool{}
			var wg sync.WaitGroup
			for i, peer := range []string{"192.0.2.1:1", "192.0.2.2:2"} {
				in := join.Request{Secret: tok.Secret, Name: "host", CSR: csr(t), Peer: peer}
				wg.Go(func() {
					e, err := hubs[i].Redeem(ctx, in)
					mu.Lock()
					defer mu.Unlock()
					if err == nil {
						made[e.Node] = true
					} else if fault.KindOf(err) != fault.Denied || !strings.Contains(fault.PublicOf(err), "used before") {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if len(made) != 1 {
				t.Fatalf("one token made %d nodes", len(made))
			}
			list, err := r.nodes.Tokens(ctx, r.all, 1)
			must(t, err)
			x := list[0]
			if x.State != identity.TokenUsed || !made[x.UsedBy] || x.Refusals != 1 || x.UsedPeer == "" || x.RefusedPeer == "" || x.UsedPeer == x.RefusedPeer {
				t.Errorf("the operator sees %+v", x)
			}
			h, err := dbs[1].History(ctx, x.ID)
			if err != nil || len(h) != 3 || h[1].Action != "used" || h[2].Action != "refused" ||
				!strings.Contains(string(h[1].State), x.UsedPeer) || !strings.Contains(string(h[2].State), x.RefusedPeer) {
				t.Errorf("the token's history is %+v, %v", h, err)
			}
			r.add(time.Second) // The newest comes first.
		}
	})
}

func TestSpentTokenIsSaidToTheOperatorWithThePeer(t *testing.T) {
	r := newRig(t, ledgertest.SQLite(t))
	tok := r.token(t, r.a.ID)
	c, err := join.Join(t.Context(), tok, "owner", t.TempDir())
	must(t, err)
	for range 12 {
		_, err := join.Join(t.Context(), tok, "thief", t.TempDir())
		if fault.KindOf(err) != fault.Denied || !strings.Contains(fault.PublicOf(err), string(c.Node)) {
			t.Errorf("the second one hears %v", err)
		}
	}
	list, err := r.nodes.Tokens(t.Context(), r.all, 10)
	must(t, err)
	if x := list[0]; x.Refusals != 10 || !strings.HasPrefix(x.RefusedPeer, "127.0.0.1:") || x.Role != identity.Sensor || x.Org != r.a.ID || x.MadeBy != "hub:test" {
		t.Errorf("the list has %+v", x)
	}
	parsed, err := join.ParseToken(tok)
	must(t, err)
	log := r.log.String()
	if !strings.Contains(log, `level=WARN msg="enrolment refused" role=hub peer=127.0.0.1:`) || !strings.Contains(log, string(list[0].ID)) {
		t.Errorf("the log does not warn of it:\n%s", log)
	}
	if strings.Contains(log, parsed.Secret) || strings.Contains(log, tok) || strings.Contains(log, "nrs1_") {
		t.Error("the log holds the secret")
	}
	if n := r.nodes.Refused()[identity.RefusedToken]; n != 12 {
		t.Errorf("%d refusals were counted", n)
	}
}

func TestTokensAreListedAndRevokedInScopeOnly(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx := t.Context()
		r := newRig(t, db)
		atA := r.token(t, r.a.ID)
		r.add(time.Minute)
		atB, _, err := r.nodes.NewToken(ctx, r.all, r.b.ID, identity.Resolver, 10*time.Minute)
		must(t, err)
		below := r.scope(t, r.b.ID, access.Operator, access.EnrolNodes)
		list, err := r.nodes.Tokens(ctx, below, 10)
		if err != nil || len(list) != 1 || list[0].Org != r.b.ID || list[0].Role != identity.Resolver || list[0].State != identity.TokenWaiting {
			t.Fatalf("from below: %+v, %v", list, err)
		}
		all, err := r.nodes.Tokens(ctx, r.all, 10)
		if err != nil || len(all) != 2 || all[0].ID != list[0].ID {
			t.Fatalf("from above, the newest first: %+v, %v", all, err)
		}
		foreign, unknown := r.nodes.RevokeToken(ctx, below, all[1].ID), r.nodes.RevokeToken(ctx, below, "tok_never")
		if fault.KindOf(foreign) != fault.NotFound || fault.PublicOf(foreign) != fault.PublicOf(unknown) {
			t.Errorf("a foreign token says %v, an unknown one %v", foreign, unknown)
		}
		must(t, r.nodes.RevokeToken(ctx, below, list[0].ID))
		if err := r.nodes.RevokeToken(ctx, below, list[0].ID); fault.KindOf(err) != fault.Conflict {
			t.Errorf("revoked twice: %v", err)
		}
		if _, err := join.Join(ctx, atB, "x", t.TempDir()); fault.KindOf(err) != fault.Denied || !strings.Contains(fault.PublicOf(err), "revoked") {
			t.Errorf("a revoked token: %v", err)
		}
		r.add(identity.TokenLife)
		if _, err := join.Join(ctx, atA, "x", t.TempDir()); fault.KindOf(err) != fault.Denied || !strings.Contains(fault.PublicOf(err), "expired") {
			t.Errorf("an expired token: %v", err)
		}
		all, err = r.nodes.Tokens(ctx, r.all, 10)
		if err != nil || all[0].State != identity.TokenRevoked || all[1].State != identity.TokenExpired || all[1].Refusals != 1 {
			t.Errorf("in the end: %+v, %v", all, err)
		}
	})
}

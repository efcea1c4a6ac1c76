package identity_test

import (
	"context"
	"crypto/x509"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"noroshi/fault"
	"noroshi/ident"
	"noroshi/identity"
	"noroshi/identity/join"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
)

func TestRenewedCertificateTakesThePlaceOfTheOldOneWhenItIsSeen(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx := t.Context()
		r := newRig(t, db)
		dir := t.TempDir()
		c, err := join.Join(ctx, r.token(t, r.a.ID), "host", dir)
		must(t, err)
		old := c.Leaf()
		if err := c.Renew(ctx); err == nil || !strings.Contains(fault.PublicOf(err), "can be renewed from") {
			t.Errorf("right after it joined: %v", err)
		}
		r.add(life * 2 / 3)
		must(t, c.Renew(ctx))
		kept, err := join.Load(dir)
		must(t, err)
		if !kept.Leaf().Equal(c.Leaf()) || c.Leaf().Equal(old) || c.Leaf().NotAfter.Before(r.now().Add(life-time.Minute)) {
			t.Errorf("what is used ends on %s, what is kept on %s", c.Leaf().NotAfter, kept.Leaf().NotAfter)
		}
		other := r.another(t)
		var here, there []ident.ID
		r.nodes.OnRetire = func(id ident.ID) { here = append(here, id) }
		other.OnRetire = func(id ident.ID) { there = append(there, id) }
		for name, cert := range map[string]*x509.Certificate{"old": old, "new": c.Leaf()} {
			if name == "old" {
				n, err := other.Admit(ctx, cert)
				if err != nil || !n.NotAfter.Equal(old.NotAfter) {
					t.Errorf("before the new one is seen, the old one: %+v, %v", n, err)
				}
			}
		}
		n, err := r.nodes.Admit(ctx, c.Leaf())
		if err != nil || n.ID != c.Node || !n.NotAfter.Equal(c.Leaf().NotAfter) {
			t.Errorf("the new one: %+v, %v", n, err)
		}
		must(t, other.Refresh(ctx))
		for name, hub := range map[string]*identity.Nodes{"here": r.nodes, "there": other} {
			if _, err := hub.Admit(ctx, old); fault.KindOf(err) != fault.Denied || !strings.Contains(fault.PublicOf(err), "old copy") || hub.Refused()[identity.RefusedRetired] != 1 {
				t.Errorf("%s, afterwards, the old one: %v, %v", name, err, hub.Refused())
			}
		}
		if want := []ident.ID{c.Node}; !slices.Equal(here, want) || !slices.Equal(there, want) {
			t.Errorf("told of the old key: %v here, %v there", here, there)
		}
		list, err := r.nodes.List(ctx, r.all)
		if err != nil || len(list) != 1 || !list[0].NotAfter.Equal(c.Leaf().NotAfter) || list[0].SPKI != join.SPKI(c.Leaf()) {
			t.Errorf("the list has %+v, %v", list, err)
		}
		h, err := db.History(ctx, c.Node)
		must(t, err)
		var actions []string
		for _, x := range h {
			actions = append(actions, x.Action)
		}
		if !slices.Equal(actions, []string{"enrolled", "renewed", "key_retired"}) {
			t.Errorf("the node's history is %v", actions)
		}
		if !strings.Contains(r.log.String(), "node renewed its certificate") {
			t.Error("the hub's log does not say so")
		}
	})
}

// TestRenewalThatIsLostIsAskedForAgain ends the node between the hub's answer
// and the file.
func TestRenewalThatIsLostIsAskedForAgain(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx := t.Context()
		r := newRig(t, db)
		dir := t.TempDir()
		c, err := join.Join(ctx, r.token(t, r.a.ID), "host", dir)
		must(t, err)
		old := c.Leaf()
		r.add(life * 2 / 3)
		answer, err := r.nodes.Renew(ctx, old, join.Renewal{CSR: csr(t)})
		must(t, err)
		lost, err := join.ParseCert([]byte(answer.Cert))
		must(t, err)
		if _, err := r.nodes.Admit(ctx, old); err != nil {
			t.Errorf("the certificate that is left: %v", err)
		}
		r.add(life / 100)
		// The disk is full, or not ours any more.
		before, err := os.ReadFile(dir + "/node.json")
		must(t, err)
		must(t, os.RemoveAll(dir))
		must(t, os.WriteFile(dir, nil, 0o600))
		if err := c.Renew(ctx); err == nil || !c.Leaf().Equal(old) {
			t.Errorf("what cannot be kept is used: %v", err)
		}
		must(t, os.Remove(dir))
		must(t, os.MkdirAll(dir, 0o700))
		must(t, os.WriteFile(dir+"/node.json", before, 0o600))
		r.add(life / 100)
		again, err := join.Load(dir)
		must(t, err)
		must(t, again.Renew(ctx))
		if _, err := r.nodes.Admit(ctx, lost); fault.KindOf(err) != fault.Denied {
			t.Errorf("the lost one, after another followed: %v", err)
		}
		if _, err := r.nodes.Admit(ctx, again.Leaf()); err != nil {
			t.Errorf("the new one: %v", err)
		}
		if _, err := r.nodes.Admit(ctx, old); fault.KindOf(err) != fault.Denied {
			t.Errorf("the old one, after the new one was seen: %v", err)
		}
	})
}

func TestRenewalIsRefused(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx := t.Context()
		r := newRig(t, db)
		stranger := newRig(t, ledgertest.SQLite(t))
		good, cut, foreign := r.join(t, "good"), r.join(t, "cut"), stranger.join(t, "foreign")
		r.add(life * 2 / 3)
		must(t, r.nodes.Cut(ctx, r.all, cut.Node, "stolen"))
		if err := cut.Renew(ctx); fault.KindOf(err) != fault.Denied || !strings.Contains(fault.PublicOf(err), "cut off") {
			t.Errorf("a node that was cut off: %v", err)
		}
		foreign.Enrol = r.hub.Enrol
		if err := foreign.Renew(ctx); fault.KindOf(err) != fault.Unavailable {
			t.Errorf("a node of another platform: %v", err)
		}
		if _, err := r.nodes.Renew(ctx, foreign.Leaf(), join.Renewal{CSR: csr(t)}); fault.KindOf(err) != fault.Unauthenticated {
			t.Errorf("a key that nobody joined with: %v", err)
		}
		if _, err := r.nodes.Renew(ctx, good.Leaf(), join.Renewal{CSR: "hello"}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("without a request: %v", err)
		}
		request := csr(t)
		_, err := r.nodes.Renew(ctx, good.Leaf(), join.Renewal{CSR: request})
		must(t, err)
		if _, err := r.nodes.Renew(ctx, good.Leaf(), join.Renewal{CSR: csr(t)}); fault.KindOf(err) != fault.Exhausted {
			t.Errorf("twice in a moment: %v", err)
		}
		r.add(life / 100)
		if _, err := r.nodes.Renew(ctx, good.Leaf(), join.Renewal{CSR: request}); fault.KindOf(err) != fault.Conflict {
			t.Errorf("with a key that is known: %v", err)
		}
		r.add(life / 2)
		if err := good.Renew(ctx); err == nil {
			t.Error("an expired certificate was renewed over the network")
		}
		if _, err := r.nodes.Renew(ctx, good.Leaf(), join.Renewal{CSR: csr(t)}); fault.KindOf(err) != fault.Denied || !strings.Contains(fault.PublicOf(err), "joins again") {
			t.Errorf("an expired certificate: %v", err)
		}
		// The hub hears of a handshake that failed after the node does.
		waitFor(t, "two handshakes failed", func() bool { return r.nodes.Refused()[identity.RefusedHandshake] == 2 })
		for _, want := range []string{"renewal refused", "OU=sensor", "O=" + string(r.a.ID), "CN=" + string(cut.Node), "TLS handshake error"} {
			waitFor(t, "the log says "+want, func() bool { return strings.Contains(r.log.String(), want) })
		}
		if n := r.nodes.Refused(); n[identity.RefusedCut] == 0 || n[identity.RefusedUnknown] != 1 || n[identity.RefusedExpired] == 0 {
			t.Errorf("counted: %v", n)
		}
	})
}

// TestOneKeyRenewedAtTwoHubsAtOnceMakesOneCertificate has a thief with a copy of
// the node.
func TestOneKeyRenewedAtTwoHubsAtOnceMakesOneCertificate(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db)
		hubs := []*identity.Nodes{r.nodes, r.another(t)}
		c := r.join(t, "host")
		r.add(life * 2 / 3)
		var mu sync.Mutex
		made := 0
		var wg sync.WaitGroup
		for i := range 6 {
			request := csr(t)
			wg.Go(func() {
				_, err := hubs[i%2].Renew(t.Context(), c.Leaf(), join.Renewal{CSR: request})
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					made++
				} else if fault.KindOf(err) != fault.Exhausted {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if made != 1 {
			t.Errorf("%d certificates were made", made)
		}
	})
}

// TestNodeRenewsByItself lets the time pass when the node waits. The hub is away
// at first.
func TestNodeRenewsByItself(t *testing.T) {
	r := newRig(t, ledgertest.SQLite(t))
	c := r.join(t, "host")
	start, first, hub := r.now(), c.Leaf(), c.Enrol
	c.Enrol = "127.0.0.1:1"
	ctx, cancel := context.WithCancel(t.Context())
	var tries []time.Time
	renewed := 0
	must(t, c.KeepRenewed(ctx, join.RenewDeps{
		Now: r.now, Jitter: func() float64 { return 0.5 }, Log: slog.New(slog.DiscardHandler),
		Wait: func(_ context.Context, d time.Duration) {
			if p := c.Problem(); p != "" {
				tries = append(tries, r.now())
				if !strings.Contains(p, "cannot be renewed") || !strings.Contains(p, first.NotAfter.UTC().Format(time.DateTime)) {
					t.Errorf("the node says %q", p)
				}
			}
			if len(tries) == 5 {
				c.Enrol = hub
			}
			if r.add(d); r.now().After(start.Add(4 * life)) {
				cancel() // It has missed the end of its certificate.
			}
		},
		Renewed: func() {
			if renewed++; renewed == 2 {
				cancel()
			}
		},
	}))
	if len(tries) != 5 || c.Problem() != "" || renewed != 2 {
		t.Fatalf("%d tries failed, %d worked, and now: %q", len(tries), renewed, c.Problem())
	}
	if at := tries[0].Sub(start); at < life*2/3-life/24 || at > life*3/4 {
		t.Errorf("the first try came after %s of %s", at, life)
	}
	for i := 1; i < len(tries)-1; i++ {
		if before, after := tries[i].Sub(tries[i-1]), tries[i+1].Sub(tries[i]); after < before || after > life/30*3/2 {
			t.Errorf("after a pause of %s comes one of %s", before, after)
		}
	}
	if n, err := r.nodes.Admit(t.Context(), c.Leaf()); err != nil || n.ID != c.Node {
		t.Errorf("after two renewals: %v", err)
	}
}

func TestOverdueIsWhoShouldHaveRenewedLongAgo(t *testing.T) {
	t0 := time.Now()
	x := identity.Node{State: identity.NodeActive, Issued: t0, NotAfter: t0.Add(90 * time.Hour)}
	for after, want := range map[time.Duration]bool{0: false, 67 * time.Hour: false, 76 * time.Hour: true, 91 * time.Hour: true} {
		if x.Overdue(t0.Add(after)) != want {
			t.Errorf("after %s: %v", after, !want)
		}
	}
	if x.State = identity.NodeCut; x.Overdue(t0.Add(91 * time.Hour)) {
		t.Error("a node that was cut off is to renew")
	}
}

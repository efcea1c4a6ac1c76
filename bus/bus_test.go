package bus_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"noroshi/bus"
	"noroshi/fault"
	"noroshi/ident"
)

// pki is a throw-away certificate authority whose certificates name a node.
type pki struct {
	t    *testing.T
	ca   *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newPKI(t *testing.T) *pki {
	p := &pki{t: t, pool: x509.NewCertPool()}
	p.key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test ca"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &p.key.PublicKey, p.key)
	if err != nil {
		t.Fatal(err)
	}
	p.ca, _ = x509.ParseCertificate(der)
	p.pool.AddCert(p.ca)
	return p
}

func (p *pki) issue(name string) tls.Certificate {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, p.ca, &key.PublicKey, p.key)
	if err != nil {
		p.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// rig is a bus with a hub on it. Nodes connect at addr.
type rig struct {
	*pki
	server     *bus.Server // of the embedded engine
	hub        *bus.Hub
	addr       string
	disconnect func(ident.ID)
	connected  func(context.Context) (int, error) // to an external one
	receiver   *bus.Receiver
	mu         sync.Mutex
	cut        map[string]bool
}

var nodes = map[string]bus.Node{
	"a1": {Org: "org_a", ID: "nod_a1", Name: "a1"},
	"a2": {Org: "org_a", ID: "nod_a2", Name: "a2"},
	"b1": {Org: "org_b", ID: "nod_b1", Name: "b1"},
}

// deps admit the nodes above until they are cut.
func (r *rig) deps() bus.ServerDeps {
	return bus.ServerDeps{Log: slog.New(slog.DiscardHandler),
		Admit: func(c *x509.Certificate) (bus.Node, time.Time, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			n, ok := nodes[c.Subject.CommonName]
			if !ok || r.cut[c.Subject.CommonName] {
				return bus.Node{}, time.Time{}, errors.New("not admitted")
			}
			return n, c.NotAfter, nil
		},
		Feeds: func(org ident.ID) []string { return []string{"real.all", "real." + string(org)} }}
}

// TLS of a bus that asks for certificates of the test's authority.
func (p *pki) mutual(name string) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{p.issue(name)}, RootCAs: p.pool, ClientCAs: p.pool, ClientAuth: tls.RequireAndVerifyClientCert}
}

// newRig is the embedded bus of one hub.
func newRig(t *testing.T) *rig { return newRigIn(t, t.TempDir(), bus.DefaultQuota) }

func newRigIn(t *testing.T, dir string, q bus.Quota) *rig {
	r := &rig{pki: newPKI(t), cut: map[string]bool{}}
	var err error
	r.server, err = bus.NewServer(bus.ServerConfig{Dir: dir, Listen: "127.0.0.1:0", MaxBytes: 64 << 20, TLS: r.mutual("hub")}, r.deps())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.server.Close)
	if r.hub, err = r.server.Hub(t.Context(), bus.Single(64<<20)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.hub.Close)
	r.addr, r.disconnect = r.server.Addr(), r.server.Disconnect
	r.receiver = receive(t, r.hub, q)
	return r
}

// each runs a test of the bus's contract on every engine: embedded in one hub, in
// three hubs that are joined, and as a cluster of stock NATS servers.
func each(t *testing.T, test func(t *testing.T, r *rig)) {
	for name, rig := range map[string]func(*testing.T) *rig{"embedded": newRig, "joined": joined, "external": external} {
		t.Run(name, func(t *testing.T) { test(t, rig(t)) })
	}
}

// receive lets a hub take batches until the test ends.
func receive(t *testing.T, h *bus.Hub, q bus.Quota) *bus.Receiver {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	r := h.NewReceiver(bus.ReceiverConfig{Quota: q, Log: slog.New(slog.DiscardHandler)})
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return r
}

// read begins to read everything, as the one reader.
func read(t *testing.T, h *bus.Hub) *bus.Reader {
	t.Helper()
	r, err := h.Read(t.Context(), bus.ReaderHub, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Stop)
	return r
}

func (r *rig) dial(t *testing.T, name string) *bus.Client {
	t.Helper()
	c, err := bus.Dial(r.addr, nodes[name], &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: r.pool, Certificates: []tls.Certificate{r.issue(name)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	select {
	case <-c.Changed():
	case <-time.After(time.Minute):
		t.Fatal("the node did not connect")
	}
	return c
}

func TestBatchReachesTheHubOnceAndIsAcknowledged(t *testing.T) {
	each(t, batchReachesTheHubOnceAndIsAcknowledged)
}

func batchReachesTheHubOnceAndIsAcknowledged(t *testing.T, r *rig) {
	in := read(t, r.hub)
	a := r.dial(t, "a1")
	for _, id := range []string{"one", "one", "two"} { // the second is a repetition
		if err := a.Publish(t.Context(), id, []byte(id)); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []string{"one", "two"} {
		m, err := in.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if b := m.Batches; len(b) != 1 || string(b[0].Data) != want || b[0].From.ID != "nod_a1" || b[0].From.Org != "org_a" || m.Seq != uint64(i+1) || m.Again {
			t.Errorf("message %d is %+v", i, m)
		}
	}
	// What was done with is forgotten, what was not comes again.
	if err := in.Done(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	in.Stop()
	m, err := read(t, r.hub).Next(t.Context())
	if err != nil || m.Seq != 2 || !m.Again {
		t.Errorf("after the first was done with comes %+v, %v", m, err)
	}
	if b, err := r.hub.Backlog(t.Context()); err != nil || b.Messages != 1 {
		t.Errorf("%d bundles are kept, %v", b.Messages, err)
	}
}

func TestFeedReachesOnlyThoseWhoMaySeeIt(t *testing.T) { each(t, feedReachesOnlyThoseWhoMaySeeIt) }

func feedReachesOnlyThoseWhoMaySeeIt(t *testing.T, r *rig) {
	got := make(chan string, 8)
	for _, name := range []string{"a1", "b1"} {
		c := r.dial(t, name)
		for _, feed := range []string{"real.all", "real.org_a"} {
			if _, err := c.Subscribe(feed, func(f []byte) { got <- name + " " + feed + " " + string(f) }); err != nil {
				t.Fatal(err)
			}
		}
	}
	// The order within one connection makes the second frame the proof that
	// the first was not delivered to b1.
	for _, f := range []string{"real.org_a", "real.all"} {
		if err := r.hub.Publish(t.Context(), f, []byte("frame")); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	for range 3 {
		select {
		case s := <-got:
			seen[s] = true
		case <-time.After(time.Minute):
			t.Fatalf("three frames were expected; only %v came", seen)
		}
	}
	for _, want := range []string{"a1 real.all frame", "a1 real.org_a frame", "b1 real.all frame"} {
		if !seen[want] {
			t.Errorf("%q did not arrive; arrived: %v", want, seen)
		}
	}
	if len(got) != 0 {
		t.Errorf("a frame arrived where it may not be seen: %s", <-got)
	}
}

func TestSyncIsAnsweredToTheAskingNode(t *testing.T) { each(t, syncIsAnsweredToTheAskingNode) }

func syncIsAnsweredToTheAskingNode(t *testing.T, r *rig) {
	err := r.hub.OnSync(func(_ context.Context, from bus.Node, req []byte) ([]byte, error) {
		if string(req) == "no" {
			return nil, fault.New(fault.Denied, "test", "not yours")
		}
		return append([]byte(from.ID+" "), req...), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	b := r.dial(t, "b1")
	if out, err := b.Sync(t.Context(), []byte("hello")); err != nil || string(out) != "nod_b1 hello" {
		t.Errorf("sync answered %q, %v", out, err)
	}
	if _, err := b.Sync(t.Context(), []byte("no")); fault.KindOf(err) != fault.Denied || fault.PublicOf(err) != "not yours" {
		t.Errorf("a refused sync says %v", err)
	}
}

// raw is a hostile node: a plain client with the node's certificate.
func (r *rig) raw(t *testing.T, name string, opts ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect("tls://"+r.addr, append(opts, nats.Timeout(time.Minute), nats.Secure(&tls.Config{MinVersion: tls.VersionTLS13, RootCAs: r.pool, Certificates: []tls.Certificate{r.issue(name)}}))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func TestNodeCannotSpeakAsAnotherNorReachInside(t *testing.T) {
	each(t, nodeCannotSpeakAsAnotherNorReachInside)
}

func nodeCannotSpeakAsAnotherNorReachInside(t *testing.T, r *rig) {
	denied := make(chan error, 32)
	nc := r.raw(t, "a1", nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { denied <- err }))
	publish := []string{"obs.org_a.nod_a2", "obs.org_b.nod_b1", "bundle.0", "judged.0", "ack.org_b.nod_b1", "feed.real.all", "stage.finding", "live.finding", "$JS.API.STREAM.PURGE.BUNDLES", "$SYS.REQ.SERVER.PING"}
	for _, s := range publish {
		if err := nc.Publish(s, []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	subscribe := []string{"obs.>", "feed.real.org_b", "feed.>", ">", "_INBOX_nod_a2.>", "live.>"}
	for _, s := range subscribe {
		if _, err := nc.Subscribe(s, func(*nats.Msg) {}); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	for range len(publish) + len(subscribe) {
		select {
		case err := <-denied:
			if !errors.Is(err, nats.ErrPermissionViolation) {
				t.Errorf("denied by %v", err)
			}
		case <-time.After(time.Minute):
			t.Fatal("something that must be refused was let through")
		}
	}
}

func TestReplySubjectCannotMakeTheHubSpeakInside(t *testing.T) {
	each(t, replySubjectCannotMakeTheHubSpeakInside)
}

func replySubjectCannotMakeTheHubSpeakInside(t *testing.T, r *rig) {
	in := read(t, r.hub)
	stage, err := r.hub.Stage(t.Context(), "finding")
	if err != nil {
		t.Fatal(err)
	}
	defer stage.Stop()
	nc := r.raw(t, "a1")
	// The acknowledgement of this batch would be a message of the stage, were
	// replies not confined to the node's own account.
	for _, reply := range []string{"stage.finding", "$JS.API.STREAM.PURGE.BUNDLES"} {
		if err := nc.PublishRequest("obs.org_a.nod_a1", reply, []byte(reply)); err != nil {
			t.Fatal(err)
		}
		if _, err := in.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.hub.PublishStage(t.Context(), "finding", "x", "mine"); err != nil {
		t.Fatal(err)
	}
	m, err := stage.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if string(m.Data) != `"mine"` {
		t.Errorf("a node put %q into the stage", m.Data)
	}
}

func TestNodeThatIsCutIsOutAtOnce(t *testing.T) { each(t, nodeThatIsCutIsOutAtOnce) }

func nodeThatIsCutIsOutAtOnce(t *testing.T, r *rig) {
	gone := make(chan struct{})
	nc := r.raw(t, "a1", nats.NoReconnect(), nats.ClosedHandler(func(*nats.Conn) { close(gone) }))
	r.mu.Lock()
	r.cut["a1"] = true
	r.mu.Unlock()
	r.disconnect("nod_a1")
	select {
	case <-gone:
	case <-time.After(time.Minute):
		t.Fatal("the node is still connected")
	}
	if nc.IsConnected() {
		t.Error("the connection says it is open")
	}
	if _, err := nats.Connect("tls://"+r.addr, nats.Secure(&tls.Config{RootCAs: r.pool, Certificates: []tls.Certificate{r.issue("a1")}})); err == nil {
		t.Error("a node that was cut connected again")
	}
	if _, err := nats.Connect("tls://"+r.addr, nats.Secure(&tls.Config{RootCAs: r.pool})); err == nil {
		t.Error("a client without a certificate connected")
	}
	if _, err := nats.Connect("tls://"+r.addr, nats.UserInfo("hub", ""), nats.Secure(&tls.Config{RootCAs: r.pool, Certificates: []tls.Certificate{r.issue("a1")}})); err == nil {
		t.Error("a node entered as the hub without its secret")
	}
}

package bus_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"noroshi/access"
	"noroshi/bus"
	"noroshi/ident"
	"noroshi/identity"
	"noroshi/identity/identitytest"
	"noroshi/identity/join"
	"noroshi/ledger/ledgertest"
	"noroshi/org"
)

// platform is the bus as the hub wires it: the real authority, the real nodes.
type platform struct {
	t      *testing.T
	dir    string // of the authority
	ca     *identity.CA
	nodes  *identity.Nodes
	org    org.Organisation
	scope  access.Scope
	server *bus.Server
	log    identitytest.Journal

	mu  sync.Mutex
	now time.Time
}

func (p *platform) clock() time.Time { p.mu.Lock(); defer p.mu.Unlock(); return p.now }

func (p *platform) add(d time.Duration) { p.mu.Lock(); p.now = p.now.Add(d); p.mu.Unlock() }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// waitFor waits for a condition.
func waitFor(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("it never came to this: %s", what)
		}
		<-tick.C
	}
}

const life = time.Hour

func newPlatform(t *testing.T) *platform {
	t.Helper()
	p := &platform{t: t, dir: t.TempDir(), now: time.Now()}
	deps := identity.Deps{DB: ledgertest.SQLite(t), Now: p.clock, Ident: ident.Maker{Now: p.clock, Rand: rand.Reader}}
	orgs, err := identity.OpenOrganisations(t.Context(), deps)
	must(t, err)
	p.org, err = orgs.Put(t.Context(), "t", org.Organisation{Slug: "a", Name: "A"})
	must(t, err)
	p.scope = access.Hub(orgs.Current(), "test")
	p.ca, err = identity.OpenCA(p.dir, p.clock)
	must(t, err)
	feeds := func(ident.ID) []string { return []string{"real.all"} }
	p.nodes, err = identity.OpenNodes(t.Context(), deps, p.ca, identity.Hub{Enrol: "127.0.0.1:1", Bus: "127.0.0.1:1", Feeds: feeds, Life: life})
	must(t, err)
	cfg, err := p.ca.NodeTLS(nil)
	must(t, err)
	p.server, err = bus.NewServer(bus.ServerConfig{Dir: t.TempDir(), Listen: "127.0.0.1:0", MaxBytes: 64 << 20, TLS: cfg},
		bus.ServerDeps{Log: slog.New(slog.NewTextHandler(&p.log, nil)), Feeds: feeds, Admit: func(c *x509.Certificate) (bus.Node, time.Time, error) {
			n, err := p.nodes.Admit(context.Background(), c)
			return bus.Node{Org: n.Org, ID: n.ID, Name: n.Name}, n.NotAfter, err
		}})
	must(t, err)
	t.Cleanup(p.server.Close)
	p.nodes.OnCut, p.nodes.OnRetire = p.server.Disconnect, p.server.Disconnect
	return p
}

// member lets a node join.
func (p *platform) member(name string) tls.Certificate {
	p.t.Helper()
	word, _, err := p.nodes.NewToken(p.t.Context(), p.scope, p.org.ID, identity.Sensor, 0)
	must(p.t, err)
	tok, err := join.ParseToken(word)
	must(p.t, err)
	key := identitytest.Key(p.t)
	e, err := p.nodes.Redeem(p.t.Context(), join.Request{Secret: tok.Secret, Name: name, CSR: identitytest.Request(p.t, key)})
	must(p.t, err)
	return identitytest.Pair(p.t, key, e.Cert)
}

// shows is a client with a certificate; nil shows none.
func (p *platform) shows(c *tls.Certificate) *tls.Config { return identitytest.Shows(p.t, p.dir, c) }

// connect tries to be a client of the bus.
func (p *platform) connect(cfg *tls.Config, opts ...nats.Option) error {
	nc, err := nats.Connect("tls://"+p.server.Addr(), append([]nats.Option{nats.Secure(cfg), nats.NoReconnect(), nats.Timeout(time.Minute)}, opts...)...)
	if err == nil {
		nc.Close()
	}
	return err
}

func TestHostileCertificatesAreRefusedAndLogged(t *testing.T) {
	p := newPlatform(t)
	good, cut := p.member("good"), p.member("cut")
	must(t, p.connect(p.shows(&good)))
	must(t, p.nodes.Cut(t.Context(), p.scope, ident.ID(cut.Leaf.Subject.CommonName), "stolen"))
	_, err := p.ca.ClusterTLS(nil)
	must(t, err)
	attempts := append(identitytest.Attempts(t, p.dir, good, p.clock()),
		identitytest.Attempt{Name: "no certificate", Config: p.shows(nil), Handshake: true, Says: "didn't provide a certificate"},
		identitytest.Attempt{Name: "a node that was cut off", Config: p.shows(&cut), Says: cut.Leaf.Subject.CommonName + " (sensor of " + string(p.org.ID) + ") was cut off: stolen"})
	for _, c := range attempts {
		before := len(p.log.String())
		if err := p.connect(c.Config); err == nil {
			t.Errorf("%s: connected", c.Name)
			continue
		}
		for _, want := range []string{c.Says, "127.0.0.1"} {
			waitFor(t, c.Name+": the log says "+want, func() bool { return strings.Contains(p.log.From(before), want) })
		}
	}
	// Whose certificate it says it is, where it is read at all.
	names := "CN=" + good.Leaf.Subject.CommonName + ",OU=sensor,O=" + string(p.org.ID)
	if n := strings.Count(p.log.String(), names); n < 4 {
		t.Errorf("the log names the node %d times:\n%s", n, p.log.String())
	}
	if n := p.nodes.Refused(); n[identity.RefusedUnknown] != 3 || n[identity.RefusedCut] != 1 {
		t.Errorf("counted: %v", n)
	}
	must(t, p.connect(p.shows(&good)))
}

// hello reads what the bus says first, as any client does.
func hello(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "INFO ") {
		t.Fatalf("the bus begins with %q, %v", line, err)
	}
	return c
}

func TestGarbageAndSlowHandshakesHinderNobody(t *testing.T) {
	p := newPlatform(t)
	good := p.member("good")
	var open []net.Conn
	for range 40 { // They say nothing.
		open = append(open, hello(t, p.server.Addr()))
	}
	for range 40 { // They begin a handshake and go no further.
		c := hello(t, p.server.Addr())
		_, err := c.Write([]byte{0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00})
		must(t, err)
		open = append(open, c)
	}
	must(t, p.connect(p.shows(&good)))
	before := len(p.log.String())
	for _, garbage := range []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "CONNECT {}\r\nPING\r\n", strings.Repeat("\x00", 5000), "\x16\x03\x01\x40\x00" + strings.Repeat("\xff", 0x4000)} {
		c := hello(t, p.server.Addr())
		_, _ = c.Write([]byte(garbage)) // It may be cut off in the middle.
		open = append(open, c)
	}
	for _, c := range open {
		must(t, c.SetReadDeadline(time.Now().Add(time.Minute)))
		// Whatever is left to say, such as an alert or a reason, then the end.
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("a connection that never proved who it is stays open")
		}
	}
	waitFor(t, "the log tells of it", func() bool { return strings.Contains(p.log.From(before), "TLS handshake") })
	must(t, p.connect(p.shows(&good)))
}

// TestConnectionGoesOverToTheNewCertificate renews under a line that is in use.
func TestConnectionGoesOverToTheNewCertificate(t *testing.T) {
	p := newPlatform(t)
	hub, err := p.server.Hub(t.Context(), bus.Single(64<<20))
	must(t, err)
	t.Cleanup(hub.Close)
	said := make(chan string, 1024)
	must(t, hub.OnStatus(func(_ bus.Node, data []byte) { said <- string(data) }))
	first := p.member("host")
	var mu sync.Mutex
	shown := first
	cfg := p.shows(nil)
	cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		mu.Lock()
		defer mu.Unlock()
		return &shown, nil
	}
	id := ident.ID(first.Leaf.Subject.CommonName)
	c, err := bus.Dial(p.server.Addr(), bus.Node{Org: p.org.ID, ID: id, Name: "host"}, cfg)
	must(t, err)
	t.Cleanup(c.Close)
	<-c.Changed()
	p.add(life * 2 / 3)
	key := identitytest.Key(t)
	e, err := p.nodes.Renew(t.Context(), first.Leaf, join.Renewal{CSR: identitytest.Request(t, key)})
	must(t, err)
	second := identitytest.Pair(t, key, e.Cert)
	for range 200 {
		must(t, c.Status("before"))
	}
	mu.Lock()
	shown = second
	mu.Unlock()
	must(t, c.Reconnect())
	<-c.Changed()
	must(t, c.Status("after"))
	for i := range 201 {
		want := `"before"`
		if i == 200 {
			want = `"after"`
		}
		if got := <-said; got != want {
			t.Fatalf("message %d is %s", i, got)
		}
	}
	before := len(p.log.String())
	if err := p.connect(p.shows(&first)); err == nil {
		t.Error("the old certificate connects after the new one was seen")
	}
	waitFor(t, "the log tells of the old key", func() bool { return strings.Contains(p.log.From(before), "old copy") })
	must(t, c.Status("still here"))
	if got := <-said; got != `"still here"` {
		t.Errorf("afterwards: %s", got)
	}
}

func TestNodeMayNotSpeakOrHearBeyondItsOwn(t *testing.T) {
	r := newRig(t)
	denied := make(chan string, 64)
	nc := r.raw(t, "a1", nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { denied <- err.Error() }))
	publish := []string{
		"sync.org_a.nod_a2", "status.org_a.nod_a2", "status.org_b.nod_b1", "ack.org_a.nod_a2", "obs.org_a.nod_a1.x", "obs.org_a",
		"_INBOX_nod_a2.x.y", "_INBOX_nod_b1.x.y", "_INBOX.x", "feed.real.org_a",
		"$JS.API.INFO", "$JS.API.STREAM.LIST", "$JS.API.STREAM.MSG.GET.OBS", "$JS.API.DIRECT.GET.OBS", "$JS.API.STREAM.DELETE.OBS",
		"$JS.API.CONSUMER.CREATE.OBS", "$JS.API.CONSUMER.MSG.NEXT.OBS.x", "$JS.ACK.OBS.x.1.1.1.1.1", "$JS.FC.OBS.x.1", "$KV.marks.judge",
		"$SYS.REQ.USER.INFO", "$SYS.REQ.ACCOUNT.org_b.CONNZ", "$SRV.PING", "_R_.x.y",
	}
	subscribe := []string{
		"_INBOX_nod_b1.>", "_INBOX_*.>", "_INBOX.>", "*.org_a.nod_a2", "obs.org_a.nod_a1", "sync.org_a.*", "feed.*.*", "feed.real.*",
		"$JS.>", "$JS.EVENT.>", "$KV.>", "$SYS.>", "$SRV.>", "_R_.>", "stage.>", "*", "*.>",
	}
	for _, s := range publish {
		must(t, nc.Publish(s, []byte("{}")))
	}
	for _, s := range subscribe {
		_, err := nc.Subscribe(s, func(*nats.Msg) {})
		must(t, err)
	}
	_, err := nc.QueueSubscribe("obs.*.*", "workers", func(*nats.Msg) {})
	must(t, err)
	must(t, nc.Flush())
	var said []string
	for range len(publish) + len(subscribe) + 1 {
		select {
		case s := <-denied:
			said = append(said, s)
		case <-time.After(time.Minute):
			for _, s := range slices.Concat(publish, subscribe) {
				if !slices.ContainsFunc(said, func(line string) bool { return strings.Contains(strings.ToLower(line), strings.ToLower(`"`+s+`"`)) }) {
					t.Errorf("%s is let through", s)
				}
			}
			t.Fatalf("%d refusals", len(said))
		}
	}
}

// TestReplySubjectStaysInTheOrganisation lets a node name another's inbox, or a
// feed, as the place to which the hub is to answer. Nobody outside its
// organisation hears of it. Inside, the hub's own words may be led to a feed, and
// nothing of the node's choosing: an edge takes what is signed for the feed, and
// an inbox has a random name.
func TestReplySubjectStaysInTheOrganisation(t *testing.T) {
	r := newRig(t)
	must(t, r.hub.OnSync(func(context.Context, bus.Node, []byte) ([]byte, error) { return []byte("answer"), nil }))
	heard := make(chan string, 16)
	for _, name := range []string{"a2", "b1"} {
		nc := r.raw(t, name)
		for _, s := range []string{"_INBOX_nod_" + name + ".>", "feed.real.all"} {
			_, err := nc.Subscribe(s, func(m *nats.Msg) { heard <- name + " " + string(m.Data) })
			must(t, err)
		}
		must(t, nc.Flush())
	}
	nc := r.raw(t, "a1", nats.CustomInboxPrefix("_INBOX_nod_a1"))
	for _, reply := range []string{"_INBOX_nod_a2.x.y", "_INBOX_nod_b1.x.y", "feed.real.all", "feed.real.org_b"} {
		must(t, nc.PublishRequest("sync.org_a.nod_a1", reply, []byte("evil")))
	}
	must(t, nc.Flush())
	// The hub answers each in its own time; its line is in order after that.
	_, err := nc.Request("sync.org_a.nod_a1", nil, time.Minute)
	must(t, err)
	must(t, r.hub.Publish(t.Context(), "real.all", []byte("end")))
	for ends := 0; ends < 2; {
		switch got := <-heard; got {
		case "a2 end", "b1 end":
			ends++
		case "a2 answer":
		default:
			t.Errorf("heard %s", got)
		}
	}
}

// TestRoutesJoinHubsOnly joins the servers of two hubs of one platform, and lets
// others try: a node, and the hub of another platform that knows the address.
func TestRoutesJoinHubsOnly(t *testing.T) {
	p, other := newPlatform(t), newPlatform(t)
	routed := func(name string, cfg *tls.Config, to ...*url.URL) *server.Server {
		s, err := server.NewServer(&server.Options{ServerName: name, Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, Routes: to,
			Cluster: server.ClusterOpts{Name: "noroshi", Host: "127.0.0.1", Port: server.RANDOM_PORT, TLSConfig: cfg, TLSTimeout: 60, PoolSize: -1}})
		must(t, err)
		s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		if !s.ReadyForConnections(time.Minute) {
			t.Fatalf("%s did not start", name)
		}
		return s
	}
	cluster := func(ca *identity.CA) *tls.Config {
		cfg, err := ca.ClusterTLS(nil)
		must(t, err)
		return cfg
	}
	first := routed("first", cluster(p.ca))
	at := &url.URL{Scheme: "nats-route", Host: first.ClusterAddr().String()}
	second := routed("second", cluster(p.ca), at)
	waitFor(t, "two hubs are joined", func() bool { return first.NumRoutes() == 1 && second.NumRoutes() == 1 })

	node := p.member("node")
	asNode, gullible := p.shows(&node), cluster(other.ca)
	asNode.Certificates = []tls.Certificate{node}
	gullible.RootCAs = asNode.RootCAs // It believes this platform, which must not believe it.
	tried := make(chan struct{}, 16)
	for name, cfg := range map[string]*tls.Config{"node": asNode, "stranger": gullible} {
		// A route is tried again and again; the second handshake follows the first's refusal.
		get := cfg.GetClientCertificate
		cfg.GetClientCertificate = func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			select {
			case tried <- struct{}{}:
			default:
			}
			return get(r)
		}
		s := routed(name, cfg, at)
		waitFor(t, name+" is refused and tries again", func() bool { return len(tried) >= 2 })
		if n := s.NumRoutes(); n != 0 || first.NumRoutes() != 1 {
			t.Errorf("%s has %d routes, the hub %d", name, n, first.NumRoutes())
		}
		s.Shutdown()
		for len(tried) > 0 {
			<-tried
		}
	}
}

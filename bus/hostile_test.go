package bus_test

import (
	"bufio"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"noroshi/access"
	"noroshi/bus"
	"noroshi/ident"
	"noroshi/identity"
	"noroshi/identity/join"
	"noroshi/ledger/ledgertest"
	"noroshi/org"
)

// platform is the bus as the hub wires it: the real authority, the real nodes.
type platform struct {
	t      *testing.T
	dir    string // of the authority
	ca     *identity.CA
	key    crypto.Signer // of the authority, as a thief would use it
	nodes  *identity.Nodes
	org    org.Organisation
	scope  access.Scope
	server *bus.Server
	log    journal

	mu  sync.Mutex
	now time.Time
}

// journal is a log that is read while it is written.
type journal struct {
	mu sync.Mutex
	b  strings.Builder
}

func (j *journal) Write(p []byte) (int, error) { j.mu.Lock(); defer j.mu.Unlock(); return j.b.Write(p) }

// from returns what was written after the first n bytes.
func (j *journal) from(n int) string { j.mu.Lock(); defer j.mu.Unlock(); return j.b.String()[n:] }

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
	deadline := time.Now().Add(30 * time.Second)
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
	b, err := os.ReadFile(filepath.Join(p.dir, "ca.key"))
	must(t, err)
	p.key, err = join.ParseKey(b)
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

// request asks to certify a new key.
func request(t testing.TB) (*ecdsa.PrivateKey, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	must(t, err)
	return key, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

func pair(t testing.TB, key crypto.Signer, certPEM string) tls.Certificate {
	t.Helper()
	leaf, err := join.ParseCert([]byte(certPEM))
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
}

// member lets a node join.
func (p *platform) member(name string) tls.Certificate {
	p.t.Helper()
	word, _, err := p.nodes.NewToken(p.t.Context(), p.scope, p.org.ID, identity.Sensor, 0)
	must(p.t, err)
	tok, err := join.ParseToken(word)
	must(p.t, err)
	key, csr := request(p.t)
	e, err := p.nodes.Redeem(p.t.Context(), join.Request{Secret: tok.Secret, Name: name, CSR: csr})
	must(p.t, err)
	return pair(p.t, key, e.Cert)
}

// template is a certificate as the authority would write it for a node.
func (p *platform) template(like tls.Certificate) *x509.Certificate {
	return &x509.Certificate{SerialNumber: big.NewInt(7), Subject: like.Leaf.Subject, NotBefore: p.clock().Add(-time.Minute), NotAfter: p.clock().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
}

// forged signs with the authority's own key, for a key that nobody joined with.
func (p *platform) forged(tmpl *x509.Certificate, key crypto.Signer) tls.Certificate {
	p.t.Helper()
	return signed(p.t, tmpl, p.authority(), key, p.key)
}

func (p *platform) authority() *x509.Certificate {
	c, err := join.ParseCert(p.ca.PEM())
	must(p.t, err)
	return c
}

func signed(t testing.TB, tmpl, parent *x509.Certificate, key, by crypto.Signer) tls.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key.Public(), by)
	must(t, err)
	leaf, err := x509.ParseCertificate(der)
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// own is a certificate of the hub itself, stolen from its folder.
func (p *platform) own(name string) tls.Certificate {
	c, err := tls.LoadX509KeyPair(filepath.Join(p.dir, name+".pem"), filepath.Join(p.dir, name+".key"))
	must(p.t, err)
	return c
}

// shows makes a client show a certificate whether the server wants it or not.
func (p *platform) shows(c *tls.Certificate) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(p.authority())
	cfg := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: pool, ServerName: "127.0.0.1"}
	if c != nil {
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c, nil }
	}
	return cfg
}

// connect tries to be a client of the bus.
func (p *platform) connect(cfg *tls.Config, opts ...nats.Option) error {
	nc, err := nats.Connect("tls://"+p.server.Addr(), append([]nats.Option{nats.Secure(cfg), nats.NoReconnect(), nats.Timeout(20 * time.Second)}, opts...)...)
	if err == nil {
		nc.Close()
	}
	return err
}

func newKey[K any](t testing.TB, k K, err error) K {
	t.Helper()
	must(t, err)
	return k
}

func TestHostileCertificatesAreRefusedAndLogged(t *testing.T) {
	p := newPlatform(t)
	good, cut := p.member("good"), p.member("cut")
	must(t, p.connect(p.shows(&good)))
	must(t, p.nodes.Cut(t.Context(), p.scope, ident.ID(cut.Leaf.Subject.CommonName), "stolen"))
	_, err := p.ca.ClusterTLS(nil)
	must(t, err)
	p256 := func() crypto.Signer {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		return newKey(t, k, err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	must(t, err)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)

	otherKey := p256()
	other := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: p.authority().Subject, NotBefore: p.clock().Add(-time.Hour), NotAfter: p.clock().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	expired, early := p.template(good), p.template(good)
	expired.NotAfter = p.clock().Add(-time.Second)
	early.NotBefore = p.clock().Add(time.Minute)
	both := p.template(good)
	both.Subject = pkix.Name{CommonName: "Noroshi hub", OrganizationalUnit: []string{"hub"}}
	both.ExtKeyUsage = append(both.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	// A node's certificate that plays the authority, and a chain of them.
	between := p.template(good)
	between.IsCA, between.BasicConstraintsValid, between.KeyUsage = true, true, x509.KeyUsageCertSign
	betweenKey := p256()
	inner := p.forged(between, betweenKey)
	deep := signed(t, p.template(good), inner.Leaf, p256(), betweenKey)
	deep.Certificate = append(deep.Certificate, inner.Certificate[0])
	huge := p.forged(p.template(good), p256())
	for range 600 {
		huge.Certificate = append(huge.Certificate, inner.Certificate[0])
	}
	stolen := tls.Certificate{Certificate: good.Certificate, PrivateKey: p256(), Leaf: good.Leaf}

	node := "CN=" + good.Leaf.Subject.CommonName + ",OU=sensor,O=" + string(p.org.ID)
	certificate := func(c tls.Certificate) *tls.Config { return p.shows(&c) }
	old := p.shows(&good)
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	for name, c := range map[string]struct {
		cfg  *tls.Config
		says []string
	}{
		"another authority, the right names": {certificate(signed(t, p.template(good), other, p256(), otherKey)), []string{"unknown authority", node}},
		"our authority, an unknown key":      {certificate(p.forged(p.template(good), p256())), []string{"connection refused", "belongs to no node"}},
		"expired":                            {certificate(p.forged(expired, p256())), []string{"expired", node}},
		"not yet valid":                      {certificate(p.forged(early, p256())), []string{"not yet valid", node}},
		"the hub's own, as a client":         {certificate(p.own("server")), []string{"incompatible key usage", "CN=Noroshi hub"}},
		"the hub's for other hubs":           {certificate(p.own("cluster")), []string{"a hub's certificate is not a node's"}},
		"a hub's that the thief made":        {certificate(p.forged(both, p256())), []string{"a hub's certificate is not a node's"}},
		"curve P-384":                        {certificate(p.forged(p.template(good), p384)), []string{"belongs to no node"}},
		"RSA":                                {certificate(p.forged(p.template(good), rsaKey)), []string{"belongs to no node"}},
		"an authority in between":            {certificate(deep), []string{"too many intermediates", node}},
		"a huge chain":                       {certificate(huge), []string{"TLS handshake error"}},
		"a good one without its key":         {certificate(stolen), []string{"TLS handshake error"}},
		"no certificate":                     {p.shows(nil), []string{"didn't provide a certificate"}},
		"TLS 1.2":                            {old, []string{"unsupported versions"}},
		"a node that was cut off":            {certificate(cut), []string{"connection refused", cut.Leaf.Subject.CommonName, "sensor of " + string(p.org.ID), "stolen"}},
	} {
		before := len(p.log.from(0))
		if err := p.connect(c.cfg); err == nil {
			t.Errorf("%s: connected", name)
			continue
		}
		for _, want := range c.says {
			waitFor(t, name+": the log says "+want, func() bool { return strings.Contains(p.log.from(before), want) })
		}
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
	before := len(p.log.from(0))
	for _, garbage := range []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "CONNECT {}\r\nPING\r\n", strings.Repeat("\x00", 5000), "\x16\x03\x01\x40\x00" + strings.Repeat("\xff", 0x4000)} {
		c := hello(t, p.server.Addr())
		_, _ = c.Write([]byte(garbage)) // It may be cut off in the middle.
		open = append(open, c)
	}
	for _, c := range open {
		must(t, c.SetReadDeadline(time.Now().Add(30*time.Second)))
		// Whatever is left to say, such as an alert or a reason, then the end.
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("a connection that never proved who it is stays open")
		}
	}
	waitFor(t, "the log tells of it", func() bool { return strings.Contains(p.log.from(before), "TLS handshake") })
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
	key, csr := request(t)
	e, err := p.nodes.Renew(t.Context(), first.Leaf, join.Renewal{CSR: csr})
	must(t, err)
	second := pair(t, key, e.Cert)
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
	before := len(p.log.from(0))
	if err := p.connect(p.shows(&first)); err == nil {
		t.Error("the old certificate connects after the new one was seen")
	}
	waitFor(t, "the log tells of the old key", func() bool { return strings.Contains(p.log.from(before), "old copy") })
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
		case <-time.After(20 * time.Second):
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
	_, err := nc.Request("sync.org_a.nod_a1", nil, 20*time.Second)
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

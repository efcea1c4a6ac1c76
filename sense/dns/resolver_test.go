package dns

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"noroshi/event"
	"noroshi/indicator"
	"noroshi/label"
)

// policy is a live set that a test changes.
type policy struct {
	mu    sync.Mutex
	names map[string]indicator.Action
	addrs map[netip.Addr]bool
	ready bool
}

func (p *policy) set(name string, a indicator.Action) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a == "" {
		delete(p.names, name)
	} else {
		p.names[name] = a
	}
}

func (p *policy) Name(name string, _ time.Time) (Match, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n := name; ; {
		if a, ok := p.names[n]; ok {
			return Match{Indicator: "ind_1", Action: a, Value: n, Reason: "bad", ReasonJA: "悪性", Realm: label.Real}, true
		}
		_, parent, ok := strings.Cut(n, ".")
		if !ok {
			return Match{}, false
		}
		n = parent
	}
}

func (p *policy) Addr(a netip.Addr, _ time.Time) (Match, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Match{Indicator: "ind_2", Action: indicator.Block, Value: a.String(), Reason: "bad address"}, p.addrs[a]
}

func (p *policy) Ready() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.ready }

type rig struct {
	*Resolver
	policy *policy
	mu     sync.Mutex
	events []*event.Event
}

func serve(t testing.TB, upstreams ...string) *rig {
	t.Helper()
	r := &rig{policy: &policy{names: map[string]indicator.Action{}, addrs: map[netip.Addr]bool{}, ready: true}}
	var err error
	r.Resolver, err = New(Config{Listen: []string{"127.0.0.1:0"}, Upstreams: upstreams, Sinkhole4: netip.MustParseAddr("192.0.2.53")},
		Deps{Policy: r.policy, Now: time.Now, Log: slog.New(slog.DiscardHandler), Emit: func(e *event.Event) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.events = append(r.events, e)
			return nil
		}})
	if err == nil {
		err = r.Listen()
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = r.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return r
}

func ask(t testing.TB, addr, network, name string, qtype uint16) *dns.Msg {
	t.Helper()
	q := new(dns.Msg)
	q.SetQuestion(dns.Fqdn(name), qtype)
	q.SetEdns0(1232, false)
	m, _, err := (&dns.Client{Net: network, Timeout: 10 * time.Second}).Exchange(q, addr)
	if err != nil {
		t.Fatalf("%s %s: %v", name, dns.TypeToString[qtype], err)
	}
	return m
}

func ede(m *dns.Msg) (uint16, string) {
	if o := m.IsEdns0(); o != nil {
		for _, x := range o.Option {
			if e, ok := x.(*dns.EDNS0_EDE); ok {
				return e.InfoCode, e.ExtraText
			}
		}
	}
	return 0xffff, ""
}

const zone = `$TTL 300
@ IN SOA ns.zone.example. host.zone.example. 1 3600 600 86400 60
@ IN NS ns
ns IN A 127.0.0.1
www IN A 198.51.100.1
www IN AAAA 2001:db8::1
alias IN CNAME www
cloak IN CNAME tracker.bad.zone.example.
tracker.bad IN A 198.51.100.9
mail IN MX 10 www
text IN TXT "a text"
`

// named starts BIND with a zone on a free port.
func named(t testing.TB) string {
	t.Helper()
	bin, err := exec.LookPath("named")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("BIND is not installed; Debian's package bind9 has it")
	}
	dir := t.TempDir()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := pc.LocalAddr().(*net.UDPAddr).Port
	_ = pc.Close()
	big := ""
	for i := range 100 {
		big += fmt.Sprintf("big IN TXT \"%03d %s\"\n", i, strings.Repeat("x", 50))
	}
	conf := fmt.Sprintf(`options { directory "%s"; listen-on port %d { 127.0.0.1; }; listen-on-v6 { none; }; pid-file none; session-keyfile none; recursion no; dnssec-validation no; };
controls { };
zone "zone.example" { type master; file "zone.db"; };`, dir, port)
	for name, text := range map[string]string{"named.conf": conf, "zone.db": zone + big} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c := exec.Command(bin, "-f", "-n", "1", "-c", filepath.Join(dir, "named.conf"))
	c.Stdout, c.Stderr = io.Discard, io.Discard
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(20 * time.Second); ; {
		q := new(dns.Msg)
		q.SetQuestion("www.zone.example.", dns.TypeA)
		if m, err := dns.Exchange(q, addr); err == nil && m.Rcode == dns.RcodeSuccess {
			return addr
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("BIND did not start")
		}
	}
}

// TestAnswersAreThoseOfAPeer compares what we answer with what BIND answers.
func TestAnswersAreThoseOfAPeer(t *testing.T) {
	up := named(t)
	r := serve(t, up)
	for _, c := range []struct {
		name  string
		qtype uint16
	}{{"www", dns.TypeA}, {"WWW", dns.TypeAAAA}, {"alias", dns.TypeA}, {"mail", dns.TypeMX}, {"text", dns.TypeTXT}, {"nothing", dns.TypeA}, {"www", dns.TypeTXT}, {"big", dns.TypeTXT}} {
		for _, network := range []string{"udp", "tcp"} {
			for range 2 { // the second time from the cache
				name := c.name + ".zone.example"
				want, got := ask(t, up, "tcp", name, c.qtype), ask(t, r.Addr(), network, name, c.qtype)
				if network == "udp" && got.Truncated {
					if len(got.Answer) == len(want.Answer) {
						t.Errorf("%s is truncated and whole", name)
					}
					continue
				}
				if got.Rcode != want.Rcode || len(got.Answer) != len(want.Answer) || got.Question[0].Name != want.Question[0].Name {
					t.Errorf("%s %s over %s: %v instead of %v", name, dns.TypeToString[c.qtype], network, got, want)
				}
			}
		}
	}
	if r.Stats().CacheHits == 0 {
		t.Error("nothing came from the cache")
	}
}

func TestBlockCountsFromTheNextQueryAndSaysWhy(t *testing.T) {
	r := serve(t, named(t))
	if m := ask(t, r.Addr(), "udp", "www.zone.example", dns.TypeA); len(m.Answer) != 1 {
		t.Fatal(m)
	}
	r.policy.set("zone.example", indicator.Block)
	m := ask(t, r.Addr(), "udp", "www.zone.example", dns.TypeA)
	code, text := ede(m)
	if m.Rcode != dns.RcodeNameError || code != dns.ExtendedErrorCodeBlocked || !strings.Contains(text, "ind_1: bad / 悪性") {
		t.Errorf("blocked: %v, %d %q", m, code, text)
	}
	r.policy.set("zone.example", "")
	if m := ask(t, r.Addr(), "udp", "www.zone.example", dns.TypeA); len(m.Answer) != 1 {
		t.Error("after the revocation it is still blocked")
	}
	r.policy.set("www.zone.example", indicator.Sinkhole)
	m = ask(t, r.Addr(), "udp", "www.zone.example", dns.TypeA)
	if code, _ := ede(m); len(m.Answer) != 1 || m.Answer[0].(*dns.A).A.String() != "192.0.2.53" || code != dns.ExtendedErrorCodeForgedAnswer {
		t.Errorf("sinkholed: %v", m)
	}
	if m := ask(t, r.Addr(), "udp", "www.zone.example", dns.TypeHTTPS); len(m.Answer) != 0 {
		t.Error("an HTTPS record leads around the sinkhole")
	}
	r.policy.set("www.zone.example", indicator.Observe)
	if m := ask(t, r.Addr(), "udp", "www.zone.example", dns.TypeA); m.Answer[0].(*dns.A).A.String() != "198.51.100.1" {
		t.Error("what is observed must be answered")
	}
	r.eventually(t, 6)
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.events[1]
	if e.DispositionID != event.DispositionBlocked || e.Policy.UID != "ind_1" || e.RCode != "NXDOMAIN" || e.Query.Hostname != "www.zone.example" {
		t.Errorf("the event of the block: %+v", e)
	}
	if a := r.events[0].Answers; len(a) != 1 || a[0].RData != "198.51.100.1" {
		t.Errorf("the event's answers: %+v", a)
	}
}

func (r *rig) eventually(t *testing.T, n int) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(10 * time.Second); ; {
		r.mu.Lock()
		have := len(r.events)
		r.mu.Unlock()
		if have >= n {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%d of %d events", have, n)
		}
	}
}

func TestCloakedNamesAndBlockedAddressesAreBlocked(t *testing.T) {
	r := serve(t, named(t))
	r.policy.set("bad.zone.example", indicator.Block)
	if m := ask(t, r.Addr(), "udp", "cloak.zone.example", dns.TypeA); m.Rcode != dns.RcodeNameError || len(m.Answer) != 0 {
		t.Errorf("an alias of a blocked name is answered: %v", m)
	}
	r.policy.mu.Lock()
	r.policy.addrs[netip.MustParseAddr("198.51.100.1")] = true
	r.policy.mu.Unlock()
	if m := ask(t, r.Addr(), "udp", "alias.zone.example", dns.TypeA); m.Rcode != dns.RcodeNameError {
		t.Errorf("a name that leads to a blocked address is answered: %v", m)
	}
}

func TestNothingIsAnsweredUnfilteredNorAskedInVain(t *testing.T) {
	r := serve(t) // no upstream: what is forwarded fails
	r.policy.mu.Lock()
	r.policy.ready = false
	r.policy.mu.Unlock()
	m := ask(t, r.Addr(), "udp", "www.zone.example", dns.TypeA)
	if code, _ := ede(m); m.Rcode != dns.RcodeServerFailure || code != dns.ExtendedErrorCodeNotReady {
		t.Errorf("before the policy is loaded: %v", m)
	}
	r.policy.mu.Lock()
	r.policy.ready = true
	r.policy.mu.Unlock()
	for name, rcode := range map[string]int{"x.test": dns.RcodeNameError, "a.onion": dns.RcodeNameError, "1.0.0.10.in-addr.arpa": dns.RcodeNameError,
		"localhost": dns.RcodeSuccess, "www.zone.example": dns.RcodeServerFailure, "use-application-dns.net": dns.RcodeNameError} {
		if m := ask(t, r.Addr(), "udp", name, dns.TypeA); m.Rcode != rcode {
			t.Errorf("%s: %s", name, dns.RcodeToString[m.Rcode])
		}
	}
	if m := ask(t, r.Addr(), "tcp", "zone.example", dns.TypeAXFR); m.Rcode != dns.RcodeRefused {
		t.Errorf("a zone transfer: %s", dns.RcodeToString[m.Rcode])
	}
	if m := ask(t, r.Addr(), "udp", "zone.example", dns.TypeANY); len(m.Answer) != 1 {
		t.Errorf("ANY: %v", m)
	}
}

func TestOldAnswersServeWhenUpstreamIsGone(t *testing.T) {
	up := named(t)
	r := serve(t, up)
	ask(t, r.Addr(), "udp", "www.zone.example", dns.TypeA)
	r.cfg.Upstreams = nil
	r.cache.mu.Lock()
	for _, e := range r.cache.m {
		e.ttl = 0
	}
	r.cache.mu.Unlock()
	m := ask(t, r.Addr(), "udp", "www.zone.example", dns.TypeA)
	if code, _ := ede(m); len(m.Answer) != 1 || code != dns.ExtendedErrorCodeStaleAnswer {
		t.Errorf("an old answer: %v", m)
	}
}

func TestCacheIsBounded(t *testing.T) {
	c := newCache(10)
	now := time.Now()
	for i := range 100 {
		m := new(dns.Msg)
		m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: "x.", Rrtype: dns.TypeA, Ttl: 60}}}
		c.put(key{name: fmt.Sprint(i)}, m, now)
		c.get(key{name: "0"}, now) // The one that is used stays.
	}
	if len(c.m) != 10 {
		t.Errorf("the cache holds %d entries", len(c.m))
	}
	if _, ok := c.get(key{name: "0"}, now); !ok {
		t.Error("the entry in use was forgotten")
	}
}

// writer is a client that keeps what it is answered.
type writer struct{ msg *dns.Msg }

func (w *writer) LocalAddr() net.Addr         { return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 53} }
func (w *writer) RemoteAddr() net.Addr        { return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9} }
func (w *writer) WriteMsg(m *dns.Msg) error   { w.msg = m; _, err := m.Pack(); return err }
func (w *writer) Write(b []byte) (int, error) { return len(b), nil }
func (w *writer) Close() error                { return nil }
func (w *writer) TsigStatus() error           { return nil }
func (w *writer) TsigTimersOnly(bool)         {}
func (w *writer) Hijack()                     {}

func FuzzQuery(f *testing.F) {
	for _, name := range []string{"www.zone.example.", "x.test.", ".", "localhost."} {
		q := new(dns.Msg)
		q.SetQuestion(name, dns.TypeA)
		q.SetEdns0(4096, true)
		b, _ := q.Pack()
		f.Add(b)
	}
	r := serve(f)
	r.policy.set("x.test", indicator.Block)
	f.Fuzz(func(t *testing.T, b []byte) {
		q := new(dns.Msg)
		if q.Unpack(b) != nil {
			return
		}
		w := &writer{}
		r.ServeDNS(w, q)
		if w.msg == nil || w.msg.Id != q.Id || !w.msg.Response {
			t.Errorf("%v is answered by %v", q, w.msg)
		}
	})
}

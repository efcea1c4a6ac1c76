package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	wire "github.com/miekg/dns"
)

func TestTimeToLivePasses(t *testing.T) {
	r := newRig(t).start()
	r.ask("www.example", wire.TypeA)
	r.clock.pass(100 * time.Second)
	if ttl := r.ask("www.example", wire.TypeA).Answer[0].Header().Ttl; ttl != 200 {
		t.Errorf("after 100 of 300 seconds the answer lives %d", ttl)
	}
	r.clock.pass(200 * time.Second)
	r.ask("www.example", wire.TypeA)
	if n := r.world.questions(); n != 2 {
		t.Errorf("the upstream was asked %d times, not 2", n)
	}
}

func TestNegativeAnswersAreKeptAsTheirZoneSays(t *testing.T) {
	r := newRig(t).start()
	r.want("none.example", wire.TypeA, "NXDOMAIN")
	r.clock.pass(299 * time.Second)
	if m := r.want("none.example", wire.TypeA, "NXDOMAIN"); len(m.Ns) != 1 || m.Ns[0].Header().Ttl != 301 {
		t.Errorf("the authority section is %v", m.Ns)
	}
	if n := r.world.questions(); n != 1 {
		t.Errorf("the upstream was asked %d times, not 1", n)
	}
	r.clock.pass(time.Second) // The SOA's minimum is 300.
	r.want("none.example", wire.TypeA, "NXDOMAIN")
	if n := r.world.questions(); n != 2 {
		t.Errorf("the upstream was asked %d times, not 2", n)
	}
}

func TestAnswersAreKeptByWhatTheyDependOn(t *testing.T) {
	r := newRig(t).start()
	plain, do, cd := question("www.example", wire.TypeA), question("WWW.example", wire.TypeA), question("www.example", wire.TypeA)
	do.IsEdns0().SetDo()
	cd.CheckingDisabled = true
	for _, q := range []*wire.Msg{plain, do, cd, plain, do, cd} {
		m := r.send(q, me)
		if m.IsEdns0().Do() != q.IsEdns0().Do() || m.CheckingDisabled != q.CheckingDisabled || m.Question[0] != q.Question[0] {
			t.Errorf("%v was answered %v", q, m)
		}
		if m.AuthenticatedData != q.IsEdns0().Do() {
			t.Errorf("AD is %v for DO %v", m.AuthenticatedData, q.IsEdns0().Do())
		}
	}
	if n := r.world.questions(); n != 3 {
		t.Errorf("the upstream was asked %d times, not 3", n)
	}
}

func TestAuthenticityOverANetworkProvesNothing(t *testing.T) {
	r := newRig(t)
	r.cfg.Upstreams = []string{"192.0.2.53"}
	r.start()
	q := question("www.example", wire.TypeA)
	q.IsEdns0().SetDo()
	if r.send(q, me).AuthenticatedData {
		t.Error("AD of a distant upstream was passed on")
	}
}

func TestOldAnswerIsBetterThanNone(t *testing.T) {
	r := newRig(t).start()
	r.ask("www.example", wire.TypeA)
	r.ask("none.example", wire.TypeA)
	r.world.set(true)
	r.clock.pass(time.Hour)
	m := r.want("www.example", wire.TypeA, "NOERROR (Stale Answer) 192.0.2.1")
	if ttl := m.Answer[0].Header().Ttl; ttl != staleTTL {
		t.Errorf("a stale answer lives %d seconds", ttl)
	}
	r.want("none.example", wire.TypeA, "NXDOMAIN (Stale NXDOMAIN Answer)")
	asked := r.world.questions()
	r.want("www.example", wire.TypeA, "NOERROR (Stale Answer) 192.0.2.1")
	if r.world.questions() != asked {
		t.Error("an upstream that was away a moment ago was asked again")
	}
	r.clock.pass(recheck)
	r.world.set(false)
	r.want("www.example", wire.TypeA, "NOERROR 192.0.2.1")
	r.world.set(true)
	r.clock.pass(25 * time.Hour)
	r.want("www.example", wire.TypeA, "SERVFAIL (No Reachable Authority)")
}

func TestFailuresAreExplained(t *testing.T) {
	for want, dial := range map[string]func(context.Context, string, string) (net.Conn, error){
		"SERVFAIL (Network Error)": func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", errors.New("refused"))}
		},
		"SERVFAIL (No Reachable Authority)": func(context.Context, string, string) (net.Conn, error) {
			return &line{network: "udp", answer: func(*wire.Msg) []byte { return nil }}, nil
		},
		"SERVFAIL (DNSSEC Bogus)": replying(func(m *wire.Msg) {
			m.Rcode = wire.RcodeServerFailure
			m.SetEdns0(bufferSize, false)
			m.IsEdns0().Option = []wire.EDNS0{&wire.EDNS0_EDE{InfoCode: wire.ExtendedErrorCodeDNSBogus}}
		}),
		"SERVFAIL": replying(func(m *wire.Msg) { m.Rcode = wire.RcodeRefused }),
	} {
		r := newRig(t)
		r.deps.Dial = dial
		r.start()
		r.want("www.example", wire.TypeA, want)
	}
	r := newRig(t)
	r.start()
	r.r.upstreams = nil
	r.want("www.example", wire.TypeA, "SERVFAIL (Network Error)")
}

func replying(change func(*wire.Msg)) func(context.Context, string, string) (net.Conn, error) {
	return func(_ context.Context, network, _ string) (net.Conn, error) {
		return &line{network: network, answer: func(q *wire.Msg) []byte {
			m := new(wire.Msg)
			m.SetReply(q)
			change(m)
			b, err := m.Pack()
			if err != nil {
				panic(err)
			}
			return b
		}}, nil
	}
}

func TestNextUpstreamIsAskedAndRemembered(t *testing.T) {
	r := newRig(t)
	r.cfg.Upstreams = []string{"127.0.0.1:1", "127.0.0.1:2"}
	var to []string
	good := r.deps.Dial
	r.deps.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		to = append(to, address)
		if address == "127.0.0.1:1" {
			return nil, errors.New("refused")
		}
		return good(ctx, network, address)
	}
	r.start()
	r.want("www.example", wire.TypeA, "NOERROR 192.0.2.1")
	r.want("www.example", wire.TypeAAAA, "NOERROR 2001:db8::1")
	r.clock.pass(2 * shunned)
	r.want("none.example", wire.TypeA, "NXDOMAIN")
	if got := fmt.Sprint(to); got != "[127.0.0.1:1 127.0.0.1:2 127.0.0.1:2 127.0.0.1:1 127.0.0.1:2]" {
		t.Errorf("asked %s", got)
	}
	if n := r.r.Stats().UpstreamErrors; n != 2 {
		t.Errorf("%d errors of upstreams were counted", n)
	}
}

func TestForgedAnswersAreIgnored(t *testing.T) {
	r := newRig(t)
	r.deps.Dial = func(_ context.Context, network, _ string) (net.Conn, error) {
		return &forged{line: line{network: network, answer: func(q *wire.Msg) []byte {
			b, _ := r.world.answer(q).Pack()
			return b
		}}}, nil
	}
	r.start()
	r.want("www.example", wire.TypeA, "NOERROR 192.0.2.1")
	if n := r.r.Stats().Foreign; n != 4 {
		t.Errorf("%d foreign packets were counted, not 4", n)
	}
}

// forged is a line on which forgeries arrive before the answer.
type forged struct {
	line
	n int
}

func (f *forged) Read(b []byte) (int, error) {
	m := new(wire.Msg)
	if f.n++; f.n > 4 {
		return f.line.Read(b)
	}
	if err := m.Unpack(f.back); err != nil {
		return 0, err
	}
	m.Answer[0].(*wire.A).A = net.IPv4(6, 6, 6, 6)
	switch f.n {
	case 1:
		m.Id++
	case 2:
		m.Question[0].Name = "other.example."
	case 3:
		m.Response = false
	case 4:
		return copy(b, "junk"), nil
	}
	out, err := m.Pack()
	return copy(b, out), err
}

func TestUpstreamIsAskedWithoutTheClientsTraces(t *testing.T) {
	r := newRig(t).start()
	q := question("WwW.example", wire.TypeA)
	q.IsEdns0().Option = []wire.EDNS0{
		&wire.EDNS0_SUBNET{Code: wire.EDNS0SUBNET, Family: 1, SourceNetmask: 24, Address: net.IPv4(203, 0, 113, 0)},
		&wire.EDNS0_COOKIE{Code: wire.EDNS0COOKIE, Cookie: "0102030405060708"}}
	r.send(q, me)
	up := r.world.asked[0]
	if o := up.IsEdns0(); o == nil || len(o.Option) != 0 || o.UDPSize() != bufferSize || up.Question[0].Name != "www.example." {
		t.Errorf("the upstream was asked %v", up)
	}
}

func TestLongAnswerComesOverTCP(t *testing.T) {
	r := newRig(t)
	long := `long.example. 300 IN TXT "` + strings.Repeat("x", 250) + `"`
	for i := range 20 {
		r.world.zone["long.example. TXT"] = append(r.world.zone["long.example. TXT"], strings.Replace(long, "xxx", fmt.Sprintf("%03d", i), 1))
	}
	r.start()
	r.want("long.example", wire.TypeTXT, "NOERROR TC")
	overTCP := me
	overTCP.tcp = true
	if m := r.send(question("long.example", wire.TypeTXT), overTCP); len(m.Answer) != 20 || m.Truncated {
		t.Errorf("%d records came over TCP", len(m.Answer))
	}
}

func TestOneQuestionIsAskedOnce(t *testing.T) {
	r := newRig(t)
	release := make(chan struct{})
	answer := r.deps.Dial
	var mu sync.Mutex
	dialled := 0
	r.deps.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		mu.Lock()
		dialled++
		mu.Unlock()
		<-release
		return answer(ctx, network, address)
	}
	r.start()
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { r.want("www.example", wire.TypeA, "NOERROR 192.0.2.1") })
	}
	until(t, "the upstream is asked", func() bool { mu.Lock(); defer mu.Unlock(); return dialled > 0 })
	close(release)
	all.Wait()
	if dialled != 1 {
		t.Errorf("50 questions at once were asked %d times", dialled)
	}
}

func TestTooManyQuestionsDoNotPileUp(t *testing.T) {
	r := newRig(t).start()
	for range maxUpstream {
		r.r.asking <- struct{}{}
	}
	m := r.ask("www.example", wire.TypeA)
	if _, text := ede(m); m.Rcode != wire.RcodeServerFailure || text != "the resolver is busy" {
		t.Errorf("answered %s (%s)", short(m), text)
	}
}

func TestSlowUpstreamIsNotWaitedForWhenThereIsAnOldAnswer(t *testing.T) {
	r := newRig(t)
	r.cfg.Timeout = 10 * time.Millisecond // The patience is never longer.
	release := make(chan struct{})
	answer := r.deps.Dial
	slow := false
	r.deps.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if slow {
			<-release
		}
		return answer(ctx, network, address)
	}
	r.start()
	r.ask("www.example", wire.TypeA)
	slow = true
	r.clock.pass(time.Hour)
	r.want("www.example", wire.TypeA, "NOERROR (Stale Answer) 192.0.2.1")
	close(release)
	until(t, "the late answer is kept", func() bool { return short(r.ask("www.example", wire.TypeA)) == "NOERROR 192.0.2.1" })
}

func TestCacheIsBounded(t *testing.T) {
	c := newCache(3, 1<<20)
	name := func(i int) key { return key{name: fmt.Sprint(i)} }
	for i := range 5 {
		c.put(name(i), &answer{packed: make([]byte, 100)})
		c.get(name(0))
	}
	for i, want := range []bool{true, false, false, true, true} {
		if _, ok := c.get(name(i)); ok != want {
			t.Errorf("%d is kept: %v", i, ok)
		}
	}
	c = newCache(1000, 10*(100+1+overhead))
	for i := range 100 {
		c.put(name(i%50), &answer{packed: make([]byte, 100)})
		if c.bytes > c.maxBytes || len(c.m) != c.order.Len() {
			t.Fatalf("%d bytes in %d entries", c.bytes, len(c.m))
		}
	}
	c.put(name(1), &answer{packed: make([]byte, 1<<20)})
	if c.bytes > c.maxBytes || len(c.m) == 0 {
		t.Errorf("one large answer: %d bytes in %d entries", c.bytes, len(c.m))
	}
}

func TestUpstreamsThatAreOurselvesAreLeftOut(t *testing.T) {
	for _, c := range []struct {
		addr, listen string
		want         bool
	}{
		{"127.0.0.1:53", "127.0.0.1:53", true}, {"127.0.0.53:53", "127.0.0.1:53", false}, {"127.0.0.1:53", "127.0.0.1:5353", false},
		{"127.0.0.1:53", "0.0.0.0:53", true}, {"192.0.2.1:53", "0.0.0.0:53", false}, {"[::1]:53", "[::]:53", true},
	} {
		if got := ourselves(netip.MustParseAddrPort(c.addr), []string{c.listen}); got != c.want {
			t.Errorf("%s while listening on %s: %v", c.addr, c.listen, got)
		}
	}
	for s, want := range map[string]string{"192.0.2.1": "192.0.2.1:53", "192.0.2.1:5": "192.0.2.1:5", "::1": "[::1]:53", "[::1]": "[::1]:53", "[::1]:5": "[::1]:5", "name": "", "192.0.2.1:0": ""} {
		a, err := parseUpstream(s)
		if (err == nil) != (want != "") || err == nil && a.String() != want {
			t.Errorf("%q reads %v, %v", s, a, err)
		}
	}
}

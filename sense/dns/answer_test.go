package dns

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	wire "github.com/miekg/dns"

	"noroshi/indicator"
	"noroshi/label"
)

func TestPolicyDecidesTheAnswer(t *testing.T) {
	for _, c := range []struct {
		what   string
		action indicator.Action
		name   string
		qtype  uint16
		want   string
	}{
		{"other.example", indicator.Block, "www.example", wire.TypeA, "NOERROR 192.0.2.1"},
		{"bad.example", indicator.Block, "bad.example", wire.TypeA, "NXDOMAIN (Blocked)"},
		{"bad.example", indicator.Block, "BAD.eXample", wire.TypeA, "NXDOMAIN (Blocked)"},
		{"bad.example", indicator.Block, "deep.below.bad.example", wire.TypeAAAA, "NXDOMAIN (Blocked)"},
		{"bad.example", indicator.Block, "notbad.example", wire.TypeA, "NXDOMAIN"},
		{"bad.example", indicator.Block, "bad.example", wire.TypeANY, "NXDOMAIN (Blocked)"},
		{"bad.example", indicator.Block, "bad.example", wire.TypeHTTPS, "NXDOMAIN (Blocked)"},
		{"bad.example", indicator.Observe, "bad.example", wire.TypeA, "NOERROR 192.0.2.66"},
		{"bad.example", indicator.Sinkhole, "bad.example", wire.TypeA, "NOERROR (Forged Answer) 10.9.9.9"},
		{"bad.example", indicator.Sinkhole, "bad.example", wire.TypeAAAA, "NOERROR (Forged Answer) 2001:db8::9"},
		{"bad.example", indicator.Sinkhole, "bad.example", wire.TypeHTTPS, "NOERROR (Forged Answer)"},
		{"bad.example", indicator.Sinkhole, "bad.example", wire.TypeMX, "NOERROR (Forged Answer)"},
		{"tracker.example", indicator.Block, "cloaked.example", wire.TypeA, "NXDOMAIN (Blocked)"},
		{"tracker.example", indicator.Sinkhole, "cloaked.example", wire.TypeA, "NOERROR (Forged Answer) 10.9.9.9"},
		{"tracker.example", indicator.Block, "svc6.example", wire.TypeHTTPS, "NXDOMAIN (Blocked)"},
		{"192.0.2.7", indicator.Block, "cloaked.example", wire.TypeA, "NXDOMAIN (Blocked)"},
		{"192.0.2.66", indicator.Block, "bad.example", wire.TypeA, "NXDOMAIN (Blocked)"},
		{"192.0.2.66", indicator.Block, "svc.example", wire.TypeHTTPS, "NXDOMAIN (Blocked)"},
		{"2001:db8::1", indicator.Block, "www.example", wire.TypeAAAA, "NXDOMAIN (Blocked)"},
		{"x.drill.noroshi.test", indicator.Block, "x.drill.noroshi.test", wire.TypeA, "NXDOMAIN (Blocked)"},
		{"x.drill.noroshi.test", indicator.Block, "y.drill.noroshi.test", wire.TypeA, "NXDOMAIN"},
	} {
		r := newRig(t)
		r.cfg.Sinkhole4, r.cfg.Sinkhole6 = netip.MustParseAddr("10.9.9.9"), netip.MustParseAddr("2001:db8::9")
		r.start()
		r.book.set(c.what, c.action)
		m := r.want(c.name, c.qtype, c.want)
		for _, rr := range append(m.Answer, m.Ns...) {
			if len(m.Question) == 0 || rr.Header().Ttl > 5 && strings.Contains(c.want, "(") {
				t.Errorf("%s: the forged record %v lives too long", c.name, rr)
			}
		}
		if _, text := ede(m); strings.Contains(c.want, "(") && text != "ind_1: loader of a stealer / 情報窃取型の配布元" {
			t.Errorf("%s: the reason reads %q", c.name, text)
		}
	}
}

func TestBlockedNameIsNotAskedUpstream(t *testing.T) {
	r := newRig(t).start()
	r.book.set("bad.example", indicator.Block)
	r.ask("bad.example", wire.TypeA)
	if n := r.world.questions(); n != 0 {
		t.Errorf("the upstream was asked %d times about a blocked name", n)
	}
}

func TestSinkholeWithoutAnAddressBlocks(t *testing.T) {
	r := newRig(t).start()
	r.book.set("bad.example", indicator.Sinkhole)
	r.want("bad.example", wire.TypeA, "NXDOMAIN (Blocked)")
}

func TestBlockIsStrongerThanObserve(t *testing.T) {
	r := newRig(t).start()
	r.book.set("cloaked.example", indicator.Observe)
	r.book.set("192.0.2.7", indicator.Block)
	r.want("cloaked.example", wire.TypeA, "NXDOMAIN (Blocked)")
}

func TestPolicyHoldsForTheVeryNextQuery(t *testing.T) {
	r := newRig(t).start()
	r.want("www.example", wire.TypeA, "NOERROR 192.0.2.1")
	r.want("www.example", wire.TypeA, "NOERROR 192.0.2.1")
	if r.world.questions() != 1 {
		t.Fatal("the answer was not cached")
	}
	r.book.set("www.example", indicator.Block)
	r.want("www.example", wire.TypeA, "NXDOMAIN (Blocked)")
	r.book.drop("www.example")
	r.want("www.example", wire.TypeA, "NOERROR 192.0.2.1")
	r.book.set("192.0.2.1", indicator.Block)
	r.want("www.example", wire.TypeA, "NXDOMAIN (Blocked)")
	if n := r.world.questions(); n != 1 {
		t.Errorf("the upstream was asked %d times", n)
	}
}

// The indicator arrives while the upstream is asked.
func TestPolicyIsAskedAgainBeforeAnAnswerLeaves(t *testing.T) {
	r := newRig(t)
	r.world.zone["late.example. A"] = r.world.zone["bad.example. A"]
	r.deps.Policy = afterFirst{r.book, func() { r.book.set("late.example", indicator.Block) }}
	r.start()
	r.want("late.example", wire.TypeA, "NXDOMAIN (Blocked)")
}

// afterFirst is a policy that changes once it was asked.
type afterFirst struct {
	*book
	change func()
}

func (p afterFirst) Name(name string, now time.Time) (Match, bool) {
	m, ok := p.book.Name(name, now)
	p.change()
	return m, ok
}

func TestNotReadyIsNeverUnfiltered(t *testing.T) {
	r := newRig(t).start()
	r.book.notReady = true
	for _, name := range []string{"www.example", "localhost", "a.test", "."} {
		r.want(name, wire.TypeA, "SERVFAIL (Not Ready)")
	}
	if n := r.world.questions(); n != 0 {
		t.Errorf("the upstream was asked %d times", n)
	}
	r.book.notReady = false
	r.want("www.example", wire.TypeA, "NOERROR 192.0.2.1")
}

func TestReasonFitsTheAnswer(t *testing.T) {
	r := newRig(t).start()
	long := Match{Indicator: "ind_1", Action: indicator.Block, Value: "bad.example", Reason: strings.Repeat("理由", 300), Realm: label.Exercise}
	r.book.names["bad.example"] = long
	_, text := ede(r.ask("bad.example", wire.TypeA))
	if len(text) > maxWords || !strings.HasPrefix(text, "ind_1 [exercise 訓練]: 理由") || strings.ContainsRune(text, '\uFFFD') {
		t.Errorf("the text is %q", text)
	}
	q := question("bad.example", wire.TypeA)
	q.IsEdns0().SetUDPSize(512)
	m := r.send(q, me)
	if code, _ := ede(m); code != int(wire.ExtendedErrorCodeBlocked) || m.Rcode != wire.RcodeNameError {
		t.Errorf("in 512 bytes: %s", short(m))
	}
	q.Extra = nil
	if m := r.send(q, me); m.Rcode != wire.RcodeNameError || len(m.Extra) != 0 {
		t.Errorf("without EDNS: %v", m)
	}
}

func TestSpecialNamesStayInTheHouse(t *testing.T) {
	r := newRig(t).start()
	for _, c := range []struct {
		name  string
		qtype uint16
		want  string
	}{
		{"test", wire.TypeA, "NXDOMAIN"},
		{"a.b.test", wire.TypeTXT, "NXDOMAIN"},
		{"x.invalid", wire.TypeA, "NXDOMAIN"},
		{"abc.onion", wire.TypeA, "NXDOMAIN"},
		{"printer.local", wire.TypeA, "NXDOMAIN"},
		{"nas.home.arpa", wire.TypeA, "NXDOMAIN"},
		{"use-application-dns.net", wire.TypeA, "NXDOMAIN"},
		{"_dns.resolver.arpa", wire.TypeSVCB, "NOERROR"},
		{"localhost", wire.TypeA, "NOERROR 127.0.0.1"},
		{"a.localhost", wire.TypeAAAA, "NOERROR ::1"},
		{"localhost", wire.TypeMX, "NOERROR"},
		{"1.0.0.127.in-addr.arpa", wire.TypePTR, "NOERROR localhost"},
		{"2.0.0.127.in-addr.arpa", wire.TypePTR, "NXDOMAIN"},
		{"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa", wire.TypePTR, "NOERROR localhost"},
		{"1.2.3.10.in-addr.arpa", wire.TypePTR, "NXDOMAIN"},
		{"10.in-addr.arpa", wire.TypeNS, "NOERROR"},
		{"1.1.16.172.in-addr.arpa", wire.TypePTR, "NXDOMAIN"},
		{"1.1.127.100.in-addr.arpa", wire.TypePTR, "NXDOMAIN"},
		{"1.1.d.f.ip6.arpa", wire.TypePTR, "NXDOMAIN"},
	} {
		r.want(c.name, c.qtype, c.want)
	}
	if n := r.world.questions(); n != 0 {
		t.Errorf("%d of them left the house", n)
	}
	for i, name := range []string{"1.1.15.172.in-addr.arpa", "1.1.32.172.in-addr.arpa", "1.1.128.100.in-addr.arpa", "1.0.0.8.in-addr.arpa", "contest", "nottest.example"} {
		r.ask(name, wire.TypePTR)
		if n := r.world.questions(); n != i+1 {
			t.Errorf("%s was not asked upstream", name)
		}
	}
}

func TestAnyIsAnsweredShortly(t *testing.T) {
	r := newRig(t).start()
	r.want("www.example", wire.TypeANY, `NOERROR "RFC8482" ""`)
}

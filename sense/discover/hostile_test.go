package discover

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	wire "github.com/miekg/dns"

	"noroshi/discovery"
)

// hostile is a server on loopback that answers as a test says, over UDP and TCP.
func hostile(t *testing.T, answer func(w wire.ResponseWriter, q *wire.Msg)) string {
	t.Helper()
	p, l := bothWays(t)
	for _, s := range []*wire.Server{{PacketConn: p}, {Listener: l}} {
		up := make(chan struct{})
		s.Handler, s.NotifyStartedFunc = wire.HandlerFunc(answer), func() { close(up) }
		go func() { _ = s.ActivateAndServe() }()
		<-up
		t.Cleanup(func() { _ = s.Shutdown() })
	}
	return p.LocalAddr().String()
}

// bothWays listens on one port over UDP and TCP.
func bothWays(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 100 {
		p, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if l, err := net.Listen("tcp", p.LocalAddr().String()); err == nil {
			return p, l
		}
		_ = p.Close() // Somebody else has the port over TCP.
	}
	t.Fatal("no port is free over UDP and TCP")
	return nil, nil
}

// rr makes records; what cannot be written in a zone is made by hand.
func rr(t *testing.T, lines ...string) (out []wire.RR) {
	t.Helper()
	for _, l := range lines {
		r, err := wire.NewRR(l)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

// udp tells whether a question came in a packet.
func udp(w wire.ResponseWriter) bool { _, ok := w.LocalAddr().(*net.UDPAddr); return ok }

func TestHostileAnswersAreBoundedAndBelievedInNothing(t *testing.T) {
	huge := &wire.TXT{Hdr: wire.RR_Header{Name: "city.example.", Rrtype: wire.TypeTXT, Class: wire.ClassINET}}
	for range 200 {
		huge.Txt = append(huge.Txt, strings.Repeat("\x01<script>", 28))
	}
	for name, c := range map[string]struct {
		kind   uint16 // of the questions that are answered so; others have no answer
		answer func(w wire.ResponseWriter, q, m *wire.Msg)
		check  func(t *testing.T, found map[string]discovery.Candidate, sum discovery.WalkSummary)
	}{
		"names that nobody asked for": {wire.TypeA, func(_ wire.ResponseWriter, _, m *wire.Msg) {
			m.Answer = rr(t, "city.example. A 198.51.100.1", "other.example. A 198.51.100.2", "www.city.example. A 198.51.100.3")
			m.Extra = rr(t, "ns.city.example. A 198.51.100.4")
		}, func(t *testing.T, found map[string]discovery.Candidate, _ discovery.WalkSummary) {
			if len(found) != 2 || kinds(found["198.51.100.1"]) != "address_of" {
				t.Errorf("%d were found: %v", len(found), found)
			}
		}},
		"a circle of aliases": {wire.TypeA, func(_ wire.ResponseWriter, _, m *wire.Msg) {
			m.Answer = rr(t, "city.example. CNAME a.city.example.", "a.city.example. CNAME b.city.example.", "b.city.example. CNAME CITY.example.")
		}, func(t *testing.T, found map[string]discovery.Candidate, sum discovery.WalkSummary) {
			if len(found) != 1 || sum.Failed["alias_circle"] == 0 {
				t.Errorf("%d were found; %+v", len(found), sum)
			}
		}},
		"an endless chain of aliases": {wire.TypeA, func(_ wire.ResponseWriter, q, m *wire.Msg) {
			at := strings.TrimSuffix(q.Question[0].Name, "city.example.")
			for range 20 {
				m.Answer = append(m.Answer, rr(t, fmt.Sprintf("%scity.example. CNAME n%scity.example.", at, at))...)
				at = "n" + at
			}
		}, func(t *testing.T, found map[string]discovery.Candidate, sum discovery.WalkSummary) {
			if len(found) > 1+maxChain*2*DefaultDepth || sum.Ended != "done" {
				t.Errorf("%d were found; %+v", len(found), sum)
			}
		}},
		"text without end": {wire.TypeTXT, func(_ wire.ResponseWriter, _, m *wire.Msg) { m.Answer = []wire.RR{huge} },
			func(t *testing.T, found map[string]discovery.Candidate, _ discovery.WalkSummary) {
				for _, e := range found["city.example"].Evidence {
					if len(e.Said) > discovery.MaxSaid+4 || strings.ContainsAny(e.Said, "\x01") {
						t.Errorf("%d bytes are kept: %q", len(e.Said), e.Said)
					}
				}
				if kinds(found["city.example"]) != "answer" {
					t.Errorf("the text was not read: %v", found)
				}
			}},
		"truncated for ever": {wire.TypeA, func(_ wire.ResponseWriter, _, m *wire.Msg) { m.Truncated = true },
			func(t *testing.T, found map[string]discovery.Candidate, sum discovery.WalkSummary) {
				if len(found) != 1 || sum.Ended != "done" {
					t.Errorf("%d were found; %+v", len(found), sum)
				}
			}},
		"the answer to another question": {wire.TypeA, func(_ wire.ResponseWriter, _, m *wire.Msg) {
			m.Question[0].Name = "other.example."
			m.Answer = rr(t, "city.example. A 198.51.100.1")
		}, func(t *testing.T, found map[string]discovery.Candidate, sum discovery.WalkSummary) {
			if len(found) != 1 || sum.Failed["no_answer"] == 0 {
				t.Errorf("%d were found; %+v", len(found), sum)
			}
		}},
		"names that are none": {wire.TypeNS, func(_ wire.ResponseWriter, _, m *wire.Msg) {
			m.Answer = rr(t, `city.example. NS a\000b.city.example.`, `city.example. NS a\032<b>.city.example.`, `city.example. NS .`, `city.example. NS 1.2.3.4.`)
		}, func(t *testing.T, found map[string]discovery.Candidate, _ discovery.WalkSummary) {
			if len(found) != 1 {
				t.Errorf("%d were found: %v", len(found), found)
			}
		}},
		"lame": {wire.TypeA, func(_ wire.ResponseWriter, _, m *wire.Msg) {
			m.Rcode, m.Answer = wire.RcodeServerFailure, rr(t, "city.example. A 198.51.100.1")
		}, func(t *testing.T, found map[string]discovery.Candidate, sum discovery.WalkSummary) {
			if len(found) != 1 || sum.Failed["servfail"] == 0 {
				t.Errorf("%d were found; %+v", len(found), sum)
			}
		}},
		"addresses without end": {wire.TypeA, func(w wire.ResponseWriter, _, m *wire.Msg) {
			if m.Truncated = udp(w); m.Truncated {
				return
			}
			for i := range 2000 {
				m.Answer = append(m.Answer, rr(t, fmt.Sprintf("city.example. A 198.51.%d.%d", i/256, i%256))...)
			}
		}, func(t *testing.T, found map[string]discovery.Candidate, _ discovery.WalkSummary) {
			if len(found) != 1+maxTold {
				t.Errorf("%d were found", len(found))
			}
			if n := len(found["city.example"].Evidence); n > discovery.MaxEvidence {
				t.Errorf("%d pieces of evidence are kept", n)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			addr := hostile(t, func(w wire.ResponseWriter, q *wire.Msg) {
				m := new(wire.Msg).SetReply(q)
				if q.Question[0].Qtype == c.kind && discovery.Within(strings.ToLower(strings.TrimSuffix(q.Question[0].Name, ".")), "city.example") {
					c.answer(w, q, m)
				}
				if b, err := m.Pack(); err == nil && (len(b) < 1200 || !udp(w)) {
					_, _ = w.Write(b)
					return
				}
				m.Answer, m.Truncated = nil, true
				_ = w.WriteMsg(m)
			})
			found, sum := walked(t, domain("city.example"), fast(addr))
			c.check(t, found, sum)
		})
	}
}

// TestHostileTransfersEnd: zones without end, of somebody else, and cut off.
func TestHostileTransfersEnd(t *testing.T) {
	soa := "city.example. SOA ns.city.example. a.city.example. 1 1 1 1 1"
	for name, c := range map[string]struct {
		send  func(w wire.ResponseWriter, q *wire.Msg)
		note  string
		found int
	}{
		"without end": {func(w wire.ResponseWriter, q *wire.Msg) {
			for i := 0; ; i++ {
				m := new(wire.Msg).SetReply(q)
				if i == 0 {
					m.Answer = rr(t, soa)
				}
				for j := range 400 {
					m.Answer = append(m.Answer, rr(t, fmt.Sprintf("n%d.city.example. TXT %d", (400*i+j)%10, i))...)
				}
				if w.WriteMsg(m) != nil {
					return
				}
			}
		}, "only its first", 11},
		"of somebody else": {func(w wire.ResponseWriter, q *wire.Msg) {
			m := new(wire.Msg).SetReply(q)
			m.Answer = rr(t, soa, "www.other.example. A 198.51.100.1", "city.example.other.example. A 198.51.100.2", "notcity.example. A 198.51.100.3", "www.city.example. A 198.51.100.4", soa)
			_ = w.WriteMsg(m)
		}, "", 3},
		"cut off": {func(w wire.ResponseWriter, q *wire.Msg) {
			m := new(wire.Msg).SetReply(q)
			m.Answer = rr(t, soa, "www.city.example. A 198.51.100.4")
			_ = w.WriteMsg(m)
			_ = w.Close()
		}, "does not transfer it", 3},
		"without a beginning": {func(w wire.ResponseWriter, q *wire.Msg) {
			m := new(wire.Msg).SetReply(q)
			m.Answer = rr(t, "www.city.example. A 198.51.100.4")
			_ = w.WriteMsg(m)
		}, "does not transfer it", 1},
	} {
		t.Run(name, func(t *testing.T) {
			addr := hostile(t, func(w wire.ResponseWriter, q *wire.Msg) {
				if q.Question[0].Qtype == wire.TypeAXFR {
					c.send(w, q)
					return
				}
				_ = w.WriteMsg(new(wire.Msg).SetRcode(q, wire.RcodeNameError))
			})
			s := domain("city.example")
			s.Domains[0].Transfer = addr
			found, sum := walked(t, s, fast(addr))
			if len(found) != c.found || sum.Ended != "done" || !strings.Contains(strings.Join(sum.Notes, "\n"), c.note) {
				t.Errorf("%d were found; %+v", len(found), sum)
			}
		})
	}
}

func TestAReverseZoneThatAnswersAnythingIsNotBelieved(t *testing.T) {
	addr := hostile(t, func(w wire.ResponseWriter, q *wire.Msg) {
		m := new(wire.Msg).SetReply(q)
		if q.Question[0].Qtype == wire.TypePTR {
			m.Answer = []wire.RR{&wire.PTR{Hdr: wire.RR_Header{Name: q.Question[0].Name, Rrtype: wire.TypePTR, Class: wire.ClassINET}, Ptr: "any.city.example."}}
		}
		_ = w.WriteMsg(m)
	})
	s := domain("city.example")
	s.Prefixes = []netip.Prefix{netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("192.0.2.0/24")}
	found, sum := walked(t, s, fast(addr))
	if len(found) != 1 || sum.Queries > 20 || strings.Count(strings.Join(sum.Notes, "\n"), "wildcard") != 2 {
		t.Errorf("%d were found; %+v", len(found), sum)
	}
}

// TestAWildcardThatVariesIsNotBelieved: no guess can be told from it.
func TestAWildcardThatVariesIsNotBelieved(t *testing.T) {
	var n atomic.Uint32
	addr := hostile(t, func(w wire.ResponseWriter, q *wire.Msg) {
		m := new(wire.Msg).SetReply(q)
		if q.Question[0].Qtype == wire.TypeA && q.Question[0].Name != "city.example." {
			m.Answer = rr(t, fmt.Sprintf("%s A 198.51.100.%d", q.Question[0].Name, n.Add(1)%250))
		}
		_ = w.WriteMsg(m)
	})
	o := fast(addr)
	o.Labels = []string{"www", "mail"}
	found, sum := walked(t, domain("city.example"), o)
	if len(found) != 1 || len(sum.Notes) != 1 {
		t.Errorf("%d were found; %+v", len(found), sum)
	}
}

func TestAResolverThatIsAwayEndsTheWalk(t *testing.T) {
	o := fast("127.0.0.1:1")
	o.Labels = strings.Fields(strings.Repeat("a b c d e f g h i j k l m n o p q r s t u v w x y z ", 4))
	for i := range o.Labels {
		o.Labels[i] += fmt.Sprint(i)
	}
	found, sum := walked(t, domain("city.example"), o)
	if sum.Ended != "resolver_does_not_answer" || len(found) != 1 {
		t.Errorf("%d were found; %+v", len(found), sum)
	}
}

// TestTheRateHolds counts on a clock of its own, which only pauses move.
func TestTheRateHolds(t *testing.T) {
	addr := hostile(t, func(w wire.ResponseWriter, q *wire.Msg) { _ = w.WriteMsg(new(wire.Msg).SetReply(q)) })
	now := time.Unix(1e9, 0)
	o := fast(addr)
	o.Rate, o.Labels = 10, []string{"a", "b", "c", "d", "e", "f"}
	o.Now = func() time.Time { return now }
	o.Pause = func(_ context.Context, d time.Duration) error { now = now.Add(d); return nil }
	_, sum := walked(t, domain("city.example"), o)
	if took, least := now.Sub(time.Unix(1e9, 0)), time.Duration(sum.Queries-1)*100*time.Millisecond; sum.Queries < 20 || took < least {
		t.Errorf("%d questions took %v, not %v", sum.Queries, took, least)
	}
}

// TestWithoutAResolverNobodyIsAsked: passive DNS and certificates are read.
func TestWithoutAResolverNobodyIsAsked(t *testing.T) {
	s := domain("city.example")
	s.Prefixes = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	s.Passive = passive{
		{"www.city.example", "A", "198.51.100.1", time.Unix(1e9, 0)}, {"city.example", "CNAME", "site.cdn.example", time.Unix(1e9, 0)}, {"x.city.example", "A", "not an address", time.Unix(1e9, 0)},
		{"a.one.example", "A", "198.51.100.1", time.Unix(2e9, 0)}, {"two.example", "A", "198.51.100.1", time.Unix(1e9, 0)}, {"three.example", "A", "198.51.100.1", time.Unix(1e9, 0)},
	}
	s.Certificates = []discovery.Seen{
		{Names: []string{"*.city.example", "shop.example", "bad name"}, Where: "198.51.100.9:443"},
		{Names: []string{"one.example", "two.example"}, Where: "198.51.100.8:443"},
	}
	o := fast("")
	o.Labels = []string{"guess"}
	found, sum := walked(t, s, o)
	want := map[string]string{"city.example": "certificate passive_name", "www.city.example": "passive_name", "x.city.example": "passive_name", "site.cdn.example": "alias_target",
		"198.51.100.1": "passive_address shared", "shop.example": "certificate", "198.51.100.9": "certificate"}
	if len(found) != len(want) || sum.Queries != 0 {
		t.Errorf("%d were found; %+v", len(found), sum)
	}
	for asset, k := range want {
		if got := kinds(found[asset]); got != k {
			t.Errorf("%s has %q, not %q", asset, got, k)
		}
	}
}

// TestNamesThatSomebodyMadeUpAreNotTold: a wildcard, asked for a thousand names.
func TestNamesThatSomebodyMadeUpAreNotTold(t *testing.T) {
	s, list := domain("city.example"), passive{}
	for i := range 1000 {
		list = append(list, Sighting{fmt.Sprintf("r%d.city.example", i), "A", "198.51.100.1", time.Unix(1e9, 0)})
	}
	s.Passive = append(list, Sighting{"www.city.example", "A", "198.51.100.2", time.Unix(1e9, 0)})
	found, sum := walked(t, s, fast(""))
	if _, ok := found["www.city.example"]; !ok || len(found) != 1+maxAlike+1+2 || len(sum.Notes) != 1 {
		t.Errorf("%d were found; %v", len(found), sum.Notes)
	}
}

type passive []Sighting

func (p passive) Below(_ context.Context, domain string) (out []Sighting, err error) {
	for _, s := range p {
		if discovery.Within(s.Name, domain) {
			out = append(out, s)
		}
	}
	return out, nil
}

func (p passive) At(_ context.Context, a netip.Addr) (out []Sighting, err error) {
	for _, s := range p {
		if s.Data == a.String() {
			out = append(out, s)
		}
	}
	return out, nil
}

func TestSeedsAreRefusedWithTheirPlace(t *testing.T) {
	for want, c := range map[string]struct {
		s Seeds
		o Options
	}{
		"domain 2":          {Seeds{Domains: []Domain{{Name: "city.example"}, {Name: "co.jp"}}}, Options{}},
		"domain 1":          {domain("no name"), Options{}},
		"zone transfer":     {Seeds{Domains: []Domain{{"city.example", "nowhere"}}}, Options{}},
		"prefix 1":          {Seeds{Prefixes: make([]netip.Prefix, 1)}, Options{}},
		"resolver":          {domain("city.example"), Options{Resolver: "resolver.example"}},
		"number of queries": {domain("city.example"), Options{Queries: -1}},
		"rate":              {domain("city.example"), Options{Rate: 1e9}},
		"depth":             {domain("city.example"), Options{Depth: 99}},
	} {
		if _, err := Walk(t.Context(), c.s, c.o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

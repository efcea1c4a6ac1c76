package discover

import (
	"net/netip"
	"strings"
	"testing"

	wire "github.com/miekg/dns"

	"noroshi/discovery"
	"noroshi/fault"
	"noroshi/observable"
)

// FuzzSPF: a record is read or refused as the sender's mistake, and what is read
// stands in it.
func FuzzSPF(f *testing.F) {
	for _, s := range []string{
		"v=spf1 -all", "V=SPF1 +mx a:colo.example.com/28 -all", "v=spf1 include:example.com include:%{ir}.%{d}.example redirect=_spf.example.com exp=why.example",
		"v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 ip4:192.0.2.999 ~all", "v=spf1 a//64 mx/24//64 ptr exists:%{l1r-}.example ?all", "v=spf10 a", "v=spf1 redirect=a redirect=b", "v=spf1 a:/24 all:x ip6:192.0.2.1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		terms, macros, err := parseSPF(text)
		if err != nil {
			if k := fault.KindOf(err); k != fault.Invalid && k != fault.TooLarge {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if len(terms)+macros > maxSPFTerms+1 || !isSPF(text) {
			t.Fatalf("%q has %d terms", text, len(terms))
		}
		for i, x := range terms {
			switch x.name {
			case "ip4", "ip6":
				if !x.prefix.IsValid() || x.prefix.Addr().Is4() != (x.name == "ip4") || x.prefix != x.prefix.Masked() || x.domain != "" {
					t.Fatalf("%q has %+v", text, x)
				}
			case "redirect":
				if i != len(terms)-1 {
					t.Fatalf("%q has a redirect at %d", text, i)
				}
				fallthrough
			case "include", "exists":
				if x.domain == "" {
					t.Fatalf("%q has %+v", text, x)
				}
				fallthrough
			case "a", "mx", "ptr":
				if x.prefix.IsValid() || !strings.Contains(text, x.domain) || strings.Contains(x.domain, "%") {
					t.Fatalf("%q has %+v", text, x)
				}
			default:
				t.Fatalf("%q has %+v", text, x)
			}
		}
	})
}

// FuzzDMARC: whatever a record says, what comes out are names, and not many.
func FuzzDMARC(f *testing.F) {
	for _, s := range []string{"v=DMARC1; p=none; rua=mailto:a@example.com!10m,mailto:b@c.example; ruf=MAILTO:x@y@z.example", "v=DMARC1;rua=https://example.com", "v=DMARC2; rua=mailto:a@example.com", "rua=mailto:a@b.example", "v=DMARC1; rua=mailto:@,mailto:a@."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list := reportDomains(text)
		if len(list) > maxReports {
			t.Fatalf("%d domains", len(list))
		}
		for _, d := range list {
			if o, err := observable.ParseKind(observable.Domain, d); err != nil || o.Value != d {
				t.Fatalf("%q gives %q", text, d)
			}
		}
	})
}

// FuzzAnswer takes any message as an answer, as a record of a zone and as a
// reverse name: nothing outside of the own domains is to be looked into, and
// nothing grows without bound.
func FuzzAnswer(f *testing.F) {
	for _, lines := range [][]string{
		{"city.example. A 198.51.100.1"}, {"city.example. CNAME a.city.example.", "a.city.example. CNAME city.example."}, {"city.example. CNAME x.cdn.example.", "x.cdn.example. AAAA 2001:db8::1"},
		{`city.example. TXT "v=spf1 include:a.city.example ip4:203.0.113.0/28 a:b.city.example redirect=c.city.example"`}, {"city.example. MX 1 mail.city.example.", "city.example. NS ns.other.example."},
		{"1.2.0.192.in-addr.arpa. PTR www.city.example."}, {`city.example. TXT "see \000 www.city.example"`},
	} {
		m := &wire.Msg{Question: []wire.Question{{Name: "city.example.", Qtype: wire.TypeA, Qclass: wire.ClassINET}}}
		m.Response = true
		for _, l := range lines {
			r, err := wire.NewRR(l)
			if err != nil {
				f.Fatal(err)
			}
			m.Answer = append(m.Answer, r)
		}
		b, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m := new(wire.Msg)
		if m.Unpack(b) != nil {
			return
		}
		w, err := newWalker(Seeds{Domains: []Domain{{Name: "city.example"}}, Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}, fast(""))
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range []uint16{wire.TypeA, wire.TypeAAAA, wire.TypeNS, wire.TypeMX, wire.TypeTXT, wire.TypePTR} {
			x := &answer{question: "any"}
			w.a.read(x, m, "city.example", kind)
			if len(x.records) > maxTold {
				t.Fatalf("%d records", len(x.records))
			}
			if err := w.learn(t.Context(), step{"city.example", 0}, x); err != nil {
				t.Fatal(err)
			}
		}
		for _, r := range m.Answer {
			if err := w.zoneRecord(t.Context(), "city.example", "192.0.2.53:53", w.o.Now(), r); err != nil {
				t.Fatal(err)
			}
			if p, ok := r.(*wire.PTR); ok {
				if err := w.claimed(netip.MustParseAddr("192.0.2.1"), p, &answer{}); err != nil {
					t.Fatal(err)
				}
			}
		}
		w.believe()
		for name := range w.queued {
			if !discovery.Within(name, "city.example") {
				t.Errorf("%q is to be looked into", name)
			}
		}
		for _, c := range w.sorted() {
			if c.ThirdParty != (c.Asset.Kind == observable.Domain && !w.own(c.Asset.Value)) || len(c.Evidence) > 2*discovery.MaxEvidence {
				t.Errorf("%+v", c)
			}
			for _, e := range c.Evidence {
				if len(e.Said) > discovery.MaxSaid+4 || e.Kind == discovery.Declared || e.Kind == discovery.Registrable {
					t.Errorf("%+v", e)
				}
			}
		}
	})
}

package dns

import (
	"context"
	"net/netip"
	"time"
	"unicode/utf8"

	wire "github.com/miekg/dns"

	"noroshi/indicator"
	"noroshi/label"
)

// How long others may keep what we made up: short, so that a revocation is felt.
const (
	blockTTL = 5
	localTTL = 3600
	maxWords = 400 // bytes of an EDE's text
)

// answer decides what is answered to a question.
func (r *Resolver) answer(ctx context.Context, q *query) *reply {
	if !r.deps.Policy.Ready() {
		return failure(wire.RcodeServerFailure, wire.ExtendedErrorCodeNotReady, "the policy is not loaded yet")
	}
	seen, ok := r.deps.Policy.Name(q.name, r.deps.Now())
	if ok && seen.Action.Enforces() {
		return r.enforce(q, seen)
	}
	rep := special(q)
	if rep == nil && q.q.Qtype == wire.TypeANY {
		rep = data(&wire.HINFO{Hdr: header(q, wire.TypeHINFO, localTTL), Cpu: "RFC8482"})
	}
	if rep == nil {
		rep = r.resolve(ctx, q)
	}
	// The policy may have changed while an upstream was asked; and an alias or an
	// address in the answer may be what it is about.
	if m, found := r.inspect(q, rep.msg); found {
		if m.Action.Enforces() {
			return r.enforce(q, m)
		}
		rep.match = &m
	}
	return rep
}

// inspect asks the policy about every name and address that an answer leads to.
// The strongest action counts, and of equals the first.
func (r *Resolver) inspect(q *query, m *wire.Msg) (best Match, found bool) {
	now := r.deps.Now()
	take := func(x Match, ok bool) {
		if ok && (!found || rank(x.Action) > rank(best.Action)) {
			best, found = x, true
		}
	}
	name := func(n string) {
		if n = canonical(n); n != "" {
			take(r.deps.Policy.Name(n, now))
		}
	}
	addr := func(b []byte) {
		if a, ok := netip.AddrFromSlice(b); ok {
			take(r.deps.Policy.Addr(a.Unmap(), now))
		}
	}
	name(q.q.Name)
	for _, rr := range m.Answer {
		switch rr := rr.(type) {
		case *wire.A:
			addr(rr.A)
		case *wire.AAAA:
			addr(rr.AAAA)
		case *wire.CNAME:
			name(rr.Target)
		case *wire.DNAME:
			name(rr.Target)
		case *wire.HTTPS:
			service(&rr.SVCB, name, addr)
		case *wire.SVCB:
			service(rr, name, addr)
		}
	}
	return best, found
}

func service(s *wire.SVCB, name func(string), addr func([]byte)) {
	name(s.Target)
	for _, v := range s.Value {
		switch v := v.(type) {
		case *wire.SVCBIPv4Hint:
			for _, a := range v.Hint {
				addr(a)
			}
		case *wire.SVCBIPv6Hint:
			for _, a := range v.Hint {
				addr(a)
			}
		}
	}
}

func rank(a indicator.Action) int {
	switch a {
	case indicator.Block:
		return 3
	case indicator.Sinkhole:
		return 2
	}
	return 1
}

// enforce answers what the indicator demands instead of the truth.
func (r *Resolver) enforce(q *query, m Match) *reply {
	if m.Action == indicator.Sinkhole && (r.cfg.Sinkhole4.IsValid() || r.cfg.Sinkhole6.IsValid()) {
		r.st.sinkholed.Add(1)
		return r.sinkhole(q, m)
	}
	r.st.blocked.Add(1)
	rep := negative(wire.RcodeNameError, owner(q, m), blockTTL)
	rep.match, rep.acted = &m, true
	rep.explain(wire.ExtendedErrorCodeBlocked, words(m))
	return rep
}

// sinkhole leads addresses to the sinkhole and says that there is nothing else
// at the name: an HTTPS record would carry the true addresses past it.
func (r *Resolver) sinkhole(q *query, m Match) *reply {
	var rep *reply
	switch {
	case q.q.Qtype == wire.TypeA && r.cfg.Sinkhole4.IsValid():
		rep = data(&wire.A{Hdr: header(q, wire.TypeA, blockTTL), A: r.cfg.Sinkhole4.AsSlice()})
	case q.q.Qtype == wire.TypeAAAA && r.cfg.Sinkhole6.IsValid():
		rep = data(&wire.AAAA{Hdr: header(q, wire.TypeAAAA, blockTTL), AAAA: r.cfg.Sinkhole6.AsSlice()})
	default:
		rep = negative(wire.RcodeSuccess, owner(q, m), blockTTL)
	}
	rep.match, rep.acted = &m, true
	rep.explain(wire.ExtendedErrorCodeForgedAnswer, words(m))
	return rep
}

// owner is the name whose zone we pretend to be.
func owner(q *query, m Match) string {
	if zone := wire.Fqdn(m.Value); m.Value != "" && wire.IsSubDomain(zone, wire.Fqdn(q.name)) {
		return zone
	}
	return wire.Fqdn(q.name)
}

// words tell the one who is blocked by what and why.
func words(m Match) string {
	s := string(m.Indicator)
	if m.Realm == label.Exercise {
		s += " [exercise 訓練]"
	}
	s += ": " + m.Reason
	if m.ReasonJA != "" {
		s += " / " + m.ReasonJA
	}
	return clip(s, maxWords)
}

// clip cuts s to n bytes, at a character.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func header(q *query, t uint16, ttl uint32) wire.RR_Header {
	return wire.RR_Header{Name: q.q.Name, Rrtype: t, Class: wire.ClassINET, Ttl: ttl}
}

// data is an answer of our own.
func data(rr ...wire.RR) *reply { return &reply{msg: &wire.Msg{Answer: rr}} }

// negative says that there is no such name, or no such data, in a zone that we
// pretend to be.
func negative(rcode int, zone string, ttl uint32) *reply {
	return &reply{msg: &wire.Msg{MsgHdr: wire.MsgHdr{Rcode: rcode}, Ns: []wire.RR{&wire.SOA{
		Hdr: wire.RR_Header{Name: zone, Rrtype: wire.TypeSOA, Class: wire.ClassINET, Ttl: ttl},
		Ns:  "localhost.", Mbox: "nobody.invalid.", Serial: 1, Refresh: 3600, Retry: 1200, Expire: 604800, Minttl: ttl}}}}
}

// failure says that there is no answer.
func failure(rcode int, ede uint16, text string) *reply {
	rep := &reply{msg: &wire.Msg{MsgHdr: wire.MsgHdr{Rcode: rcode}}}
	rep.explain(ede, text)
	return rep
}

func (rep *reply) explain(ede uint16, text string) {
	if ede == wire.ExtendedErrorCodeOther && text == "" {
		return // It would say nothing.
	}
	rep.ede = append(rep.ede, wire.EDNS0_EDE{InfoCode: ede, ExtraText: text})
}

// seconds since t, never negative.
func seconds(now, t time.Time) uint32 {
	return uint32(max(0, min(now.Sub(t)/time.Second, 1<<31)))
}

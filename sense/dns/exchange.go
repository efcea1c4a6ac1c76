package dns

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"

	"noroshi/event"
	"noroshi/indicator"
	"noroshi/label"
)

// exchange is one query on its way.
type exchange struct {
	r      *Resolver
	q      *dns.Msg
	client netip.AddrPort
	local  string
	udp    bool
	at     time.Time
	name   string // lower case, without the trailing dot
	match  *Match // what decided, or was only observed
	hit    bool   // from the cache
}

// answer decides. Nil means silence.
func (x *exchange) answer(ctx context.Context) *dns.Msg {
	r := x.r
	switch {
	case !slices.ContainsFunc(r.cfg.Allow, func(p netip.Prefix) bool { return p.Contains(x.client.Addr()) }):
		r.stats.refused.Add(1)
		return x.fail(dns.RcodeRefused, dns.ExtendedErrorCodeProhibited, "this resolver does not serve your address")
	case !r.clients.allow(x.client.Addr(), x.at):
		r.stats.refused.Add(1)
		return x.fail(dns.RcodeRefused, dns.ExtendedErrorCodeOther, "too many queries from your address")
	case x.q.Opcode != dns.OpcodeQuery:
		return x.fail(dns.RcodeNotImplemented, 0, "")
	case len(x.q.Question) != 1 || x.q.Question[0].Qclass != dns.ClassINET:
		r.stats.malformed.Add(1)
		return x.fail(dns.RcodeFormatError, 0, "")
	}
	qu := x.q.Question[0]
	x.name = strings.TrimSuffix(strings.ToLower(qu.Name), ".")
	switch qu.Qtype {
	case dns.TypeAXFR, dns.TypeIXFR:
		return x.fail(dns.RcodeRefused, dns.ExtendedErrorCodeProhibited, "no zone transfers")
	case dns.TypeANY: // RFC 8482
		m := x.reply(dns.RcodeSuccess)
		m.Answer = []dns.RR{&dns.HINFO{Hdr: dns.RR_Header{Name: qu.Name, Rrtype: dns.TypeHINFO, Class: dns.ClassINET, Ttl: 3600}, Cpu: "RFC8482"}}
		return m
	}
	if !r.d.Policy.Ready() {
		return x.fail(dns.RcodeServerFailure, dns.ExtendedErrorCodeNotReady, "the policy is not loaded yet")
	}
	if m, ok := r.d.Policy.Name(x.name, x.at); ok {
		x.match = &m
		if m.Action.Enforces() {
			return x.block(m)
		}
	}
	if m := x.special(qu); m != nil {
		return m
	}
	a := x.lookup(ctx, qu)
	return x.inspect(a)
}

// inspect decides once more on what an answer leads to: a harmless name may be
// an alias of a blocked one, or lead to a blocked address.
func (x *exchange) inspect(a *dns.Msg) *dns.Msg {
	for _, rr := range a.Answer {
		var m Match
		var ok bool
		switch v := rr.(type) {
		case *dns.CNAME:
			m, ok = x.r.d.Policy.Name(strings.TrimSuffix(strings.ToLower(v.Target), "."), x.at)
		case *dns.A:
			if ip, is := netip.AddrFromSlice(v.A); is {
				m, ok = x.r.d.Policy.Addr(ip, x.at)
			}
		case *dns.AAAA:
			if ip, is := netip.AddrFromSlice(v.AAAA); is {
				m, ok = x.r.d.Policy.Addr(ip, x.at)
			}
		}
		if ok && (x.match == nil || m.Action.Enforces()) {
			x.match = &m
			if m.Action.Enforces() {
				return x.block(m)
			}
		}
	}
	return a
}

func (x *exchange) reply(rcode int) *dns.Msg {
	m := new(dns.Msg)
	m.SetRcode(x.q, rcode)
	m.RecursionAvailable = true
	return m
}

func (x *exchange) fail(rcode int, code uint16, text string) *dns.Msg {
	m := x.reply(rcode)
	if text != "" {
		x.explain(m, code, text)
	}
	return m
}

// explain adds an Extended DNS Error, if the client speaks EDNS.
func (x *exchange) explain(m *dns.Msg, code uint16, text string) {
	if x.q.IsEdns0() == nil {
		return
	}
	o := m.IsEdns0()
	if o == nil {
		m.SetEdns0(maxUDPSize, false)
		o = m.IsEdns0()
	}
	o.Option = append(o.Option, &dns.EDNS0_EDE{InfoCode: code, ExtraText: text})
}

const blockTTL = 10 // seconds: a revocation is believed soon

// block answers that a name is blocked, why, and by which indicator.
func (x *exchange) block(m Match) *dns.Msg {
	x.r.stats.blocked.Add(1)
	qu := x.q.Question[0]
	text := string(m.Indicator) + ": " + m.Reason
	if m.ReasonJA != "" {
		text += " / " + m.ReasonJA
	}
	if m.Action == indicator.Sinkhole {
		if a := x.sinkhole(qu); a != nil {
			x.explain(a, dns.ExtendedErrorCodeForgedAnswer, text)
			return a
		}
	}
	a := x.reply(dns.RcodeNameError)
	a.Ns = []dns.RR{negative(qu.Name)}
	x.explain(a, dns.ExtendedErrorCodeBlocked, text)
	return a
}

// sinkhole answers with the sinkhole's address. Other types have no data: an
// HTTPS record would lead around it. Nil when there is no sinkhole.
func (x *exchange) sinkhole(qu dns.Question) *dns.Msg {
	c := x.r.cfg
	if !c.Sinkhole4.IsValid() && !c.Sinkhole6.IsValid() {
		return nil
	}
	a := x.reply(dns.RcodeSuccess)
	hdr := dns.RR_Header{Name: qu.Name, Rrtype: qu.Qtype, Class: dns.ClassINET, Ttl: blockTTL}
	switch {
	case qu.Qtype == dns.TypeA && c.Sinkhole4.IsValid():
		a.Answer = []dns.RR{&dns.A{Hdr: hdr, A: c.Sinkhole4.AsSlice()}}
	case qu.Qtype == dns.TypeAAAA && c.Sinkhole6.IsValid():
		a.Answer = []dns.RR{&dns.AAAA{Hdr: hdr, AAAA: c.Sinkhole6.AsSlice()}}
	default:
		a.Ns = []dns.RR{negative(qu.Name)}
	}
	return a
}

func negative(name string) dns.RR {
	return &dns.SOA{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: blockTTL}, Ns: "noroshi.invalid.", Mbox: "noroshi.invalid.",
		Serial: 1, Refresh: 3600, Retry: 600, Expire: 86400, Minttl: blockTTL}
}

// never are names that mean something on this machine or to nobody; asking
// others for them would tell them what is asked here (RFC 6761, RFC 6762,
// RFC 6303, RFC 7686, RFC 8375), and the canary that keeps browsers from going
// around the resolver.
var never = []string{"test", "invalid", "onion", "local", "home.arpa", "10.in-addr.arpa", "168.192.in-addr.arpa", "127.in-addr.arpa",
	"254.169.in-addr.arpa", "use-application-dns.net"}

func (x *exchange) special(qu dns.Question) *dns.Msg {
	if under(x.name, "localhost") {
		a := x.reply(dns.RcodeSuccess)
		hdr := dns.RR_Header{Name: qu.Name, Rrtype: qu.Qtype, Class: dns.ClassINET, Ttl: 3600}
		switch qu.Qtype {
		case dns.TypeA:
			a.Answer = []dns.RR{&dns.A{Hdr: hdr, A: []byte{127, 0, 0, 1}}}
		case dns.TypeAAAA:
			a.Answer = []dns.RR{&dns.AAAA{Hdr: hdr, AAAA: netip.IPv6Loopback().AsSlice()}}
		}
		return a
	}
	for _, n := range never {
		if under(x.name, n) {
			a := x.reply(dns.RcodeNameError)
			a.Ns = []dns.RR{negative(qu.Name)}
			return a
		}
	}
	return nil
}

func under(name, zone string) bool { return name == zone || strings.HasSuffix(name, "."+zone) }

// fit makes an answer small enough for the client; what does not fit is asked
// for again over TCP.
func (x *exchange) fit(a *dns.Msg) {
	if opt := x.q.IsEdns0(); opt != nil && a.IsEdns0() == nil {
		a.SetEdns0(maxUDPSize, opt.Do())
	} else if opt == nil {
		a.Extra = slices.DeleteFunc(a.Extra, func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeOPT })
	}
	size := dns.MaxMsgSize
	if x.udp {
		size = dns.MinMsgSize
		if opt := x.q.IsEdns0(); opt != nil {
			size = min(max(int(opt.UDPSize()), dns.MinMsgSize), maxUDPSize)
		}
	}
	a.Compress = true
	a.Truncate(size)
}

// report writes the exchange down as an OCSF dns_activity.
func (x *exchange) report(a *dns.Msg) {
	if len(x.q.Question) != 1 || x.name == "" {
		return // Garbage and the root are counted, not told.
	}
	rcode := a.Rcode
	e := &event.Event{ClassUID: event.DNSActivity, ActivityID: event.DNSTraffic, Time: x.at.UnixMilli(), ResponseTime: x.r.d.Now().UnixMilli(),
		Query: &event.DNSQueryInfo{Hostname: x.name, Type: dns.TypeToString[x.q.Question[0].Qtype], Class: "IN"},
		RCode: dns.RcodeToString[rcode], RCodeID: &rcode,
		SrcEndpoint: &event.Endpoint{IP: x.client.Addr().String(), Port: int(x.client.Port())}, ConnectionInfo: &event.ConnectionInfo{ProtocolName: "udp", ProtocolNum: 17},
		ActionID: event.ActionAllowed, DispositionID: event.DispositionAllowed,
		Metadata: event.Metadata{Provider: event.TierResolver, Profiles: []string{"security_control"}}}
	if !x.udp {
		e.ConnectionInfo = &event.ConnectionInfo{ProtocolName: "tcp", ProtocolNum: 6}
	}
	if local, err := netip.ParseAddrPort(x.local); err == nil {
		e.DstEndpoint = &event.Endpoint{IP: local.Addr().Unmap().String(), Port: int(local.Port())}
	}
	for _, rr := range a.Answer {
		if len(e.Answers) == 20 {
			break
		}
		h := rr.Header()
		e.Answers = append(e.Answers, event.DNSAnswer{RData: strings.TrimSuffix(clip(strings.TrimPrefix(rr.String(), h.String())), "."), Type: dns.TypeToString[h.Rrtype], Class: "IN", TTL: int(h.Ttl)})
	}
	if m := x.match; m != nil {
		e.Policy = &event.Policy{UID: string(m.Indicator), Name: m.Value, Desc: m.Reason}
		if m.Action.Enforces() {
			e.ActionID, e.DispositionID = event.ActionDenied, event.DispositionBlocked
		}
		if m.Realm == label.Exercise {
			e.Metadata.Labels = []string{"realm:exercise"}
		}
	}
	if x.hit {
		e.Unmapped = map[string]string{"cache": strconv.FormatBool(x.hit)}
	}
	select {
	case x.r.events <- e:
	default:
		x.r.stats.dropped.Add(1)
	}
}

func clip(s string) string { return s[:min(len(s), 1024)] }

package dns

import (
	"context"
	"encoding/binary"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	wire "github.com/miekg/dns"
)

// client is who asks, and where.
type client struct {
	addr  netip.AddrPort
	local netip.AddrPort
	tcp   bool
}

// query is one question that can be answered.
type query struct {
	client
	arrived time.Time
	header  wire.MsgHdr
	q       wire.Question
	name    string    // lower case, no trailing dot
	opt     *wire.OPT // nil without EDNS
}

func (q *query) do() bool { return q.opt != nil && q.opt.Do() }

// reply is what will be answered, and why.
type reply struct {
	msg   *wire.Msg
	ede   []wire.EDNS0_EDE
	match *Match // the indicator, when one matched
	acted bool   // it changed the answer
}

// respond is the whole of the resolver: one packet in, at most one out. A panic
// in it costs one answer, not the resolver.
func (r *Resolver) respond(ctx context.Context, packet []byte, c client) (out []byte) {
	defer func() {
		if p := recover(); p != nil {
			r.broke(p)
		}
	}()
	return r.handle(ctx, packet, c)
}

func (r *Resolver) broke(p any) {
	r.st.panics.Add(1)
	r.deps.Log.Error("a query made the resolver panic", "panic", p, "stack", string(debug.Stack()))
}

func (r *Resolver) handle(ctx context.Context, packet []byte, c client) []byte {
	arrived := r.deps.Now()
	if len(packet) < 12 || packet[2]&0x80 != 0 { // Too short, or itself an answer: answering could make a loop.
		r.st.malformed.Add(1)
		return nil
	}
	allowed := r.allowed(c.addr.Addr())
	q, refusal := r.read(packet, c)
	if refusal != nil && !allowed {
		r.st.refused.Add(1)
		return nil // A stranger's junk gets no answer.
	}
	if refusal != nil {
		return r.pack(q, refusal)
	}
	q.arrived = arrived
	if !allowed {
		r.st.refused.Add(1)
		return r.pack(q, failure(wire.RcodeRefused, wire.ExtendedErrorCodeProhibited, "this resolver does not serve your address"))
	}
	if !r.rate.allow(c.addr.Addr(), arrived) {
		r.st.refused.Add(1)
		if c.tcp {
			return r.pack(q, failure(wire.RcodeRefused, wire.ExtendedErrorCodeProhibited, "too many queries"))
		}
		// Over TCP nobody can ask in another's name.
		return r.pack(q, &reply{msg: &wire.Msg{MsgHdr: wire.MsgHdr{Truncated: true}}})
	}
	r.st.queries.Add(1)
	rep := r.answer(ctx, q)
	out := r.pack(q, rep)
	left := r.deps.Now()
	r.st.latency.add(left.Sub(arrived))
	r.journal.note(entry{q, rep, left})
	return out
}

// read takes a packet apart. The refusal is for one that is no question we
// answer; the query then holds as much as is known.
func (r *Resolver) read(packet []byte, c client) (*query, *reply) {
	q := &query{client: c}
	flags := binary.BigEndian.Uint16(packet[2:])
	q.header = wire.MsgHdr{Id: binary.BigEndian.Uint16(packet), Opcode: int(flags>>11) & 0xF, RecursionDesired: flags&0x100 != 0}
	if q.header.Opcode != wire.OpcodeQuery {
		return q, failure(wire.RcodeNotImplemented, wire.ExtendedErrorCodeNotSupported, "")
	}
	malformed := func() (*query, *reply) {
		r.st.malformed.Add(1)
		return q, failure(wire.RcodeFormatError, wire.ExtendedErrorCodeOther, "")
	}
	var m wire.Msg
	if binary.BigEndian.Uint16(packet[4:]) != 1 || m.Unpack(packet) != nil || len(m.Question) != 1 {
		return malformed()
	}
	q.header, q.q = m.MsgHdr, m.Question[0]
	q.name = canonical(q.q.Name)
	for _, rr := range m.Extra {
		if o, ok := rr.(*wire.OPT); ok {
			if q.opt != nil || o.Hdr.Name != "." {
				return malformed()
			}
			q.opt = o
		}
	}
	switch {
	case q.opt != nil && q.opt.Version() != 0:
		return q, failure(wire.RcodeBadVers, wire.ExtendedErrorCodeNotSupported, "")
	case q.q.Qtype == wire.TypeIXFR || q.q.Qtype == wire.TypeAXFR:
		return q, r.refuse("zones are not transferred")
	case len(m.Answer) > 0 || len(m.Ns) > 0 || q.q.Qtype == 0 || q.q.Qtype == wire.TypeOPT:
		return malformed()
	case q.q.Qclass != wire.ClassINET:
		return q, r.refuse("only the class IN is served")
	case q.q.Qtype >= wire.TypeTKEY && q.q.Qtype <= wire.TypeMAILA:
		return q, r.refuse("the type is no data")
	case !q.header.RecursionDesired:
		return q, r.refuse("the cache is not to be looked into")
	}
	return q, nil
}

func (r *Resolver) refuse(why string) *reply {
	r.st.refused.Add(1)
	return failure(wire.RcodeRefused, wire.ExtendedErrorCodeNotSupported, why)
}

func (r *Resolver) allowed(a netip.Addr) bool {
	for _, p := range r.cfg.Allow {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

func canonical(name string) string {
	return strings.TrimSuffix(wire.CanonicalName(name), ".")
}

// pack writes the reply for the one who asked: with the question as it was
// written, within the size that was offered.
func (r *Resolver) pack(q *query, rep *reply) []byte {
	m := rep.msg
	authentic := m.AuthenticatedData && (q.do() || q.header.AuthenticatedData)
	m.MsgHdr = wire.MsgHdr{Id: q.header.Id, Response: true, Opcode: q.header.Opcode, Rcode: m.Rcode, Truncated: m.Truncated,
		RecursionDesired: q.header.RecursionDesired, RecursionAvailable: true, CheckingDisabled: q.header.CheckingDisabled, AuthenticatedData: authentic}
	m.Question = nil
	if q.q.Name != "" {
		m.Question = []wire.Question{q.q}
	}
	limit := wire.MinMsgSize
	switch {
	case q.tcp:
		limit = wire.MaxMsgSize
	case q.opt != nil:
		limit = min(max(wire.MinMsgSize, int(q.opt.UDPSize())), bufferSize)
	}
	m.Compress = true
	for _, words := range []bool{true, false} { // Rather the answer without the words than no answer.
		if m.Extra = nil; q.opt != nil {
			m.Extra = []wire.RR{opt(q, rep.ede, words)}
		}
		out, err := m.Pack()
		if err != nil {
			return bare(q, wire.RcodeServerFailure)
		}
		if len(out) <= limit {
			return out
		}
	}
	m.Truncated = true
	m.Answer, m.Ns = nil, nil // Half an answer could be taken for the whole.
	out, err := m.Pack()
	if err != nil || len(out) > limit {
		return bare(q, wire.RcodeServerFailure)
	}
	return out
}

func opt(q *query, ede []wire.EDNS0_EDE, words bool) *wire.OPT {
	o := &wire.OPT{Hdr: wire.RR_Header{Name: ".", Rrtype: wire.TypeOPT}}
	o.SetUDPSize(bufferSize)
	if q.do() {
		o.SetDo()
	}
	for _, e := range ede {
		if !words {
			e.ExtraText = ""
		}
		o.Option = append(o.Option, &e)
	}
	return o
}

// bare is a header alone, for what cannot be packed.
func bare(q *query, rcode int) []byte {
	h := make([]byte, 12)
	binary.BigEndian.PutUint16(h, q.header.Id)
	h[2], h[3] = 0x80|byte(q.header.Opcode<<3), 0x80|byte(rcode)
	return h
}

package dns

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sort"
	"strings"
	"sync/atomic"
	"time"

	wire "github.com/miekg/dns"

	"noroshi/fault"
)

const (
	resolvConf  = "/etc/resolv.conf"
	maxForeign  = 16               // packets that are not the answer, before the upstream is given up on UDP
	shunned     = 10 * time.Second // how long an upstream that failed is asked last
	maxAttempts = 4
)

// upstream is one resolver that we ask.
type upstream struct {
	addr   netip.AddrPort
	failed atomic.Int64 // when, in nanoseconds; 0 for not lately
}

// upstreamsOf reads the configured upstreams, or those of the machine without
// those that are ourselves.
func upstreamsOf(cfg Config) ([]*upstream, error) {
	list, own := cfg.Upstreams, len(cfg.Upstreams) > 0
	if !own {
		c, err := wire.ClientConfigFromFile(resolvConf)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fault.As(fault.Invalid, "dns.upstreams", err, "the nameservers in %s cannot be read", resolvConf)
		}
		if c != nil {
			list = c.Servers
		}
	}
	var all []*upstream
	for _, s := range list {
		a, err := parseUpstream(s)
		if err != nil {
			return nil, err
		}
		if own || !ourselves(a, cfg.Listen) {
			all = append(all, &upstream{addr: a})
		}
	}
	return all, nil
}

func parseUpstream(s string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return netip.AddrPortFrom(a, 53), nil
	}
	a, err := netip.ParseAddrPort(s)
	if err != nil || a.Port() == 0 {
		return a, fault.New(fault.Invalid, "dns.upstreams", "the upstream %q is not an address", s)
	}
	return a, nil
}

// ourselves tells whether asking the address would be asking ourselves.
func ourselves(a netip.AddrPort, listen []string) bool {
	for _, l := range listen {
		own, err := netip.ParseAddrPort(l)
		if err != nil || own.Port() != a.Port() {
			continue
		}
		if own.Addr() == a.Addr() || own.Addr().IsUnspecified() && onThisMachine(a.Addr()) {
			return true
		}
	}
	return false
}

func onThisMachine(a netip.Addr) bool {
	if a.IsLoopback() {
		return true
	}
	nets, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, n := range nets {
		if p, err := netip.ParsePrefix(n.String()); err == nil && p.Addr() == a {
			return true
		}
	}
	return false
}

// forward asks one upstream after the other. A failure that has a reason in
// DNSSEC is an answer: another upstream might not validate.
func (r *Resolver) forward(ctx context.Context, k key) (*wire.Msg, error) {
	var last *wire.Msg
	err := error(fault.New(fault.Unavailable, "dns.forward", "there is no upstream"))
	for _, u := range r.attempts() {
		m, e := r.ask(ctx, u, k)
		if e != nil {
			r.st.upstreamErrors.Add(1)
			u.failed.Store(r.deps.Now().UnixNano())
			if err = e; ctx.Err() != nil {
				return nil, err
			}
			continue
		}
		u.failed.Store(0)
		if m.Rcode == wire.RcodeSuccess || m.Rcode == wire.RcodeNameError || bogus(m) {
			return m, nil
		}
		r.st.upstreamErrors.Add(1)
		last = m
	}
	if last != nil {
		last.Rcode = wire.RcodeServerFailure // Their REFUSED is for us, not for the client.
		last.Answer, last.Ns = nil, nil
		return last, nil
	}
	return nil, err
}

// attempts lists whom to ask: those that failed lately come last, and a single
// one is asked twice, since packets get lost.
func (r *Resolver) attempts() []*upstream {
	list := append([]*upstream(nil), r.upstreams...)
	after := r.deps.Now().Add(-shunned).UnixNano()
	sort.SliceStable(list, func(i, j int) bool { return list[i].failed.Load() < after && list[j].failed.Load() >= after })
	if len(list) == 1 {
		list = append(list, list[0])
	}
	return list[:min(len(list), maxAttempts)]
}

func bogus(m *wire.Msg) bool {
	for _, e := range errorsOf(m) {
		if e.InfoCode >= wire.ExtendedErrorCodeDNSSECIndeterminate && e.InfoCode <= wire.ExtendedErrorCodeNSECMissing {
			return true
		}
	}
	return false
}

// ask puts one question to one upstream, over TCP when the answer does not fit.
func (r *Resolver) ask(ctx context.Context, u *upstream, k key) (*wire.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	req := &wire.Msg{MsgHdr: wire.MsgHdr{Id: r.deps.ID(), RecursionDesired: true, CheckingDisabled: k.cd, AuthenticatedData: true},
		Question: []wire.Question{{Name: wire.Fqdn(k.name), Qtype: k.qtype, Qclass: wire.ClassINET}}}
	req.SetEdns0(bufferSize, k.do)
	packed, err := req.Pack()
	if err != nil {
		return nil, err
	}
	m, err := r.exchange(ctx, "udp", u, req, packed)
	if err == nil && m.Truncated || errors.Is(err, errForeign) {
		m, err = r.exchange(ctx, "tcp", u, req, packed)
	}
	if err != nil {
		return nil, err
	}
	if !u.addr.Addr().IsLoopback() {
		m.AuthenticatedData = false // What came over a network proves nothing.
	}
	return m, nil
}

var errForeign = errors.New("too many packets that are not the answer")

// exchange sends the question and waits for its answer; anything else that
// comes on the socket is ignored.
func (r *Resolver) exchange(ctx context.Context, network string, u *upstream, req *wire.Msg, packed []byte) (*wire.Msg, error) {
	c, err := r.deps.Dial(ctx, network, u.addr.String())
	if err != nil {
		return nil, err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	if d, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(d)
	}
	send, read := packed, readPacket
	if network == "tcp" {
		send, read = append(binary.BigEndian.AppendUint16(nil, uint16(len(packed))), packed...), readFrame
	}
	if _, err := c.Write(send); err != nil {
		return nil, errors.Join(ctx.Err(), err)
	}
	for range maxForeign {
		b, err := read(c)
		if err != nil {
			return nil, errors.Join(ctx.Err(), err)
		}
		if m := new(wire.Msg); m.Unpack(b) == nil && isAnswer(req, m) {
			return m, nil
		}
		r.st.foreign.Add(1)
	}
	return nil, errForeign
}

func isAnswer(req, m *wire.Msg) bool {
	return m.Response && m.Id == req.Id && m.Opcode == wire.OpcodeQuery && len(m.Question) == 1 &&
		m.Question[0].Qtype == req.Question[0].Qtype && m.Question[0].Qclass == req.Question[0].Qclass &&
		strings.EqualFold(m.Question[0].Name, req.Question[0].Name)
}

func readPacket(c net.Conn) ([]byte, error) {
	b := make([]byte, 4096)
	n, err := c.Read(b)
	return b[:n], err
}

// readFrame reads one message in the form it has on TCP.
func readFrame(c net.Conn) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(c, b)
	return b, err
}

package identify

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"noroshi/service"
)

// perDatagram is how long a UDP port may take to answer one question.
const perDatagram = 1500 * time.Millisecond

// Heard is what came of asking a UDP port.
type Heard uint8

// What may come of it. Silence is a port that is closed, filtered, or speaks
// something that was not asked.
const (
	Silence Heard = iota
	Refused
	Answered
)

// IdentifyUDP asks a UDP port what it is. Each datagram is a connection of its
// own for the dial, so that the gate decides about each.
func (e *Engine) IdentifyUDP(ctx context.Context, dial Dial, to netip.AddrPort) (service.Answer, Heard) {
	ctx, cancel := context.WithTimeout(ctx, perPort)
	defer cancel()
	a := &asking{Engine: e, ctx: ctx, dial: dial, to: to, s: service.Answer{Evidence: map[string]string{}}}
	for _, ask := range orderUDP(to.Port()) {
		if ctx.Err() != nil || a.heard == Refused || ask(a) {
			break
		}
	}
	a.conclude()
	return a.s, a.heard
}

// orderUDP is the ways of asking: at a well-known port its own alone, because
// every further one is a datagram that somebody did not expect.
func orderUDP(port uint16) []func(*asking) bool {
	own := map[uint16]func(*asking) bool{17: small("qotd"), 19: small("chargen"), 111: (*asking).portmapUDP, 137: (*asking).netbios, 389: (*asking).cldap, 623: (*asking).ipmi,
		5353: (*asking).mdns, 11211: (*asking).memcachedUDP, 53: (*asking).dnsUDP, 123: (*asking).ntp, 161: (*asking).snmp, 1900: (*asking).ssdp, 3478: (*asking).stunUDP, 5060: (*asking).sipUDP, 64738: (*asking).mumble}
	if f := own[port]; f != nil {
		return []func(*asking) bool{f}
	}
	return []func(*asking) bool{(*asking).dnsUDP, (*asking).stunUDP, (*asking).sipUDP, (*asking).snmp, (*asking).ntp, (*asking).ssdp}
}

// datagram says one thing and returns the answer, of which known says whether it
// is one. Others are waited past, for they may come from whoever forges.
func (a *asking) datagram(say []byte, known func([]byte) bool) []byte {
	ctx, cancel := context.WithTimeout(a.ctx, perDatagram)
	defer cancel()
	c, err := a.dial(ctx, "udp", a.to)
	if err != nil {
		return nil
	}
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	defer func() { _ = c.Close() }() // Nothing waits in it.
	return a.hear(c, say, known)
}

func (a *asking) hear(c net.Conn, say []byte, known func([]byte) bool) []byte {
	if _, err := c.Write(say); err != nil {
		return nil
	}
	b := make([]byte, maxAnswer)
	for range maxDatagrams {
		n, err := c.Read(b)
		if errors.Is(err, syscall.ECONNREFUSED) && a.heard == Silence {
			a.heard = Refused
		}
		if err != nil {
			return nil
		}
		a.heard = Answered
		if known(b[:n]) {
			return b[:n]
		}
	}
	return nil
}

// maxDatagrams is how many are read for one question.
const maxDatagrams = 16

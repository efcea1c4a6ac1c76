// Package syn sends SYN packets and reads their answers without keeping a state
// for any: what a probe was is sealed into its sequence number, which an honest
// answer repeats. It builds packets, finds the way to the first router and owns
// the sockets; which targets there are, and whether a probe may leave, is said
// by its caller, sense/surface. It completes no connection.
package syn

import (
	"encoding/binary"
	"net/netip"
)

const (
	ethLen = 14
	tcpLen = 24 // with one option, the segment size: some stacks ignore a SYN without
	// maxFrame is the longest frame that is sent or needs to be read.
	maxFrame = ethLen + 40 + tcpLen

	etherIPv4 = 0x0800
	etherIPv6 = 0x86dd
	tcp       = 6

	flagSYN = 0x02
	flagRST = 0x04
	flagACK = 0x10
)

// template is a frame in which target and cookie are missing.
type template struct {
	frame [maxFrame]byte
	n     int    // bytes of it
	ip    uint32 // sum of the constant words of the IPv4 header
	tcp   uint32 // sum of the constant words of segment and pseudo-header
}

func newTemplate(p Path, port uint16) template {
	var t template
	f := t.frame[:]
	copy(f, p.Router[:])
	copy(f[6:], p.Own[:])
	var segment []byte
	if p.Source.Is4() {
		binary.BigEndian.PutUint16(f[12:], etherIPv4)
		ip := f[ethLen : ethLen+20]
		ip[0] = 0x45
		binary.BigEndian.PutUint16(ip[2:], 20+tcpLen)
		ip[6] = 0x40 // do not fragment
		ip[8], ip[9] = 64, tcp
		copy(ip[12:], p.Source.AsSlice())
		t.ip = sum(0, ip)
		segment = f[ethLen+20 : ethLen+20+tcpLen]
	} else {
		binary.BigEndian.PutUint16(f[12:], etherIPv6)
		ip := f[ethLen : ethLen+40]
		ip[0] = 0x60
		binary.BigEndian.PutUint16(ip[4:], tcpLen)
		ip[6], ip[7] = tcp, 64
		copy(ip[8:], p.Source.AsSlice())
		segment = f[ethLen+40:]
	}
	binary.BigEndian.PutUint16(segment, port)
	segment[12], segment[13] = tcpLen/4<<4, flagSYN
	binary.BigEndian.PutUint16(segment[14:], 1024)
	copy(segment[20:], []byte{2, 4, 1440 >> 8, 1440 & 0xff})
	t.tcp = sum(tcp+tcpLen, p.Source.AsSlice())
	t.tcp = sum(t.tcp, segment)
	t.n = len(f) - 20
	if p.Source.Is6() {
		t.n = len(f)
	}
	return t
}

// write makes the frame of one probe in b, which holds at least maxFrame bytes.
func (t *template) write(b []byte, to netip.AddrPort, cookie uint32) {
	copy(b, t.frame[:t.n])
	var at int
	s := t.tcp
	if a := to.Addr(); a.Is4() {
		d := a.As4()
		copy(b[ethLen+16:], d[:])
		words := uint32(binary.BigEndian.Uint16(d[:])) + uint32(binary.BigEndian.Uint16(d[2:]))
		binary.BigEndian.PutUint16(b[ethLen+10:], ^fold(t.ip+words))
		s += words
		at = ethLen + 20
	} else {
		d := a.As16()
		copy(b[ethLen+24:], d[:])
		s = sum(s, d[:])
		at = ethLen + 40
	}
	binary.BigEndian.PutUint16(b[at+2:], to.Port())
	binary.BigEndian.PutUint32(b[at+4:], cookie)
	s += uint32(to.Port()) + cookie>>16 + cookie&0xffff
	binary.BigEndian.PutUint16(b[at+16:], ^fold(s))
}

// sum adds the words of b, whose length is even, to a running sum.
func sum(s uint32, b []byte) uint32 {
	for i := 0; i+1 < len(b); i += 2 {
		s += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	return s
}

func fold(s uint32) uint16 {
	s = s>>16 + s&0xffff
	return uint16(s + s>>16)
}

// Answer is what a target said to a probe.
type Answer struct {
	From netip.AddrPort
	Open bool // SYN and ACK; else a reset
}

// parse reads an answer out of a frame, with the cookie that it acknowledges and
// the port it came to. It believes no length in the frame.
func parse(b []byte) (a Answer, cookie uint32, port uint16, ok bool) {
	if len(b) < ethLen {
		return a, 0, 0, false
	}
	var from netip.Addr
	kind, b := binary.BigEndian.Uint16(b[12:]), b[ethLen:]
	switch {
	case kind == etherIPv4 && len(b) >= 20 && b[0]>>4 == 4 && b[9] == tcp && binary.BigEndian.Uint16(b[6:])&0x1fff == 0:
		head := int(b[0]&15) * 4
		if head < 20 || len(b) < head {
			return a, 0, 0, false
		}
		from, b = netip.AddrFrom4([4]byte(b[12:16])), b[head:]
	case kind == etherIPv6 && len(b) >= 40 && b[0]>>4 == 6 && b[6] == tcp:
		from, b = netip.AddrFrom16([16]byte(b[8:24])), b[40:]
	default:
		return a, 0, 0, false
	}
	if len(b) < 20 {
		return a, 0, 0, false
	}
	a.From = netip.AddrPortFrom(from, binary.BigEndian.Uint16(b))
	a.Open = b[13]&flagRST == 0
	if b[13]&flagACK == 0 || a.Open && b[13]&flagSYN == 0 {
		return a, 0, 0, false
	}
	return a, binary.BigEndian.Uint32(b[8:]) - 1, binary.BigEndian.Uint16(b[2:]), true
}

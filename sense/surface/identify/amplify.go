package identify

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"strings"

	"golang.org/x/net/dns/dnsmessage"

	"noroshi/service"
)

// What follows asks services over UDP that answer more than they are asked, or to
// everybody, and so are turned against others. Each is asked once, for as little
// as tells it.

// memcachedUDP asks for the version, in the frame that memcached has over UDP.
func (a *asking) memcachedUDP() bool {
	q := append(binary.BigEndian.AppendUint16(nil, uint16(rand.Uint32())), "\x00\x00\x00\x01\x00\x00version\r\n"...)
	b := a.datagram(q, func(b []byte) bool {
		return len(b) > 8 && b[0] == q[0] && b[1] == q[1] && bytes.HasPrefix(b[8:], []byte("VERSION "))
	})
	if b == nil {
		return false
	}
	a.tell("memcached.version", field(string(b), "VERSION "))
	a.claim("memcached", "memcached", a.s.Evidence["memcached.version"])
	return true
}

// rpcNull calls the procedure of the port mapper that does nothing (RFC 1833, 5531).
func rpcNull(id uint32) []byte {
	b := binary.BigEndian.AppendUint32(nil, id)
	for _, n := range []uint32{0, 2, 100_000, 2, 0, 0, 0, 0, 0} { // a call, of version 2, without credentials
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return b
}

// isRPC tells of a reply to a call that was accepted.
func isRPC(b []byte, id uint32) bool {
	return len(b) >= 24 && binary.BigEndian.Uint32(b) == id && binary.BigEndian.Uint32(b[4:]) == 1 && binary.BigEndian.Uint32(b[8:]) == 0
}

func (a *asking) portmapUDP() bool {
	id := rand.Uint32()
	if a.datagram(rpcNull(id), func(b []byte) bool { return isRPC(b, id) }) == nil {
		return false
	}
	a.s.Service = "portmap"
	return true
}

// portmap is the same over TCP, where the length stands before each call.
func (a *asking) portmap() bool {
	id := rand.Uint32()
	q := rpcNull(id)
	b := a.exchange(append(binary.BigEndian.AppendUint32(nil, 1<<31|uint32(len(q))), q...), func(b []byte) bool { return len(b) >= 28 })
	if len(b) < 28 || !isRPC(b[4:], id) {
		return false
	}
	a.s.Service = "portmap"
	return true
}

// netbios asks for the names of a machine (RFC 1002 §4.2.17).
func (a *asking) netbios() bool {
	id := uint16(rand.Uint32())
	q := binary.BigEndian.AppendUint16(nil, id)
	q = append(q, "\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x20CK"+strings.Repeat("A", 30)+"\x00\x00\x21\x00\x01"...)
	b := a.datagram(q, func(b []byte) bool { _, ok := decodeNames(b, id); return ok })
	name, ok := decodeNames(b, id)
	if !ok {
		return false
	}
	a.s.Service = "netbios-ns"
	a.tell("netbios.name", name)
	return true
}

// decodeNames reads the first of a machine's names.
func decodeNames(b []byte, id uint16) (string, bool) {
	const head, owner = 12, 34 // and then type, class, time to live, length, number of names
	if len(b) < head+owner+11+15 || binary.BigEndian.Uint16(b) != id || b[2]&0x80 == 0 || binary.BigEndian.Uint16(b[head+owner:]) != 0x21 {
		return "", false
	}
	return service.Text(string(b[head+owner+11:][:15])), true
}

// mdns asks a machine of a local network which services it has, from outside
// (RFC 6763 §9).
func (a *asking) mdns() bool {
	q := dnsmessage.Message{Header: dnsmessage.Header{ID: uint16(rand.Uint32())}, Questions: []dnsmessage.Question{{
		Name: dnsmessage.MustNewName("_services._dns-sd._udp.local."), Type: dnsmessage.TypePTR, Class: dnsmessage.ClassINET}}}
	packed, err := q.Pack()
	if err != nil {
		return false
	}
	if a.datagram(packed, func(b []byte) bool { return isAnswer(b, q.ID) }) == nil {
		return false
	}
	a.s.Service = "mdns"
	return true
}

// isAnswer tells of an answer without an error and with a record.
func isAnswer(b []byte, id uint16) bool {
	var p dnsmessage.Parser
	h, err := p.Start(b)
	if err != nil || !h.Response || h.ID != id || h.RCode != dnsmessage.RCodeSuccess || p.SkipAllQuestions() != nil {
		return false
	}
	_, err = p.Answer()
	return err == nil
}

// ipmi pings the controller of a server's board (ASF 2.0 §3.2.4.2).
func (a *asking) ipmi() bool {
	tag := byte(rand.Uint32())
	q := append([]byte("\x06\x00\xff\x06\x00\x00\x11\xbe\x80"), tag, 0, 0)
	if a.datagram(q, func(b []byte) bool { return len(b) >= 12 && b[0] == 6 && b[3] == 6 && b[8] == 0x40 && b[9] == tag }) == nil {
		return false
	}
	a.s.Service = "ipmi"
	return true
}

// cldap reads the root entry of a directory over UDP.
func (a *asking) cldap() bool {
	b := a.datagram(rootQuestion(), func(b []byte) bool { _, known, _ := decodeSearch(b); return known })
	if _, known, _ := decodeSearch(b); !known {
		return false
	}
	a.s.Service = "cldap"
	return true
}

// small asks one of the small services of the first years (RFC 864, 865), which
// answer anything with more than that.
func small(name string) func(*asking) bool {
	return func(a *asking) bool {
		if a.datagram([]byte{'\n'}, func(b []byte) bool { return len(b) >= 16 }) == nil {
			return false
		}
		a.s.Service = name
		return true
	}
}

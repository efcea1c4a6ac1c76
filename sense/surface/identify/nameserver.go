package identify

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// versionBind is the question for what a name server says of itself.
func versionBind() (id uint16, packed []byte) {
	q := dnsmessage.Message{Header: dnsmessage.Header{ID: uint16(rand.Uint32())}, Questions: []dnsmessage.Question{{
		Name: dnsmessage.MustNewName("version.bind."), Type: dnsmessage.TypeTXT, Class: dnsmessage.ClassCHAOS}}}
	packed, err := q.Pack()
	if err != nil {
		panic(err) // It is always the same question.
	}
	return q.ID, packed
}

// nameserver asks for version.bind over TCP, where a length stands before each
// message.
func (a *asking) nameserver() bool {
	id, q := versionBind()
	b := a.exchange(append(binary.BigEndian.AppendUint16(nil, uint16(len(q))), q...), func(b []byte) bool {
		return len(b) >= 2 && len(b)-2 >= int(binary.BigEndian.Uint16(b))
	})
	if len(b) <= 2 || !a.nameServer(b[2:], id) {
		return false
	}
	id, q = rootServers()
	b = a.exchange(append(binary.BigEndian.AppendUint16(nil, uint16(len(q))), q...), func(b []byte) bool {
		return len(b) >= 2 && len(b)-2 >= int(binary.BigEndian.Uint16(b))
	})
	a.recursion(b[min(2, len(b)):], id)
	return true
}

func (a *asking) dnsUDP() bool {
	id, q := versionBind()
	b := a.datagram(q, func(b []byte) bool { _, ok := decodeVersionBind(b, id); return ok })
	if !a.nameServer(b, id) {
		return false
	}
	id, q = rootServers()
	a.recursion(a.datagram(q, func(b []byte) bool { return len(b) > 2 && binary.BigEndian.Uint16(b) == id }), id)
	return true
}

// rootServers asks which servers the root has: whoever resolves for others knows
// it without asking anybody.
func rootServers() (id uint16, packed []byte) {
	q := dnsmessage.Message{Header: dnsmessage.Header{ID: uint16(rand.Uint32()), RecursionDesired: true}, Questions: []dnsmessage.Question{{
		Name: dnsmessage.MustNewName("."), Type: dnsmessage.TypeNS, Class: dnsmessage.ClassINET}}}
	packed, err := q.Pack()
	if err != nil {
		panic(err) // It is always the same question.
	}
	return q.ID, packed
}

// recursion takes note of a server that resolves for everybody.
func (a *asking) recursion(b []byte, id uint16) {
	var p dnsmessage.Parser
	if h, err := p.Start(b); err == nil && h.RecursionAvailable && isAnswer(b, id) {
		a.tell("dns.recursion", "for everybody")
	}
}

func (a *asking) nameServer(b []byte, id uint16) bool {
	text, ok := decodeVersionBind(b, id)
	if !ok {
		return false
	}
	a.s.Service = "dns"
	a.tell("dns.versionbind", text)
	return true
}

// decodeVersionBind reads the answer; a server that refuses to say is a name
// server all the same.
func decodeVersionBind(b []byte, id uint16) (string, bool) {
	var p dnsmessage.Parser
	h, err := p.Start(b)
	if err != nil || !h.Response || h.ID != id || p.SkipAllQuestions() != nil {
		return "", false
	}
	for range 8 {
		r, err := p.Answer()
		if err != nil {
			break
		}
		if t, ok := r.Body.(*dnsmessage.TXTResource); ok {
			return strings.Join(t.TXT, ""), true
		}
	}
	return "", true
}

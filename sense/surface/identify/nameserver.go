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
	return len(b) > 2 && a.nameServer(b[2:], id)
}

func (a *asking) dnsUDP() bool {
	id, q := versionBind()
	b := a.datagram(q, func(b []byte) bool { _, ok := decodeVersionBind(b, id); return ok })
	return a.nameServer(b, id)
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

package identify

import "strconv"

// rdp asks by which protection a terminal server wants to go on ([MS-RDPBCGR]
// 2.2.1.1), and looks at its certificate. Nobody logs in.
func (a *asking) rdp() bool {
	question := rdpQuestion(byTLS | byCredSSP)
	whole := func(b []byte) bool { return len(b) >= 4 && len(b) >= int(b[2])<<8|int(b[3]) }
	b := a.exchange([]byte(question), whole)
	n, ok := decodeNegotiation(b)
	if !ok {
		return false
	}
	a.s.Service = "rdp"
	a.tell("rdp.security", n.security())
	nla := "not offered"
	switch {
	case n.kind == refused && n.value == credSSPRequired:
		nla = "required"
	case n.kind == refused && n.value != 2 && n.value != 3: // Other than that it has no TLS, or no certificate.
		nla = ""
	case n.kind == negotiated && n.value&(byCredSSP|byCredSSPEarly) != 0: // Who is let in without it, when it is not wished for?
		nla = ""
		switch less, ok := decodeNegotiation(a.exchange([]byte(rdpQuestion(byTLS)), whole)); {
		case ok && less.kind == refused && less.value == credSSPRequired:
			nla = "required"
		case ok && less.kind != refused:
			nla = "optional"
		}
	}
	a.tell("rdp.nla", nla)
	if n.kind == negotiated && n.value&7 != 0 { // TLS, CredSSP or RDSTLS, of which each begins by TLS
		a.startTLS(b, "", step{question, whole, "\x03\x00"})
	}
	return true
}

const (
	negotiated = 2
	refused    = 3

	byTLS          = 1
	byCredSSP      = 2 // network level authentication: who comes says who he is before a desktop is shown
	byCredSSPEarly = 8

	credSSPRequired = 5 // why it is refused
)

// rdpQuestion is TPKT, an X.224 connection request, and the wish for protections.
func rdpQuestion(wish byte) string {
	return "\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00" + string([]byte{wish}) + "\x00\x00\x00"
}

// negotiation is the answer to the wish.
type negotiation struct {
	kind, flags byte
	value       byte
}

// decodeNegotiation reads an X.224 connection confirm. One that says nothing of
// the wish comes from a server that knows no protection but RDP's own.
func decodeNegotiation(b []byte) (n negotiation, ok bool) {
	if len(b) < 11 || b[0] != 3 || b[5] != 0xd0 || int(b[4]) > len(b)-5 {
		return n, false
	}
	if b[4] >= 14 && len(b) >= 19 && b[13] == 8 && (b[11] == negotiated || b[11] == refused) {
		n = negotiation{b[11], b[12], b[15]}
	}
	return n, true
}

func (n negotiation) security() string {
	switch {
	case n.kind == refused:
		return "refused, code " + strconv.Itoa(int(n.value))
	case n.value&8 != 0, n.value&2 != 0:
		return "CredSSP"
	case n.value&1 != 0:
		return "TLS"
	}
	return "RDP"
}

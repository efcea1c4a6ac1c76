package surface

import (
	"net/netip"
	"strings"

	"noroshi/fault"
)

// Target is a port of an address, over TCP or UDP.
type Target struct {
	netip.AddrPort
	UDP bool
}

// door is a port and what it speaks over: TCP or UDP.
type door struct {
	over int
	port uint16
}

const (
	tcp = iota
	udp
)

func (t Target) door() door {
	if t.UDP {
		return door{udp, t.Port()}
	}
	return door{tcp, t.Port()}
}

// ParseTarget reads ADDRESS:PORT, with /udp behind it for UDP.
func ParseTarget(text string) (Target, error) {
	address, overUDP := strings.CutSuffix(text, "/udp")
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return Target{}, fault.As(fault.Invalid, "surface.target", err, "%q is no ADDRESS:PORT; write 192.0.2.1:443, [2001:db8::1]:443 or 192.0.2.1:53/udp", text)
	}
	return Target{to, overUDP}, nil
}

// Network is "tcp" or "udp".
func (t Target) Network() string {
	if t.UDP {
		return "udp"
	}
	return "tcp"
}

// String is the text that ParseTarget reads.
func (t Target) String() string {
	if t.UDP {
		return t.AddrPort.String() + "/udp"
	}
	return t.AddrPort.String()
}

package dns

import (
	"net/netip"
	"strconv"
	"strings"

	wire "github.com/miekg/dns"
)

// What is said of names that have no owner in the DNS. They are answered here
// and never asked upstream: the question alone would tell others about the house
// (RFC 6761, 6762, 7686, 8375, 9476, 9462; Mozilla's canary).
const (
	noSuchName = iota + 1
	noData     // of the zone itself, and of all below it
	localhost
	reverse // no such name below, no data at the zone itself
)

var specialNames = map[string]int{
	"test": noSuchName, "invalid": noSuchName, "onion": noSuchName, "local": noSuchName, "home.arpa": noSuchName, "alt": noSuchName,
	"use-application-dns.net": noSuchName, // Firefox leaves its own DoH off.
	"resolver.arpa":           noData,
	"localhost":               localhost,
	"1.0.0.127.in-addr.arpa":  localhost,
	loopback6:                 localhost,

	// Addresses that mean something only inside a house (RFC 6303, 7793).
	"10.in-addr.arpa": reverse, "168.192.in-addr.arpa": reverse, "0.in-addr.arpa": reverse, "127.in-addr.arpa": reverse, "254.169.in-addr.arpa": reverse,
	"2.0.192.in-addr.arpa": reverse, "100.51.198.in-addr.arpa": reverse, "113.0.203.in-addr.arpa": reverse, "255.255.255.255.in-addr.arpa": reverse,
	"d.f.ip6.arpa": reverse, "8.e.f.ip6.arpa": reverse, "9.e.f.ip6.arpa": reverse, "a.e.f.ip6.arpa": reverse, "b.e.f.ip6.arpa": reverse,
	"8.b.d.0.1.0.0.2.ip6.arpa": reverse, unspecified6: reverse,
}

const (
	loopback6    = "1" + zeros6
	unspecified6 = "0" + zeros6
	zeros6       = ".0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa"
)

// special answers a special-use name, or returns nil.
func special(q *query) *reply {
	zone, kind := specialZone(q.name)
	switch kind {
	case noSuchName:
		return negative(wire.RcodeNameError, wire.Fqdn(zone), localTTL)
	case noData:
		return negative(wire.RcodeSuccess, wire.Fqdn(zone), localTTL)
	case reverse:
		if zone == q.name {
			return negative(wire.RcodeSuccess, wire.Fqdn(zone), localTTL)
		}
		return negative(wire.RcodeNameError, wire.Fqdn(zone), localTTL)
	case localhost:
		return ofLocalhost(q, zone)
	}
	return nil
}

// specialZone finds the special name that the name is, or lies below.
func specialZone(name string) (string, int) {
	for zone := name; zone != ""; {
		if kind := specialNames[zone]; kind != 0 {
			return zone, kind
		}
		if private172or100(zone) {
			return zone, reverse
		}
		_, zone, _ = strings.Cut(zone, ".")
	}
	return "", 0
}

// private172or100 tells the reverse zones of 172.16.0.0/12 and 100.64.0.0/10.
func private172or100(zone string) bool {
	n, rest, _ := strings.Cut(zone, ".")
	from, to := 16, 31
	if rest == "100.in-addr.arpa" {
		from, to = 64, 127
	} else if rest != "172.in-addr.arpa" {
		return false
	}
	i, err := strconv.Atoi(n)
	return err == nil && from <= i && i <= to
}

func ofLocalhost(q *query, zone string) *reply {
	switch {
	case zone != "localhost" && q.name != zone:
		return negative(wire.RcodeNameError, wire.Fqdn(zone), localTTL)
	case zone != "localhost" && q.q.Qtype == wire.TypePTR:
		return data(&wire.PTR{Hdr: header(q, wire.TypePTR, localTTL), Ptr: "localhost."})
	case zone == "localhost" && q.q.Qtype == wire.TypeA:
		return data(&wire.A{Hdr: header(q, wire.TypeA, localTTL), A: netip.AddrFrom4([4]byte{127, 0, 0, 1}).AsSlice()})
	case zone == "localhost" && q.q.Qtype == wire.TypeAAAA:
		return data(&wire.AAAA{Hdr: header(q, wire.TypeAAAA, localTTL), AAAA: netip.IPv6Loopback().AsSlice()})
	}
	return negative(wire.RcodeSuccess, wire.Fqdn(zone), localTTL)
}

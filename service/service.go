// Package service is the vocabulary of services as a scan sees them: Port is one
// open port with the Answer that it gave. sense/surface makes them, the scanner
// prints them a line each, and analyse/exposure and analyse/iot judge them without
// knowing who asked. It holds plain data and reads it; docs/surface.md has the
// shape.
package service

import (
	"cmp"
	"net/netip"
	"strings"
	"time"

	"noroshi/action"
)

// Port is one open port.
type Port struct {
	Address   netip.Addr `json:"address"`
	Port      uint16     `json:"port"`
	Transport string     `json:"transport"` // tcp, udp
	FirstSeen time.Time  `json:"first_seen"`
	Answer
}

// Place is where on its address the port is, as a weakness says it.
func (p Port) Place() string { return action.PortPlace(p.Transport, p.Port) }

// Answer is what a port said of itself. Its texts come from the other side and
// are to be believed as such.
type Answer struct {
	Service  string `json:"service,omitempty"` // the protocol: ssh, http, smtp, …
	Vendor   string `json:"vendor,omitempty"`
	Product  string `json:"product,omitempty"`
	Version  string `json:"version,omitempty"`
	Package  string `json:"package_version,omitempty"` // with the distribution's suffix, which tells of back-ports
	CPE      string `json:"cpe,omitempty"`
	OS       string `json:"os,omitempty"`
	Hardware string `json:"hardware,omitempty"`
	Firmware string `json:"firmware,omitempty"`

	HTTP *HTTP `json:"http,omitempty"`
	TLS  *TLS  `json:"tls,omitempty"`
	SSH  *SSH  `json:"ssh,omitempty"`
	SMB  *SMB  `json:"smb,omitempty"`

	// Evidence is what was said, by the names that recog gives to such texts.
	Evidence map[string]string `json:"evidence,omitempty"`
}

// Name is what people call it: protocol, product and version.
func (a Answer) Name() string {
	return strings.Join(strings.Fields(strings.Join([]string{a.Service, a.Product, cmp.Or(a.Package, a.Version)}, " ")), " ")
}

// TLS is how a port is protected, and by which certificate.
type TLS struct {
	Versions    []string            `json:"versions"`
	Ciphers     map[string][]string `json:"ciphers"` // all that it takes, by version, in its order or in that of their numbers
	Groups      []string            `json:"groups,omitempty"`
	PostQuantum bool                `json:"post_quantum"` // a group against which a quantum computer does not help
	Subject     string              `json:"subject,omitempty"`
	Issuer      string              `json:"issuer,omitempty"`
	Names       []string            `json:"names,omitempty"`
	NotBefore   time.Time           `json:"not_before,omitzero"`
	NotAfter    time.Time           `json:"not_after,omitzero"`
	Chain       []string            `json:"chain,omitempty"` // the subjects, the server's own first
	Signature   string              `json:"signature,omitempty"`
	KeyBits     int                 `json:"key_bits,omitempty"`
	Weak        []string            `json:"weak,omitempty"`
	Trust       string              `json:"trust,omitempty"` // what the chain is worth; "" when there were no roots to judge it by
	Named       []Named             `json:"named,omitempty"` // the names by which the address is known
}

// Named is whether a certificate fits a name by which the address is known.
type Named struct {
	Name string `json:"name"`
	Fits bool   `json:"fits"`
}

// SSH is the cryptography that an SSH server offers (RFC 4253 §7.1).
type SSH struct {
	Kex         []string `json:"kex,omitempty"`
	HostKeys    []string `json:"host_keys,omitempty"`
	Ciphers     []string `json:"ciphers,omitempty"`
	MACs        []string `json:"macs,omitempty"`
	PostQuantum bool     `json:"post_quantum"`
}

// SMB is how a file server talks.
type SMB struct {
	Dialect string `json:"dialect"`        // the newest of 2.0.2 to 3.0.2 that it speaks; NT LM 0.12 when it speaks but SMB 1
	Old     bool   `json:"smb1,omitempty"` // it speaks SMB 1
	Signing bool   `json:"signing_required"`
	Name    string `json:"name,omitempty"`   // of the machine
	Domain  string `json:"domain,omitempty"` // that it belongs to
}

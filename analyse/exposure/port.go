package exposure

import (
	"encoding/json"
	"net/netip"
	"strings"
	"time"

	"noroshi/action"
	"noroshi/fault"
)

// Port is an open port as a scanner tells of it (docs/surface.md). Its texts come
// from whoever answered, and are believed as such.
type Port struct {
	Address   netip.Addr        `json:"address"`
	Port      uint16            `json:"port"`
	Transport string            `json:"transport"`
	Seen      time.Time         `json:"first_seen"`
	Service   string            `json:"service,omitempty"`
	Vendor    string            `json:"vendor,omitempty"`
	Product   string            `json:"product,omitempty"`
	Version   string            `json:"version,omitempty"`
	Package   string            `json:"package_version,omitempty"`
	OS        string            `json:"os,omitempty"`
	Hardware  string            `json:"hardware,omitempty"`
	HTTP      *HTTP             `json:"http,omitempty"`
	TLS       *TLS              `json:"tls,omitempty"`
	SSH       *SSH              `json:"ssh,omitempty"`
	Evidence  map[string]string `json:"evidence,omitempty"`
}

// HTTP is the first page.
type HTTP struct {
	Status   int               `json:"status"`
	Title    string            `json:"title,omitempty"`
	Location string            `json:"location,omitempty"`
	Headers  map[string]string `json:"headers,omitempty"`
	Login    bool              `json:"login,omitempty"`
	Listing  bool              `json:"directory_listing,omitempty"`
}

// TLS is how a port is protected, and by which certificate.
type TLS struct {
	Versions    []string  `json:"versions"`
	Ciphers     []string  `json:"ciphers,omitempty"`
	Groups      []string  `json:"groups,omitempty"`
	PostQuantum bool      `json:"post_quantum"`
	Subject     string    `json:"subject,omitempty"`
	Issuer      string    `json:"issuer,omitempty"`
	Names       []string  `json:"names,omitempty"`
	NotBefore   time.Time `json:"not_before,omitzero"`
	NotAfter    time.Time `json:"not_after,omitzero"`
	Signature   string    `json:"signature,omitempty"`
	KeyBits     int       `json:"key_bits,omitempty"`
	Weak        []string  `json:"weak,omitempty"`
}

// SSH is the cryptography that an SSH server offers.
type SSH struct {
	Kex         []string `json:"kex,omitempty"`
	HostKeys    []string `json:"host_keys,omitempty"`
	Ciphers     []string `json:"ciphers,omitempty"`
	MACs        []string `json:"macs,omitempty"`
	PostQuantum bool     `json:"post_quantum"`
}

// Place is where the port is, as a weakness says it.
func (p Port) Place() string { return action.PortPlace(p.Transport, p.Port) }

// The bounds of what one port may say.
const (
	maxPortBytes = 128 << 10
	maxString    = 2048
)

// DecodePort reads one line of a scanner. Fields that it does not know are the
// scanner's own.
func DecodePort(line []byte) (p Port, err error) {
	const op = "exposure.port"
	if len(line) > maxPortBytes {
		return p, fault.New(fault.TooLarge, op, "a port tells more than %d bytes", maxPortBytes)
	}
	if err := json.Unmarshal(line, &p); err != nil {
		return p, fault.As(fault.Invalid, op, err, "this is no open port: %v", err)
	}
	switch {
	case !p.Address.IsValid() || p.Address.Zone() != "" || p.Address.Is4In6():
		return p, fault.New(fault.Invalid, op, "the address is none")
	case p.Port == 0 || p.Transport != "tcp" && p.Transport != "udp":
		return p, fault.New(fault.Invalid, op, "%s has no port, or not of tcp or udp", p.Address)
	}
	for _, s := range []*string{&p.Service, &p.Vendor, &p.Product, &p.Version, &p.Package, &p.OS, &p.Hardware} {
		*s = strings.ReplaceAll(*s, "\x00", "") // The ledger's engines do not all keep it.
		if len(*s) > maxString {
			return p, fault.New(fault.TooLarge, op, "%s %s says something of more than %d bytes", p.Address, p.Place(), maxString)
		}
	}
	return p, nil
}

// conclusive tells whether a port was asked to the end: an open port that said
// nothing, or not all of its protocol, proves nothing.
func (p Port) conclusive() bool {
	switch {
	case p.Service == "":
		return false
	case p.Service == "https" || p.Service == "tls":
		return p.TLS != nil && len(p.TLS.Versions) > 0
	case p.Service == "ssh":
		return p.SSH != nil && len(p.SSH.Kex) > 0
	}
	return true
}

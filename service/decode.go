package service

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"noroshi/fault"
)

// The bounds of what one port may say.
const (
	maxBytes    = 128 << 10
	maxEvidence = 64  // texts
	maxText     = 512 // runes of one text
)

// Decode reads one line of a scanner. Fields that it does not know are the
// scanner's own.
func Decode(line []byte) (p Port, err error) {
	const op = "service.decode"
	if len(line) > maxBytes {
		return p, fault.New(fault.TooLarge, op, "a port tells more than %d bytes", maxBytes)
	}
	if err := json.Unmarshal(line, &p); err != nil {
		return p, fault.As(fault.Invalid, op, err, "this is no open port: %v", err)
	}
	return p, p.Clean()
}

// Clean refuses what is no open port, and makes what it said fit to be kept and
// shown. The scanner does so, too; a line may come from elsewhere.
func (p *Port) Clean() error {
	const op = "service.clean"
	p.Address = p.Address.Unmap()
	switch {
	case !p.Address.IsValid() || p.Address.Zone() != "":
		return fault.New(fault.Invalid, op, "it has no address")
	case p.Port == 0 || p.Transport != "tcp" && p.Transport != "udp":
		return fault.New(fault.Invalid, op, "%s has no port, or not of tcp or udp", p.Address)
	case len(p.Evidence) > maxEvidence:
		return fault.New(fault.TooLarge, op, "%s %s says %d texts, which are more than %d", p.Address, p.Place(), len(p.Evidence), maxEvidence)
	}
	for _, t := range p.texts() {
		*t = Text(*t)
	}
	for k, v := range p.Evidence {
		p.Evidence[k] = Text(v)
	}
	return nil
}

// texts are those that are shown or written into columns.
func (a *Answer) texts() []*string {
	all := []*string{&a.Service, &a.Vendor, &a.Product, &a.Version, &a.Package, &a.CPE, &a.OS, &a.Hardware, &a.Firmware}
	if a.HTTP != nil {
		all = append(all, &a.HTTP.Title, &a.HTTP.Location)
	}
	if a.TLS != nil {
		all = append(all, &a.TLS.Subject, &a.TLS.Issuer)
		for i := range a.TLS.Names {
			all = append(all, &a.TLS.Names[i])
		}
	}
	return all
}

// Text makes a text of the other side fit to be kept and shown: one bounded
// line, printable, in its own order.
func Text(s string) string {
	out := make([]rune, 0, min(len(s), maxText))
	for _, r := range s {
		if len(out) == maxText {
			break
		}
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError || isBidi(r) {
			r = ' '
		}
		out = append(out, r)
	}
	return strings.TrimSpace(string(out))
}

// isBidi tells of the characters that let a text show itself in another order.
func isBidi(r rune) bool {
	return r >= 0x200b && r <= 0x200f || r >= 0x2028 && r <= 0x202e || r >= 0x2060 && r <= 0x2069 || r == 0xfeff
}

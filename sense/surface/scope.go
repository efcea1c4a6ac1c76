// Package surface looks from outside at what an owner has exposed, within the
// scope that the owner has authorised and nowhere else. A scope is a file; the
// Gate made of it decides about every single probe, by whichever way it leaves,
// and Scan sends what it allows. It tries no password, follows no redirect and
// writes nothing anywhere but where its caller says. The command line calls it.
package surface

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"noroshi/fault"
)

// The limits of a scope file.
const (
	maxScopeBytes = 1 << 20
	maxRanges     = 10_000
	maxPorts      = 1_024
	maxProbes     = 1 << 36 // a bit is kept for each, to tell who answered
	maxRate       = 10_000_000
)

// Scope is what an owner has authorised. Whatever it does not name is refused.
type Scope struct {
	Owner      string         `yaml:"owner"`
	Survey     string         `yaml:"survey"` // of what: "" of what an owner exposes, or IoT
	Contact    string         `yaml:"contact"`
	LegalBasis string         `yaml:"legal_basis"`
	Proof      Proof          `yaml:"proof"`
	Ranges     []netip.Prefix `yaml:"ranges"`
	Excluded   []netip.Prefix `yaml:"excluded"`
	Ports      []uint16       `yaml:"ports"`     // TCP
	UDPPorts   []uint16       `yaml:"udp_ports"` // UDP
	Hours      []Hours        `yaml:"hours"`
	Rate       int            `yaml:"rate"` // probes per second
	Caps       Caps           `yaml:"caps"`
	ValidUntil time.Time      `yaml:"valid_until"`

	file   string
	digest string
	reread func(context.Context) ([]byte, error) // the text as it stands now; the file's when nil
}

// IoT says of a scope that it is a survey of devices for their owners' sake
// (docs/iot.md).
const IoT = "iot"

// Caps bound what meets one address, one network and the owner, whatever the
// rate allows.
type Caps struct {
	Address int   `yaml:"address"` // probes per second to one address
	Network int   `yaml:"network"` // probes per second to one /24, of IPv6 one /64
	Owner   int64 `yaml:"owner"`   // probes of one run to all that the owner has
}

// Load reads and checks a scope file.
func Load(file string) (*Scope, error) {
	b, err := readScope(file)
	if err != nil {
		return nil, err
	}
	s, err := Parse(b)
	if err != nil {
		return nil, fault.As(fault.Invalid, "surface.scope", err, "%s: %s", file, fault.PublicOf(err))
	}
	s.file = file
	return s, nil
}

// Follow reads and checks a scope that stands elsewhere, under a name for people.
// Its text is read again as often as a file's: when it is another one, or cannot
// be had, the scope is withdrawn.
func Follow(ctx context.Context, name string, reread func(context.Context) ([]byte, error)) (*Scope, error) {
	b, err := reread(ctx)
	if err != nil {
		return nil, err
	}
	if len(b) > maxScopeBytes {
		return nil, fault.New(fault.TooLarge, "surface.scope", "the scope %s is over %d bytes", name, maxScopeBytes)
	}
	s, err := Parse(b)
	if err != nil {
		return nil, fault.As(fault.KindOf(err), "surface.scope", err, "%s: %s", name, fault.PublicOf(err))
	}
	s.file, s.reread = name, reread
	return s, nil
}

func readScope(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fault.As(fault.NotFound, "surface.scope", err, "the scope cannot be read: %v", err)
	}
	defer func() { _ = f.Close() }() // It was only read.
	b, err := io.ReadAll(io.LimitReader(f, maxScopeBytes+1))
	if err != nil {
		return nil, fault.As(fault.Unavailable, "surface.scope", err, "the scope cannot be read: %v", err)
	}
	if len(b) > maxScopeBytes {
		return nil, fault.New(fault.TooLarge, "surface.scope", "the scope %s is over %d bytes", file, maxScopeBytes)
	}
	return b, nil
}

// Parse reads a scope from YAML. A key it does not know is an error: a misspelt
// "excluded" must never become a wider scope.
func Parse(b []byte) (*Scope, error) {
	var s Scope
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&s); err != nil {
		return nil, fault.As(fault.Invalid, "surface.scope", err, "this is no scope: %s", plainly(err))
	}
	if err := d.Decode(new(yaml.Node)); err != io.EOF {
		return nil, fault.New(fault.Invalid, "surface.scope", "a scope is one YAML document; something follows it")
	}
	s.digest = digest(b)
	return &s, s.check()
}

// goNames are the names of our types in what the YAML reader says.
var goNames = regexp.MustCompile(` (in type|into) [\w.]+`)

// plainly is what it says, on one line and without them.
func plainly(err error) string {
	s := strings.Join(strings.Fields(err.Error()), " ")
	return goNames.ReplaceAllString(strings.TrimPrefix(strings.TrimPrefix(s, "yaml: "), "unmarshal errors: "), "")
}

func digest(b []byte) string {
	h := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(h[:])
}

// Digest names the exact text of the scope, as the log of a run says it.
func (s *Scope) Digest() string { return s.digest }

// Targets is how many pairs of address and port the scope allows.
func (s *Scope) Targets() uint64 {
	p, err := newSpace(s)
	if err != nil {
		return 0
	}
	return p.size()
}

func (s *Scope) check() error {
	bad := func(key, format string, args ...any) error {
		return fault.New(fault.Invalid, "surface.scope", format, args...).At("key %s", key)
	}
	for _, k := range []struct{ key, value string }{{"owner", s.Owner}, {"contact", s.Contact}, {"legal_basis", s.LegalBasis}} {
		if strings.TrimSpace(k.value) == "" || len(k.value) > 1_000 {
			return bad(k.key, "say it in 1 to 1,000 bytes: nothing is scanned that nobody answers for")
		}
	}
	switch {
	case s.Survey != "" && s.Survey != IoT:
		return bad("survey", "a scope is a survey of devices (%s), or this key is left out", IoT)
	case len(s.Ranges) == 0 || len(s.Ranges) > maxRanges || len(s.Excluded) > maxRanges:
		return bad("ranges", "name 1 to %d ranges, and as many excluded ones at most", maxRanges)
	case len(s.Ports)+len(s.UDPPorts) == 0 || len(s.Ports)+len(s.UDPPorts) > maxPorts:
		return bad("ports", "name 1 to %d ports, those of udp_ports counted too", maxPorts)
	case s.Rate < 1 || s.Rate > maxRate:
		return bad("rate", "a rate is 1 to %d probes per second", maxRate)
	case s.Caps.Address < 1 || s.Caps.Network < 1 || s.Caps.Owner < 1:
		return bad("caps", "say address, network and owner, each at least 1")
	case s.Caps.Address > maxCount || s.Caps.Network > maxCount:
		return bad("caps", "address and network are at most %d", maxCount)
	case s.ValidUntil.IsZero():
		return bad("valid_until", "an authorisation ends: say when, such as 2027-03-31T15:00:00Z")
	}
	for i, p := range slices.Concat(s.Ranges, s.Excluded) {
		if err := checkRange(p); err != nil {
			key, at := "ranges", i
			if i >= len(s.Ranges) {
				key, at = "excluded", i-len(s.Ranges)
			}
			return bad(fmt.Sprintf("%s[%d]", key, at), "%v", err)
		}
	}
	for _, list := range []struct {
		key   string
		ports []uint16
	}{{"ports", s.Ports}, {"udp_ports", s.UDPPorts}} {
		slices.Sort(list.ports)
		for i, p := range list.ports {
			if p == 0 || i > 0 && p == list.ports[i-1] {
				return bad(list.key, "%d is no port, or stands twice", p)
			}
		}
	}
	for i := range s.Hours {
		if err := s.Hours[i].check(); err != nil {
			return bad(fmt.Sprintf("hours[%d]", i), "%s", fault.PublicOf(err))
		}
	}
	if err := s.Proof.check(); err != nil {
		return bad("proof", "%s", fault.PublicOf(err))
	}
	_, err := newSpace(s)
	return err
}

func checkRange(p netip.Prefix) error {
	switch a := p.Addr(); {
	case !p.IsValid():
		return fmt.Errorf("this is no range; write 192.0.2.0/24 or 2001:db8::/120")
	case a.Is4In6():
		return fmt.Errorf("%s is an IPv4 range in IPv6 clothes; write it as IPv4", p)
	case p != p.Masked():
		return fmt.Errorf("%s has bits behind its length; write %s", p, p.Masked())
	}
	return nil
}

// Hours is a time of the day in which probes may leave; none means always.
type Hours struct {
	Zone string `yaml:"zone"`
	From string `yaml:"from"`
	To   string `yaml:"to"`

	where    *time.Location
	from, to int // minutes of the day
}

func (h *Hours) check() error {
	bad := func(format string, args ...any) error {
		return fault.New(fault.Invalid, "surface.hours", format, args...)
	}
	var err error
	if h.where, err = time.LoadLocation(h.Zone); err != nil || h.Zone == "" {
		return bad("%q is no time zone; write one such as Asia/Tokyo", h.Zone)
	}
	for _, t := range []struct {
		text string
		to   *int
	}{{h.From, &h.from}, {h.To, &h.to}} {
		at, err := time.Parse("15:04", t.text)
		if err != nil {
			return bad("%q is no time of the day; write 22:00", t.text)
		}
		*t.to = at.Hour()*60 + at.Minute()
	}
	if h.from == h.to {
		return bad("from and to are the same; leave hours out for the whole day")
	}
	return nil
}

// contain tells whether an instant lies within; hours may go over midnight.
func (h *Hours) contain(t time.Time) bool {
	t = t.In(h.where)
	m := t.Hour()*60 + t.Minute()
	if h.from < h.to {
		return h.from <= m && m < h.to
	}
	return m >= h.from || m < h.to
}

package observable

import (
	"net/netip"
	"net/url"
	"strings"

	"golang.org/x/net/idna"

	"noroshi/fault"
)

// Limits of names and URLs (RFC 1035 §2.3.4; URLs by convention).
const (
	MaxName  = 253
	maxLabel = 63
	maxURL   = 2048
)

// Parse reads what a person or a machine wrote and detects what it is. Defanged
// forms (hxxp, [.], (.), [dot], [:]) are understood.
func Parse(s string) (Observable, error) {
	t := refang(strings.TrimSpace(s))
	switch {
	case len(s) > 2*maxURL:
		return Observable{}, fault.New(fault.TooLarge, "observable.parse", "the text is longer than any observable")
	case strings.Contains(t, "://"):
		return parseURL(t)
	case isHex(t) && hashKind(len(t)) != "":
		return Observable{hashKind(len(t)), strings.ToLower(t)}, nil
	case strings.Contains(t, "/"):
		return parseCIDR(t)
	}
	if _, err := netip.ParseAddr(t); err == nil || strings.Contains(t, ":") {
		return parseAddr(t)
	}
	return parseDomain(t)
}

// ParseKind reads s as a given kind.
func ParseKind(k Kind, s string) (Observable, error) {
	o, err := Parse(s)
	if err != nil {
		return Observable{}, err
	}
	if o.Kind != k {
		return Observable{}, fault.New(fault.Invalid, "observable.parse", "%q is a %s, not a %s", clip(s), o.Kind, k)
	}
	return o, nil
}

func hashKind(n int) Kind {
	switch n {
	case 32:
		return MD5
	case 40:
		return SHA1
	case 64:
		return SHA256
	}
	return ""
}

func isHex(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return s != ""
}

// names maps as a look-up does (UTS 46, so that full-width letters and dots and
// capitals become what a resolver asks for), but allows what DNS carries beyond
// host names, such as underscores.
var names = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false), idna.CheckHyphens(false), idna.CheckJoiners(true), idna.BidiRule())

func parseDomain(s string) (Observable, error) {
	const op = "observable.domain"
	ascii, err := toASCII(s)
	if err != nil {
		return Observable{}, err
	}
	dot := strings.LastIndexByte(ascii, '.')
	if dot < 0 {
		return Observable{}, fault.New(fault.Invalid, op, "%q has no dot: it is not a full name", clip(s))
	}
	if last := ascii[dot+1:]; strings.Trim(last, "0123456789") == "" || isHexNumber(last) {
		return Observable{}, fault.New(fault.Invalid, op, "%q looks like an address, but is none in the usual form", clip(s))
	}
	return Observable{Domain, ascii}, nil
}

// toASCII is the normal form of a name. That of letters, digits and hyphens only
// is the name in lower case.
func toASCII(s string) (string, error) {
	const op = "observable.domain"
	if plain(s) {
		s = strings.ToLower(strings.TrimSuffix(s, "."))
		return s, checkName(s)
	}
	ascii, err := names.ToASCII(strings.TrimSuffix(s, "."))
	if err != nil {
		return "", fault.As(fault.Invalid, op, err, "%q is not a name: %v", clip(s), err)
	}
	ascii = strings.ToLower(strings.TrimSuffix(ascii, "."))
	if err := checkName(ascii); err != nil {
		return "", err
	}
	// A name whose normal form is not its own normal form is a forgery of
	// punycode, and two parts of the line would read it differently.
	if again, err := names.ToASCII(ascii); err != nil || again != ascii {
		return "", fault.New(fault.Invalid, op, "%q is not valid punycode", clip(s))
	}
	return ascii, nil
}

// plain tells a name that is as it looks: no byte of it and no label means
// something else to IDNA. What has two hyphens may be punycode.
func plain(s string) bool {
	for i := range len(s) {
		if !isWord(s[i]) && s[i] != '.' && s[i] != '-' {
			return false
		}
	}
	return !strings.Contains(s, "--") && !strings.HasSuffix(s, "..")
}

// isHexNumber tells the last label that WHATWG reads as part of an address.
func isHexNumber(s string) bool {
	return strings.HasPrefix(s, "0x") && strings.Trim(s[2:], "0123456789abcdef") == ""
}

func checkName(s string) error {
	const op = "observable.domain"
	if s == "" || len(s) > MaxName {
		return fault.New(fault.Invalid, op, "a name has 1 to %d characters", MaxName)
	}
	for l := range strings.SplitSeq(s, ".") {
		if l == "" || len(l) > maxLabel {
			return fault.New(fault.Invalid, op, "%q has a part that is empty or longer than %d characters", clip(s), maxLabel)
		}
		for i := range len(l) {
			c := l[i]
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return fault.New(fault.Invalid, op, "%q has the character %q, which no name has", clip(s), c)
			}
		}
	}
	return nil
}

func parseAddr(s string) (Observable, error) {
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		return Observable{}, fault.New(fault.Invalid, "observable.addr", "%q is not an address", clip(s))
	}
	if a.Zone() != "" {
		return Observable{}, fault.New(fault.Invalid, "observable.addr", "%q has a zone, which means something on one machine only", clip(s))
	}
	return ofAddr(a), nil
}

func ofAddr(a netip.Addr) Observable {
	a = a.Unmap()
	if a.Is4() {
		return Observable{IPv4, a.String()}
	}
	return Observable{IPv6, a.String()}
}

func parseCIDR(s string) (Observable, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return Observable{}, fault.New(fault.Invalid, "observable.cidr", "%q is neither an address range nor a URL with its scheme", clip(s))
	}
	a, bits := p.Addr(), p.Bits()
	if a.Is4In6() {
		if bits < 96 {
			return Observable{}, fault.New(fault.Invalid, "observable.cidr", "%q is wider than the IPv4-mapped range", clip(s))
		}
		a, bits = a.Unmap(), bits-96
	}
	p, err = a.Prefix(bits)
	if err != nil {
		return Observable{}, fault.Wrap("observable.cidr", err)
	}
	if p.IsSingleIP() {
		return ofAddr(p.Addr()), nil
	}
	return Observable{CIDR, p.String()}, nil
}

// parseURL normalises as far as two writings of one address are one: scheme and
// host in lower case, no default port, no user name (it identifies people), no
// fragment (it is not sent).
func parseURL(s string) (Observable, error) {
	const op = "observable.url"
	if len(s) > maxURL {
		return Observable{}, fault.New(fault.TooLarge, op, "the URL is longer than %d bytes", maxURL)
	}
	u, err := url.Parse(s)
	if err != nil {
		return Observable{}, fault.As(fault.Invalid, op, err, "%q is not a URL", clip(s))
	}
	u.Scheme = strings.ToLower(u.Scheme)
	switch u.Scheme {
	case "http", "https", "ftp", "ftps", "ws", "wss", "tcp", "udp", "ldap", "ldaps", "rmi", "smb", "sftp", "ssh":
	default:
		return Observable{}, fault.New(fault.Invalid, op, "%q has a scheme that is not known here", clip(s))
	}
	host, err := Parse(u.Hostname())
	if err != nil || (host.Kind != Domain && host.Kind != IPv4 && host.Kind != IPv6) {
		return Observable{}, fault.New(fault.Invalid, op, "%q has no host that can be looked up", clip(s))
	}
	name := host.Value
	if host.Kind == IPv6 {
		name = "[" + name + "]"
	}
	if p := u.Port(); p != "" && p != map[string]string{"http": "80", "https": "443", "ws": "80", "wss": "443", "ftp": "21"}[u.Scheme] {
		name += ":" + p
	}
	u.Host, u.User, u.Fragment, u.RawFragment = name, nil, "", ""
	if u.Path == "" {
		u.Path = "/"
	}
	out := u.String()
	if again, err := url.Parse(out); err != nil || again.String() != out || again.Hostname() != host.Value {
		return Observable{}, fault.New(fault.Invalid, op, "%q does not keep its meaning when it is written again", clip(s))
	}
	if len(out) > maxURL {
		return Observable{}, fault.New(fault.TooLarge, op, "the URL is longer than %d bytes", maxURL)
	}
	return Observable{URL, out}, nil
}

// Host returns the name or address of a URL.
func (o Observable) Host() (Observable, bool) {
	if o.Kind != URL {
		return Observable{}, false
	}
	u, err := url.Parse(o.Value)
	if err != nil {
		return Observable{}, false
	}
	h, err := Parse(u.Hostname())
	return h, err == nil
}

var fanged = strings.NewReplacer("[.]", ".", "(.)", ".", "{.}", ".", "[dot]", ".", "(dot)", ".", "[DOT]", ".", "[:]", ":", "[://]", "://", "[/]", "/", "。", ".", "．", ".", "｡", ".")

func refang(s string) string {
	s = fanged.Replace(s)
	if low := strings.ToLower(s[:min(len(s), 8)]); strings.HasPrefix(low, "hxxp") {
		s = "http" + s[4:]
	} else if strings.HasPrefix(low, "fxp") {
		s = "ftp" + s[3:]
	}
	return s
}

// Defang writes an observable so that no program makes a link of it.
func (o Observable) Defang() string {
	switch o.Kind {
	case Domain, IPv4:
		return strings.ReplaceAll(o.Value, ".", "[.]")
	case IPv6:
		return strings.Replace(o.Value, ":", "[:]", 1)
	case CIDR:
		if strings.Contains(o.Value, ":") {
			return strings.Replace(o.Value, ":", "[:]", 1)
		}
		return strings.ReplaceAll(o.Value, ".", "[.]")
	case URL:
		scheme, rest, _ := strings.Cut(o.Value, "://")
		host, path, _ := strings.Cut(rest, "/")
		if strings.HasPrefix(scheme, "http") {
			scheme = "hxxp" + scheme[4:]
		}
		return scheme + "[:]//" + strings.ReplaceAll(host, ".", "[.]") + "/" + path
	}
	return o.Value
}

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}

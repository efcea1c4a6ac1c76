package nvd

import (
	"net/url"
	"regexp"
	"strings"

	"noroshi/analyse/affected/version"
)

// CPE is the name of a product (CPE 2.3, or the older 2.2), its parts in lower
// case and without escapes: part, vendor, product, version, update, edition,
// language, software edition, target software, target hardware, other.
type CPE [11]string

// The places of the parts that are asked for by name.
const (
	vendor     = 1
	product    = 2
	versionAt  = 3
	updateAt   = 4
	anything   = "*"
	notThere   = "-"
	maxCPE     = 2048
	lastOfURI  = 7 // CPE 2.2 has seven parts
	firstAfter = 5
)

// ParseCPE reads a name; ok is false for what is none.
func ParseCPE(s string) (c CPE, ok bool) {
	if len(s) > maxCPE {
		return c, false
	}
	var parts []string
	if rest, is := strings.CutPrefix(s, "cpe:2.3:"); is {
		parts = split(rest)
		if len(parts) != len(c) {
			return c, false
		}
	} else if rest, is := strings.CutPrefix(s, "cpe:/"); is {
		parts = strings.Split(rest, ":")
		if len(parts) > lastOfURI {
			return c, false
		}
		for i, p := range parts {
			u, err := url.PathUnescape(p)
			if err != nil {
				return c, false
			}
			parts[i] = u
		}
	}
	for i := range c {
		c[i] = anything
		if i < len(parts) && parts[i] != "" {
			c[i] = strings.ToLower(parts[i])
		}
	}
	return c, (c[0] == "a" || c[0] == "o" || c[0] == "h") && c[vendor] != anything && c[product] != anything
}

// split parts a formatted string at its colons, of which those after a backslash
// belong to a name.
func split(s string) (parts []string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == ':':
			parts = append(parts, b.String())
			b.Reset()
		default:
			b.WriteByte(s[i])
		}
	}
	return append(parts, b.String())
}

// Key is part, vendor and product: two names of one key may be of one product.
func (c CPE) Key() string { return c[0] + ":" + c[vendor] + ":" + c[product] }

// Match is one criterion: a name, and perhaps bounds for the version.
type match struct {
	name       CPE
	vulnerable bool
	from, to   string
	above      bool // from itself is not in it
	below      bool // to itself is not in it
}

// covers says whether a product meets the criterion. Vendor and product are
// compared letter by letter, and so is everything else that the criterion says.
func (m *match) covers(c CPE) bool {
	for i, want := range m.name {
		if i == versionAt || want == anything {
			continue
		}
		if i == updateAt && m.bounded() {
			continue
		}
		if got := c[i]; got != want && !(i >= updateAt && want == notThere && got == anything) {
			return false
		}
	}
	if !m.bounded() {
		return m.name[versionAt] == anything || m.name[versionAt] == c[versionAt]
	}
	// A pre-release stands before the release, and no bound says so.
	v := c[versionAt]
	if !plain.MatchString(v) || c[updateAt] != anything && c[updateAt] != notThere {
		return false
	}
	return within(v, m.from, m.above, 1) && within(v, m.to, m.below, -1)
}

func (m *match) bounded() bool { return m.from != "" || m.to != "" }

// plain are the versions that can be ordered without knowing whose they are:
// numbers with dots, and at the end a letter (OpenSSL) or a patch (OpenSSH).
var plain = regexp.MustCompile(`^[0-9]+(\.[0-9]+)*([a-z]|p[0-9]+)?$`)

// order is rpmvercmp, which orders what plain allows as people do.
var order, _ = version.Of("rpm")

// within says whether a version is on the right side of a bound; a bound that
// cannot be ordered holds nothing.
func within(v, bound string, strict bool, side int) bool {
	if bound == "" {
		return true
	}
	if !plain.MatchString(bound) {
		return false
	}
	c := order.Compare(v, bound) * side
	return c > 0 || c == 0 && !strict
}

// In is the product in a version, where its name says none.
func (c CPE) In(v string) *CPE {
	if c[versionAt] == anything && v != "" {
		c[versionAt] = strings.ToLower(v)
	}
	return &c
}

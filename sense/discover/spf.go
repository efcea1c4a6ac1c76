package discover

import (
	"net/netip"
	"strconv"
	"strings"

	"noroshi/fault"
)

// Limits of RFC 7208, section 4.6.4, and of one record.
const (
	maxSPFLookups = 10
	maxSPFVoid    = 2
	maxSPFTerms   = 256
	maxSPFText    = 8 << 10
)

// spfTerm is one mechanism or modifier of an SPF record that names something.
type spfTerm struct {
	name   string       // include, redirect, a, mx, ptr, exists, ip4, ip6
	domain string       // "" stands for the domain of the record
	prefix netip.Prefix // of ip4 and ip6
}

// lookup tells the terms that cost one of the ten look-ups.
func (t spfTerm) lookup() bool { return t.name != "ip4" && t.name != "ip6" }

// isSPF tells a record of version 1 (section 4.5).
func isSPF(text string) bool {
	v, _, _ := strings.Cut(text, " ")
	return strings.EqualFold(v, "v=spf1")
}

// parseSPF reads an SPF record (RFC 7208). The whole record is refused for a term
// that is none, as section 4.6 wants it; a domain with a macro depends on the
// mail that is asked about, so the term is left out and counted.
func parseSPF(text string) (terms []spfTerm, macros int, err error) {
	const op = "discover.spf"
	if !isSPF(text) {
		return nil, 0, fault.New(fault.Invalid, op, "the text is no SPF record of version 1")
	}
	if len(text) > maxSPFText {
		return nil, 0, fault.New(fault.TooLarge, op, "the SPF record is longer than %d bytes", maxSPFText)
	}
	var redirect *spfTerm
	all := false // What stands behind it is never looked at (sections 5.1 and 6.1).
	for i, word := range strings.Fields(text)[1:] {
		if i >= maxSPFTerms {
			return nil, macros, fault.New(fault.TooLarge, op, "the SPF record has more than %d terms", maxSPFTerms)
		}
		t, kept, err := parseTerm(word)
		if err != nil {
			return nil, macros, fault.As(fault.Invalid, op, err, "term %d of the SPF record, %q, is not one of RFC 7208", i+1, clipped(word))
		}
		switch {
		case t.name == "all":
			all = true
		case strings.Contains(t.domain, "%"):
			macros++
		case t.name == "redirect" && redirect != nil:
			return nil, macros, fault.New(fault.Invalid, op, "the SPF record has two redirects")
		case t.name == "redirect":
			redirect = &t
		case kept && !all:
			terms = append(terms, t)
		}
	}
	if redirect != nil && !all {
		terms = append(terms, *redirect) // It is looked at when nothing before matched.
	}
	return terms, macros, nil
}

// parseTerm reads one term; kept is false for what names nothing.
func parseTerm(word string) (t spfTerm, kept bool, err error) {
	bad := fault.New(fault.Invalid, "discover.spf_term", "it is none")
	if name, value, ok := strings.Cut(word, "="); ok && isModifier(name) {
		switch t.name = strings.ToLower(name); t.name {
		case "redirect":
			t.domain = value
			if value == "" {
				return t, false, bad
			}
			return t, true, nil
		default: // exp tells why mail was refused; unknown ones are for later versions.
			return spfTerm{}, false, nil
		}
	}
	word = strings.TrimLeft(word, "+-~?")
	end := strings.IndexAny(word, ":/")
	rest := ""
	if end >= 0 {
		word, rest = word[:end], word[end:]
	}
	value, hasValue := strings.CutPrefix(rest, ":")
	switch t.name = strings.ToLower(word); t.name {
	case "all":
		if rest != "" {
			return t, false, bad
		}
		return t, false, nil
	case "include", "exists":
		if t.domain = value; !hasValue || value == "" {
			return t, false, bad
		}
		return t, true, nil
	case "a", "mx", "ptr":
		name, bits, cut := strings.Cut(rest, "/")
		if t.domain = strings.TrimPrefix(name, ":"); name == ":" || cut && (t.name == "ptr" || !isDualBits(bits)) {
			return t, false, bad
		}
		return t, true, nil
	case "ip4", "ip6":
		if t.prefix, err = spfPrefix(value, t.name == "ip4"); err != nil || !hasValue {
			return t, false, bad
		}
		return t, true, nil
	}
	return t, false, bad
}

// isModifier tells a modifier's name: a letter, then letters, digits, "-", "_"
// and ".".
func isModifier(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		letter := c >= 'a' && c <= 'z'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789-_.", rune(s[i]))) {
			return false
		}
	}
	return s != ""
}

// isDualBits tells "24", "24//64" and "/64", what may stand behind the first
// slash of a and mx.
func isDualBits(s string) bool {
	four, six, both := strings.Cut(s, "//")
	if !both {
		if six, ok := strings.CutPrefix(s, "/"); ok {
			return isBits(six, 128)
		}
		return isBits(s, 32)
	}
	return isBits(four, 32) && isBits(six, 128)
}

func isBits(s string, most int) bool {
	n, err := strconv.ParseUint(s, 10, 8)
	return err == nil && int(n) <= most && strconv.FormatUint(n, 10) == s
}

func spfPrefix(s string, four bool) (netip.Prefix, error) {
	if !strings.Contains(s, "/") {
		a, err := netip.ParseAddr(s)
		if err != nil || a.Is4() != four || a.Zone() != "" || a.Is4In6() {
			return netip.Prefix{}, fault.New(fault.Invalid, "discover.spf_address", "it is no address of that family")
		}
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil || p.Addr().Is4() != four || p.Addr().Is4In6() {
		return netip.Prefix{}, fault.New(fault.Invalid, "discover.spf_address", "it is no range of that family")
	}
	return p.Masked(), nil
}

func clipped(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}

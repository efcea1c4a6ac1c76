package discovery

import "strings"

// OrganisationOf is the organisation (O) that a certificate's subject names, in
// the form of RFC 4514 in which surface scans tell it; "" when it names none.
func OrganisationOf(subject string) string {
	for _, part := range unescapedParts(subject) {
		if name, value, ok := strings.Cut(part, "="); ok && strings.EqualFold(strings.TrimSpace(name), "O") && !strings.HasPrefix(value, "#") {
			return strings.TrimSpace(unescape(value))
		}
	}
	return ""
}

// unescapedParts cuts at commas and pluses that stand for themselves.
func unescapedParts(s string) (out []string) {
	from := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case ',', '+':
			out, from = append(out, s[from:i]), i+1
		}
	}
	return append(out, s[from:])
}

// unescape takes the backslashes of RFC 4514 away: before a character, or before
// two hexadecimal digits of a byte.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		if i+2 < len(s) && hex(s[i+1]) >= 0 && hex(s[i+2]) >= 0 {
			b.WriteByte(byte(hex(s[i+1])<<4 | hex(s[i+2])))
			i += 2
			continue
		}
		i++
		b.WriteByte(s[i])
	}
	return clip(b.String())
}

func hex(c byte) int {
	if c >= 'A' && c <= 'F' {
		c += 'a' - 'A'
	}
	return strings.IndexByte("0123456789abcdef", c)
}

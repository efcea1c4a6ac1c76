package sigma

import (
	"strings"
	"unicode/utf8"

	"noroshi/fault"
)

// pattern is a Sigma string: literal text with * (anything) and ? (one
// character). A backslash escapes a wildcard or another backslash; before
// anything else it is itself.
type pattern []part

type part struct {
	text string // literal, or "" with wild
	wild byte   // '*', '?', or 0
}

func parsePattern(s string) pattern {
	var p pattern
	var lit strings.Builder
	flush := func() {
		if lit.Len() > 0 {
			p = append(p, part{text: lit.String()})
			lit.Reset()
		}
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && i+1 < len(s) && (s[i+1] == '*' || s[i+1] == '?' || s[i+1] == '\\'):
			i++
			lit.WriteByte(s[i])
		case c == '*' || c == '?':
			flush()
			p = append(p, part{wild: c})
		default:
			lit.WriteByte(c)
		}
	}
	flush()
	return p
}

// plain is the text of a pattern without wildcards.
func (p pattern) plain() (string, error) {
	var b strings.Builder
	for _, x := range p {
		if x.wild != 0 {
			return "", fault.New(fault.Invalid, "sigma.value", "a value that is encoded has no wildcards")
		}
		b.WriteString(x.text)
	}
	return b.String(), nil
}

// wrap adds the wildcards that a comparison stands for.
func (p pattern) wrap(compare string) pattern {
	star := part{wild: '*'}
	switch compare {
	case "contains":
		return append(append(pattern{star}, p...), star)
	case "startswith":
		return append(p[:len(p):len(p)], star)
	case "endswith":
		return append(pattern{star}, p...)
	}
	return p
}

// lower is the pattern for values in lower case.
func (p pattern) lower() pattern {
	out := make(pattern, len(p))
	for i, x := range p {
		out[i] = part{strings.ToLower(x.text), x.wild}
	}
	return out
}

// match tells whether the whole of s fits the pattern. After a star, the first
// place where the rest fits up to the next star is as good as any, so that one
// step back is enough.
func (p pattern) match(s string) bool {
	at, rest, star := 0, "", -1 // part to fit; what was left at the last star; that star
	for {
		if at < len(p) && p[at].wild == '*' {
			star, rest = at, s
			at++
			continue
		}
		if at == len(p) && s == "" {
			return true
		}
		if at < len(p) {
			if left, ok := p[at].fit(s); ok {
				s = left
				at++
				continue
			}
		}
		if star < 0 || rest == "" {
			return false
		}
		_, n := utf8.DecodeRuneInString(rest)
		rest = rest[n:]
		// What follows the star begins with literal text: nothing before it can fit.
		if next := star + 1; next < len(p) && p[next].wild == 0 {
			i := strings.Index(rest, p[next].text)
			if i < 0 {
				return false
			}
			rest = rest[i:]
		}
		s, at = rest, star+1
	}
}

// fit takes a literal or a ? off the front of s.
func (x part) fit(s string) (string, bool) {
	if x.wild == 0 {
		return strings.CutPrefix(s, x.text)
	}
	if s == "" {
		return "", false
	}
	_, n := utf8.DecodeRuneInString(s)
	return s[n:], true
}

// test makes the comparison of a field with the pattern.
func (p pattern) test(field string, cased bool) search {
	if cased {
		return stringTest{field, p.match, p.literal(cased)}
	}
	p = p.lower()
	return stringTest{field, func(s string) bool { return p.match(strings.ToLower(s)) }, p.literal(cased)}
}

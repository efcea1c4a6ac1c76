package version

import "strings"

// Debian's [epoch:]upstream[-revision] (deb-version(7)): letters before other
// characters, and a tilde before everything, the end included.

func validDebian(s string) bool {
	if !printable(s) {
		return false
	}
	epoch, upstream, revision := splitDebian(s)
	if strings.Contains(s, ":") && !number(epoch) {
		return false
	}
	allowed := func(s, more string) bool {
		for i := range len(s) {
			if c := s[i]; !digit(c) && !letter(c) && strings.IndexByte(more, c) < 0 {
				return false
			}
		}
		return true
	}
	// Real upstream versions do not all begin with a digit, as they should.
	return upstream != "" && allowed(upstream, ".+-:~") && allowed(revision, ".+~")
}

func splitDebian(s string) (epoch, upstream, revision string) {
	if e, rest, ok := strings.Cut(s, ":"); ok {
		epoch, s = e, rest
	}
	if i := strings.LastIndexByte(s, '-'); i >= 0 {
		return epoch, s[:i], s[i+1:]
	}
	return epoch, s, ""
}

func compareDebian(a, b string) int {
	ea, ua, ra := splitDebian(a)
	eb, ub, rb := splitDebian(b)
	if c := compareNumbers(ea, eb); c != 0 {
		return c
	}
	if c := comparePartsDebian(ua, ub); c != 0 {
		return c
	}
	return comparePartsDebian(ra, rb)
}

// comparePartsDebian takes turns: what is no digit, character by character, then
// digits by value.
func comparePartsDebian(a, b string) int {
	for a != "" || b != "" {
		for a != "" && !digit(a[0]) || b != "" && !digit(b[0]) {
			if c := weightDebian(a) - weightDebian(b); c != 0 {
				return sign(c)
			}
			a, b = a[1:], b[1:] // Equal weights: both have a character.
		}
		var x, y string
		x, a = leadingDigits(a)
		y, b = leadingDigits(b)
		if c := compareNumbers(x, y); c != 0 {
			return c
		}
	}
	return 0
}

func weightDebian(s string) int {
	switch {
	case s == "" || digit(s[0]):
		return 0
	case s[0] == '~':
		return -1
	case letter(s[0]):
		return int(s[0])
	}
	return int(s[0]) + 256
}

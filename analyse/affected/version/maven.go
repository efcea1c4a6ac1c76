package version

import (
	"slices"
	"strings"
)

// Maven's order (https://maven.apache.org/pom.html#version-order-specification):
// tokens parted by dots, hyphens, underscores and where digits meet letters;
// trailing null tokens are dropped before each hyphen.
type mavenToken struct {
	hyphen bool // what stands before it; otherwise a dot
	text   string
}

func validMaven(s string) bool { return printable(s) && !strings.ContainsAny(s, "[](),:/\\") }

func parseMaven(s string) []mavenToken {
	s = strings.ToLower(s)
	var all []mavenToken
	hyphen := false
	for i := 0; ; {
		to := i
		for to < len(s) && strings.IndexByte(".-_", s[to]) < 0 && (to == i || digit(s[to]) == digit(s[to-1])) {
			to++
		}
		text := s[i:to]
		atDigit := to < len(s) && to > i && strings.IndexByte(".-_", s[to]) < 0 && digit(s[to])
		if !number(text) {
			text = mavenWord(text, atDigit)
		}
		if text == "" || number(text) && strings.Trim(text, "0") == "" {
			text = "0"
		}
		all = append(all, mavenToken{hyphen, text})
		if to == len(s) {
			return trimMaven(all)
		}
		if strings.IndexByte(".-_", s[to]) >= 0 {
			hyphen = s[to] != '.'
			i = to + 1
		} else {
			hyphen, i = true, to
		}
	}
}

// mavenWord gives the spellings of one qualifier the same one. The short ones
// count as such only before a number.
func mavenWord(s string, beforeDigit bool) string {
	switch {
	case beforeDigit && s == "a":
		return "alpha"
	case beforeDigit && s == "b":
		return "beta"
	case beforeDigit && s == "m":
		return "milestone"
	case s == "cr":
		return "rc"
	case s == "ga" || s == "final" || s == "release":
		return ""
	}
	return s
}

// trimMaven drops null tokens from the end, and before hyphens and qualifiers.
func trimMaven(all []mavenToken) []mavenToken {
	out := all[:0]
	for _, t := range all {
		if t.hyphen || !number(t.text) {
			out = trimNulls(out)
		}
		out = append(out, t)
	}
	return trimNulls(out)
}

func trimNulls(list []mavenToken) []mavenToken {
	for len(list) > 0 && list[len(list)-1].text == "0" {
		list = list[:len(list)-1]
	}
	return list
}

func compareMaven(a, b string) int {
	x, y := parseMaven(a), parseMaven(b)
	for i := range max(len(x), len(y)) {
		m, n := end, end
		if i < len(x) {
			m = x[i]
		}
		if i < len(y) {
			n = y[i]
		}
		rank := m.rank()
		if c := sign(rank - n.rank()); c != 0 {
			return c
		}
		c := strings.Compare(m.text, n.text)
		if rank >= hyphened {
			c = compareNumbers(m.text, n.text)
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

// end is what follows the last token: the release itself.
var end = mavenToken{}

// The ranks of tokens: these qualifiers, the end among them, then unknown
// qualifiers by their letters, then numbers, of which a dotted one is later.
var qualifiers = []string{"alpha", "beta", "milestone", "rc", "snapshot", "", "sp"}

const (
	unknown  = 7
	hyphened = 8
	dotted   = 9
)

func (t mavenToken) rank() int {
	switch i := slices.Index(qualifiers, t.text); {
	case i >= 0:
		return i
	case !number(t.text):
		return unknown
	case t.hyphen:
		return hyphened
	}
	return dotted
}

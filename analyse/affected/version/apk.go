package version

import "strings"

// Alpine's number{.number}{letter}{_suffix{number}}{~hash}{-r#} (apk-package(5)).
// It is ordered token by token. Numbers behind the first are compared as text when
// one begins with a zero. Where one version ends the longer one is greater, but for
// a suffix that comes before the release.

// The kinds of tokens, in the order in which they may follow each other; of two
// versions that differ in kind the one with the later kind is the lesser.
const (
	apkFirst = iota
	apkNumber
	apkLetter
	apkSuffix
	apkSuffixNumber
	apkHash
	apkRevision
	apkEnd
	apkInvalid
)

// apkSuffixes are in their order; those before the empty one come before the
// release.
var apkSuffixes = []string{"alpha", "beta", "pre", "rc", "", "cvs", "svn", "git", "hg", "p"}

const apkRelease = 4

// apkLexer takes tokens off a version.
type apkLexer struct {
	rest, text string
	kind, rank int // rank is of a suffix
}

func (l *apkLexer) next() {
	was := l.kind
	l.kind = apkInvalid
	if l.rest == "" {
		l.kind = apkEnd
		return
	}
	switch c := l.rest[0]; {
	case digit(c) && was == apkSuffix:
		l.kind = apkSuffixNumber
	case c == '.' && was <= apkNumber:
		l.kind, l.rest = apkNumber, l.rest[1:]
	case c >= 'a' && c <= 'z' && was < apkLetter:
		l.kind, l.text, l.rest = apkLetter, l.rest[:1], l.rest[1:]
		return
	case c == '_' && was < apkHash:
		l.text, l.rest = leadingLetters(l.rest[1:])
		for i, s := range apkSuffixes {
			if s == l.text && s != "" {
				l.kind, l.rank = apkSuffix, i
			}
		}
		return
	case c == '~' && was < apkHash:
		l.kind, l.rest = apkHash, l.rest[1:]
		n := len(l.rest) - len(strings.TrimLeft(l.rest, "0123456789abcdef"))
		l.text, l.rest = l.rest[:n], l.rest[n:]
	case strings.HasPrefix(l.rest, "-r") && was < apkRevision:
		l.kind, l.rest = apkRevision, l.rest[2:]
	}
	if l.kind != apkHash && l.kind != apkInvalid {
		l.text, l.rest = leadingDigits(l.rest)
	}
	if l.text == "" {
		l.kind = apkInvalid
	}
}

func lexAPK(s string) apkLexer {
	l := apkLexer{kind: apkFirst}
	l.text, l.rest = leadingDigits(s)
	return l
}

func validAPK(s string) bool {
	l := lexAPK(s)
	if !printable(s) || l.text == "" {
		return false
	}
	for l.kind < apkEnd {
		l.next()
	}
	return l.kind == apkEnd
}

func compareAPK(a, b string) int {
	x, y := lexAPK(a), lexAPK(b)
	for x.kind == y.kind && x.kind < apkEnd {
		if c := compareTokensAPK(&x, &y); c != 0 {
			return c
		}
		x.next()
		y.next()
	}
	switch {
	case x.kind == apkSuffix && x.rank < apkRelease:
		return -1
	case y.kind == apkSuffix && y.rank < apkRelease:
		return 1
	}
	return sign(y.kind - x.kind)
}

// compareTokensAPK compares two tokens of one kind.
func compareTokensAPK(x, y *apkLexer) int {
	switch x.kind {
	case apkSuffix:
		return sign(x.rank - y.rank)
	case apkLetter, apkHash:
		return strings.Compare(x.text, y.text)
	case apkNumber:
		if x.text[0] == '0' || y.text[0] == '0' {
			return strings.Compare(x.text, y.text)
		}
	}
	return compareNumbers(x.text, y.text)
}

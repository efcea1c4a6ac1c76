package version

import "strings"

// PEP 440 (https://packaging.python.org/specifications/version-specifiers):
// [N!]N(.N)*[{a|b|rc}N][.postN][.devN][+local], with the other spellings that it
// normalises.
type pep440 struct {
	epoch, release  string
	pre             byte   // 'a', 'b', 'r', or 0
	preN, postN     string // digits
	hasPost, hasDev bool
	devN, local     string
	hasLocal        bool
}

func validPEP440(s string) bool {
	_, ok := parsePEP440(s)
	return ok
}

// spellings of the pre-release phases; longer ones first.
var phases = []struct {
	word string
	is   byte
}{{"alpha", 'a'}, {"beta", 'b'}, {"preview", 'r'}, {"pre", 'r'}, {"rc", 'r'}, {"c", 'r'}, {"a", 'a'}, {"b", 'b'}}

func parsePEP440(s string) (v pep440, ok bool) {
	if len(s) > maxVersion {
		return v, false
	}
	s = strings.ToLower(strings.TrimSpace(s))
	s = strings.TrimPrefix(s, "v")
	if e, rest, has := strings.Cut(s, "!"); has {
		if !number(e) {
			return v, false
		}
		v.epoch, s = e, rest
	}
	if v.release, s = releasePart(s); v.release == "" {
		return v, false
	}
	for _, p := range phases {
		if rest, has := strings.CutPrefix(unseparated(s), p.word); has {
			v.pre = p.is
			v.preN, s = numbered(rest)
			break
		}
	}
	if rest, has := strings.CutPrefix(s, "-"); has && rest != "" && digit(rest[0]) {
		v.hasPost = true
		v.postN, s = leadingDigits(rest)
	} else {
		for _, word := range []string{"post", "rev", "r"} {
			if rest, has := strings.CutPrefix(unseparated(s), word); has {
				v.hasPost = true
				v.postN, s = numbered(rest)
				break
			}
		}
	}
	if rest, has := strings.CutPrefix(unseparated(s), "dev"); has {
		v.hasDev = true
		v.devN, s = numbered(rest)
	}
	if rest, has := strings.CutPrefix(s, "+"); has {
		v.hasLocal, v.local, s = true, strings.NewReplacer("-", ".", "_", ".").Replace(rest), ""
		for part := range strings.SplitSeq(v.local, ".") {
			if part == "" || strings.ContainsFunc(part, func(r rune) bool { return r > 127 || !digit(byte(r)) && !letter(byte(r)) }) {
				return v, false
			}
		}
	}
	return v, s == ""
}

// releasePart is the longest N(.N)* that s begins with.
func releasePart(s string) (release, rest string) {
	end := 0
	for {
		d, _ := leadingDigits(s[end:])
		if d == "" {
			return s[:max(end-1, 0)], s[max(end-1, 0):]
		}
		if end += len(d); end == len(s) || s[end] != '.' {
			return s[:end], s[end:]
		}
		end++
	}
}

func unseparated(s string) string {
	if s != "" && strings.IndexByte(".-_", s[0]) >= 0 {
		return s[1:]
	}
	return s
}

// numbered reads the number behind a word; none is zero.
func numbered(s string) (n, rest string) {
	if n, rest = leadingDigits(unseparated(s)); n != "" {
		return n, rest
	}
	return "0", s
}

func leadingDigits(s string) (digits, rest string) {
	i := 0
	for i < len(s) && digit(s[i]) {
		i++
	}
	return s[:i], s[i:]
}

func comparePEP440(a, b string) int {
	x, _ := parsePEP440(a)
	y, _ := parsePEP440(b)
	if c := compareNumbers(x.epoch, y.epoch); c != 0 {
		return c
	}
	ra, rb := x.release, y.release
	for ra != "" || rb != "" {
		var m, n string
		m, ra, _ = strings.Cut(ra, ".")
		n, rb, _ = strings.Cut(rb, ".")
		if c := compareNumbers(m, n); c != 0 {
			return c
		}
	}
	for _, c := range []int{
		sign(x.phase() - y.phase()), compareNumbers(x.preN, y.preN),
		yes(x.hasPost) - yes(y.hasPost), compareNumbers(x.postN, y.postN),
		yes(y.hasDev) - yes(x.hasDev), compareNumbers(x.devN, y.devN),
	} {
		if c != 0 {
			return c
		}
	}
	return compareLocal(x, y)
}

// phase orders dev < a < b < rc < release: a development release of no
// pre-release comes before them all.
func (v pep440) phase() int {
	switch {
	case v.pre == 'r':
		return 3
	case v.pre != 0:
		return int(v.pre-'a') + 1
	case v.hasDev && !v.hasPost:
		return 0
	}
	return 4
}

func yes(b bool) int {
	if b {
		return 1
	}
	return 0
}

// compareLocal: none before any, words before numbers, fewer before more.
func compareLocal(a, b pep440) int {
	if a.hasLocal != b.hasLocal {
		return yes(a.hasLocal) - yes(b.hasLocal)
	}
	x, y := a.local, b.local
	for x != "" && y != "" {
		var m, n string
		m, x, _ = strings.Cut(x, ".")
		n, y, _ = strings.Cut(y, ".")
		var c int
		if number(m) != number(n) {
			c = yes(number(m)) - yes(number(n))
		} else if c = strings.Compare(m, n); number(m) {
			c = compareNumbers(m, n)
		}
		if c != 0 {
			return c
		}
	}
	return sign(len(x) - len(y))
}

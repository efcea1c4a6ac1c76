package version

import "strings"

// RPM's [epoch:]version[-release] (rpmvercmp): runs of digits and of letters,
// separators only part them, a tilde is before the end, a caret after it but
// before anything else.

func validRPM(s string) bool {
	epoch, version, _ := splitRPM(s)
	return printable(s) && version != "" && (epoch == "" || number(epoch))
}

func splitRPM(s string) (epoch, version, release string) {
	if e, rest, ok := strings.Cut(s, ":"); ok {
		epoch, s = e, rest
	}
	version, release, _ = strings.Cut(s, "-")
	return epoch, version, release
}

// compareRPM takes a missing release for an empty one, which is the lowest: a
// fix that is said without release is then reached by every build of it.
func compareRPM(a, b string) int {
	ea, va, ra := splitRPM(a)
	eb, vb, rb := splitRPM(b)
	if c := compareNumbers(ea, eb); c != 0 {
		return c
	}
	if c := comparePartsRPM(va, vb); c != 0 {
		return c
	}
	return comparePartsRPM(ra, rb)
}

func comparePartsRPM(a, b string) int {
	for {
		a, b = strings.TrimLeftFunc(a, separates), strings.TrimLeftFunc(b, separates)
		if c, both := marked(a, b, '~'); c != 0 {
			return -c
		} else if both {
			a, b = a[1:], b[1:]
			continue
		}
		if c, both := marked(a, b, '^'); both {
			a, b = a[1:], b[1:]
			continue
		} else if c != 0 {
			// A caret is after the end, and before anything else.
			if a == "" || b == "" {
				return c
			}
			return -c
		}
		if a == "" || b == "" {
			return sign(len(a) - len(b))
		}
		if digit(a[0]) != digit(b[0]) {
			return yes(digit(a[0])) - yes(digit(b[0]))
		}
		var c int
		if digit(a[0]) {
			var x, y string
			x, a = leadingDigits(a)
			y, b = leadingDigits(b)
			c = compareNumbers(x, y)
		} else {
			var x, y string
			x, a = leadingLetters(a)
			y, b = leadingLetters(b)
			c = strings.Compare(x, y)
		}
		if c != 0 {
			return c
		}
	}
}

func separates(r rune) bool {
	return r > 127 || !digit(byte(r)) && !letter(byte(r)) && r != '~' && r != '^'
}

// marked is which of two begins with a mark.
func marked(a, b string, mark byte) (c int, both bool) {
	x, y := a != "" && a[0] == mark, b != "" && b[0] == mark
	return yes(x) - yes(y), x && y
}

func leadingLetters(s string) (letters, rest string) {
	i := 0
	for i < len(s) && letter(s[i]) {
		i++
	}
	return s[:i], s[i:]
}

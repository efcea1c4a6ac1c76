package version

import "strings"

// R's versions of packages (package_version, parted by dots and hyphens) and
// Haskell's (the PVP): numbers one after the other, of which the longer list is
// greater where the shorter ends.

func validDotted(separators string) func(string) bool {
	return func(s string) bool {
		if !printable(s) {
			return false
		}
		for s != "" {
			var n string
			if n, s = leadingDigits(s); n == "" {
				return false
			}
			if s == "" {
				return true
			}
			if strings.IndexByte(separators, s[0]) < 0 {
				return false
			}
			s = s[1:]
		}
		return false // It ends in a separator.
	}
}

func compareDotted(a, b string) int {
	for a != "" && b != "" {
		var x, y string
		x, a = leadingDigits(a)
		y, b = leadingDigits(b)
		if c := compareNumbers(x, y); c != 0 {
			return c
		}
		a, b = a[min(1, len(a)):], b[min(1, len(b)):]
	}
	return sign(len(a) - len(b))
}

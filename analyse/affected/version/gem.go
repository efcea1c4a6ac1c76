package version

import "strings"

// RubyGems' order (Gem::Version): segments of digits or of letters, parted by
// dots, hyphens (a pre-release) and where both meet; letters before numbers.

func validGem(s string) bool {
	if !printable(s) || !digit(s[0]) {
		return false
	}
	last := byte('.')
	for i := range len(s) {
		c := s[i]
		mark := c == '.' || c == '-'
		if !mark && !digit(c) && !letter(c) || mark && (last == '.' || last == '-') {
			return false
		}
		last = c
	}
	return last != '.' && last != '-'
}

// gemSegments splits, and drops zeros at the end and before the first letters.
func gemSegments(s string) []string {
	s = strings.ReplaceAll(s, "-", ".pre.")
	var all []string
	words := false
	trim := func() {
		for len(all) > 0 && strings.Trim(all[len(all)-1], "0") == "" {
			all = all[:len(all)-1]
		}
	}
	for part := range strings.SplitSeq(s, ".") {
		for part != "" {
			var seg string
			if digit(part[0]) {
				seg, part = leadingDigits(part)
			} else {
				if !words {
					trim()
				}
				words = true
				seg, part = leadingLetters(part)
			}
			all = append(all, seg)
		}
	}
	trim()
	return all
}

func compareGem(a, b string) int {
	x, y := gemSegments(a), gemSegments(b)
	for i := range max(len(x), len(y)) {
		m, n := "0", "0"
		if i < len(x) {
			m = x[i]
		}
		if i < len(y) {
			n = y[i]
		}
		if c := compareIdentifiersGem(m, n); c != 0 {
			return c
		}
	}
	return 0
}

// compareIdentifiersGem: words before numbers, unlike SemVer.
func compareIdentifiersGem(a, b string) int {
	na, nb := number(a), number(b)
	switch {
	case na && nb:
		return compareNumbers(a, b)
	case na:
		return 1
	case nb:
		return -1
	}
	return strings.Compare(a, b)
}

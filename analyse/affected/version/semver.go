package version

import "strings"

// SemVer 2.0.0 (https://semver.org), with a leading v as Go writes it, and with
// fewer than three numbers, which advisories have. Build metadata, as in Go's
// +incompatible, is not ordered.

func validSemVer(s string) bool {
	if !printable(s) {
		return false
	}
	core, pre := splitSemVer(s)
	n := 0
	for part := range strings.SplitSeq(core, ".") {
		if n++; !number(part) {
			return false
		}
	}
	if n > 3 {
		return false
	}
	if pre == "" {
		return !strings.Contains(beforeBuild(s), "-")
	}
	for part := range strings.SplitSeq(pre, ".") {
		if part == "" {
			return false
		}
		for i := range len(part) {
			if c := part[i]; !digit(c) && !letter(c) && c != '-' {
				return false
			}
		}
	}
	return true
}

func beforeBuild(s string) string {
	s, _, _ = strings.Cut(s, "+")
	return s
}

func splitSemVer(s string) (core, pre string) {
	s = beforeBuild(s)
	if s != "" && s[0] == 'v' {
		s = s[1:]
	}
	core, pre, _ = strings.Cut(s, "-")
	return core, pre
}

func compareSemVer(a, b string) int {
	coreA, preA := splitSemVer(a)
	coreB, preB := splitSemVer(b)
	for coreA != "" || coreB != "" {
		var x, y string
		x, coreA, _ = strings.Cut(coreA, ".")
		y, coreB, _ = strings.Cut(coreB, ".")
		if c := compareNumbers(x, y); c != 0 {
			return c
		}
	}
	switch {
	case preA == preB:
		return 0
	case preA == "":
		return 1
	case preB == "":
		return -1
	}
	for preA != "" && preB != "" {
		var x, y string
		x, preA, _ = strings.Cut(preA, ".")
		y, preB, _ = strings.Cut(preB, ".")
		if c := compareIdentifiers(x, y); c != 0 {
			return c
		}
	}
	return sign(len(preA) - len(preB))
}

// compareIdentifiers: numbers by value and before words.
func compareIdentifiers(a, b string) int {
	na, nb := number(a), number(b)
	switch {
	case na && nb:
		return compareNumbers(a, b)
	case na:
		return -1
	case nb:
		return 1
	}
	return strings.Compare(a, b)
}

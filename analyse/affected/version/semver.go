package version

import "strings"

// SemVer 2.0.0 (https://semver.org), with a leading v as Go writes it, and with
// fewer than three numbers, which advisories have. Build metadata, as in Go's
// +incompatible, is not ordered.

func validSemVer(s string) bool { return validCore(s, 3) }

// validCore takes up to so many numbers, as NuGet has a fourth.
func validCore(s string, numbers int) bool {
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
	if n > numbers {
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

// NuGet's order is SemVer's with a fourth number and without regard to case.

func validNuGet(s string) bool { return s != "" && s[0] != 'v' && validCore(s, 4) }

func compareNuGet(a, b string) int { return compareSemVer(strings.ToLower(a), strings.ToLower(b)) }

// comparePub is Dart's order: SemVer's, in which builds come after the release
// and are compared as pre-releases are.
func comparePub(a, b string) int {
	if c := compareSemVer(a, b); c != 0 {
		return c
	}
	_, a, _ = strings.Cut(a, "+")
	_, b, _ = strings.Cut(b, "+")
	for a != "" && b != "" {
		var x, y string
		x, a, _ = strings.Cut(a, ".")
		y, b, _ = strings.Cut(b, ".")
		if c := compareIdentifiers(x, y); c != 0 {
			return c
		}
	}
	return sign(len(a) - len(b))
}

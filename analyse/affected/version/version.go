// Package version orders the versions of packages as each ecosystem does:
// SemVer (Go, npm, crates.io and others), PEP 440, Debian, RPM, Alpine, Maven,
// RubyGems, NuGet, Composer, Pub, and the lists of numbers of R and Haskell. A
// version that an ecosystem would not accept is said to be none, never guessed
// at: whoever asks must say "cannot be judged". Written for package affected.
package version

import "strings"

// Rule is the order of one ecosystem. Compare may be called with what Valid
// accepts, and is a total order of it in which equal means the same release.
type Rule struct {
	Valid   func(string) bool
	Compare func(a, b string) int
}

// Of returns the rule for packages of a purl type.
func Of(purlType string) (Rule, bool) {
	r, ok := rules[purlType]
	return r, ok
}

var rules = map[string]Rule{
	"golang":   {validSemVer, compareSemVer},
	"npm":      {validSemVer, compareSemVer},
	"cargo":    {validSemVer, compareSemVer},
	"pypi":     {validPEP440, comparePEP440},
	"deb":      {validDebian, compareDebian},
	"rpm":      {validRPM, compareRPM},
	"maven":    {validMaven, compareMaven},
	"gem":      {validGem, compareGem},
	"apk":      {validAPK, compareAPK},
	"nuget":    {validNuGet, compareNuGet},
	"composer": {validComposer, compareComposer},
	"pub":      {validSemVer, comparePub},
	"cran":     {validDotted(".-"), compareDotted},
	"hackage":  {validDotted("."), compareDotted},
	"hex":      {validSemVer, compareSemVer},
	"swift":    {validSemVer, compareSemVer},
	"github":   {validSemVer, compareSemVer},
	"bitnami":  {validSemVer, compareSemVer},
}

// maxVersion is the longest version that is read.
const maxVersion = 256

func digit(c byte) bool { return c >= '0' && c <= '9' }

func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

func number(s string) bool {
	for i := range len(s) {
		if !digit(s[i]) {
			return false
		}
	}
	return s != ""
}

// compareNumbers compares digits of any length.
func compareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if len(a) != len(b) {
		return sign(len(a) - len(b))
	}
	return strings.Compare(a, b)
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

// printable says whether every byte is a visible one of ASCII.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != "" && len(s) <= maxVersion
}

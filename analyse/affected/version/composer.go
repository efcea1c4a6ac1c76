package version

import "strings"

// Composer's order (composer/semver): a version is brought to four numbers and a
// stability, which PHP's version_compare then compares: dev, alpha, beta, RC, the
// release, patch. A branch (dev-main) has no place in it.

// The ranks of what may stand behind the four numbers. Where a version ends is
// before numbers that go on, so beta comes before beta1.
const (
	composerDev = iota
	composerAlpha
	composerBeta
	composerRC
	composerEnd
	composerNumber
	composerPatch
)

var composerWords = map[string]int{
	"dev": composerDev, "alpha": composerAlpha, "a": composerAlpha, "beta": composerBeta, "b": composerBeta, "rc": composerRC,
	"patch": composerPatch, "pl": composerPatch, "p": composerPatch, "stable": composerEnd,
}

type composerToken struct {
	rank   int
	number string
}

// parseComposer returns the four numbers and what stands behind them.
func parseComposer(s string) (numbers [4]string, behind []composerToken, ok bool) {
	if !printable(s) {
		return numbers, nil, false
	}
	s, _, _ = strings.Cut(strings.TrimPrefix(strings.ToLower(s), "v"), "+")
	n := 0
	for ; n < len(numbers) && s != "" && digit(s[0]); n++ {
		numbers[n], s = leadingDigits(s)
		if len(s) < 2 || s[0] != '.' || !digit(s[1]) {
			n++
			break
		}
		s = s[1:]
	}
	// A stability comes once, with its numbers; a development version of it last.
	stability, numbered, dev := false, false, false
	for s != "" && n > 0 {
		before := s
		s = strings.TrimLeft(s[:1], "._-") + s[1:]
		word, rest := leadingLetters(s)
		if first, found := strings.CutSuffix(word, "dev"); found && first != "" { // alphadev
			word, rest = first, "dev"+rest
		}
		switch rank, known := composerWords[word]; {
		case known && word == "dev" && !dev:
			dev = true
			behind = append(behind, composerToken{rank: rank})
		case known && !stability && !dev:
			stability, numbered = true, rank != composerEnd
			if rank != composerEnd {
				behind = append(behind, composerToken{rank: rank})
			}
		case word == "" && numbered && !dev && before[0] != '_' && rest != "" && digit(rest[0]):
			var number string
			number, rest = leadingDigits(rest)
			behind = append(behind, composerToken{composerNumber, number})
		default:
			return numbers, nil, false
		}
		s = rest
	}
	return numbers, behind, n > 0
}

func validComposer(s string) bool {
	_, _, ok := parseComposer(s)
	return ok
}

func compareComposer(a, b string) int {
	x, behindX, _ := parseComposer(a)
	y, behindY, _ := parseComposer(b)
	for i := range x {
		if c := compareNumbers(x[i], y[i]); c != 0 {
			return c
		}
	}
	for i := range max(len(behindX), len(behindY)) {
		m, n := composerToken{rank: composerEnd}, composerToken{rank: composerEnd}
		if i < len(behindX) {
			m = behindX[i]
		}
		if i < len(behindY) {
			n = behindY[i]
		}
		if c := sign(m.rank - n.rank); c != 0 {
			return c
		}
		if c := compareNumbers(m.number, n.number); c != 0 {
			return c
		}
	}
	return 0
}

package version

import (
	"cmp"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// References are the rules written once more, as slowly and obviously as their
// specifications have them: a version becomes a row of cells, and rows are
// compared cell by cell. A reference says nil of what is no version.
var references = map[string]func(string) []cell{"apk": rowAPK, "nuget": rowNuGet, "composer": rowComposer, "cran": rowDotted(`[.-]`), "hackage": rowDotted(`\.`)}

// cell is compared by its rank, then by its number, then by its text.
type cell struct {
	rank   int
	number *big.Int
	text   string
}

func compareRows(a, b []cell, end cell) int {
	for i := range max(len(a), len(b)) {
		x, y := end, end
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if c := cmp.Or(x.rank-y.rank, decimal(x.number).Cmp(decimal(y.number)), strings.Compare(x.text, y.text)); c != 0 {
			return sign(c)
		}
	}
	return 0
}

func decimal(n *big.Int) *big.Int {
	if n == nil {
		return new(big.Int)
	}
	return n
}

func number10(s string) *big.Int {
	n, _ := new(big.Int).SetString(s, 10)
	return decimal(n)
}

var (
	apkShape      = regexp.MustCompile(`^(\d+)((?:\.\d+)*)([a-z]?)((?:_(?:alpha|beta|pre|rc|cvs|svn|git|hg|p)\d*)*)((?:~[0-9a-f]+)?)((?:-r\d+)?)$`)
	apkSuffixed   = regexp.MustCompile(`_([a-z]+)(\d*)`)
	nugetShape    = regexp.MustCompile(`^(\d+(?:\.\d+){0,3})(?:-([0-9a-z-]+(?:\.[0-9a-z-]+)*))?(?:\+.*)?$`)
	composerShape = regexp.MustCompile(`^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:\.(\d+))?(?:[._-]?(stable|beta|b|rc|alpha|a|patch|pl|p)((?:[.-]?\d+)*))?([._-]?dev)?(?:\+.*)?$`)
)

// rowAPK ranks what may stand at a place: what comes before a release, the end,
// and the other kinds, the later kind below the earlier.
func rowAPK(s string) (row []cell) {
	m := apkShape.FindStringSubmatch(s)
	if m == nil {
		return nil
	}
	row = append(row, cell{number: number10(m[1])})
	for _, n := range strings.Split(m[2], ".")[1:] {
		switch {
		case n[0] == '0': // As text it is before all that do not begin with a zero.
			row = append(row, cell{rank: 90, text: n})
		default:
			row = append(row, cell{rank: 91, number: number10(n)})
		}
	}
	if m[3] != "" {
		row = append(row, cell{rank: 80, text: m[3]})
	}
	for _, x := range apkSuffixed.FindAllStringSubmatch(m[4], -1) {
		rank := slices.Index([]string{"alpha", "beta", "pre", "rc", "", "cvs", "svn", "git", "hg", "p"}, x[1]) + 70
		if before := x[1] == "alpha" || x[1] == "beta" || x[1] == "pre" || x[1] == "rc"; before {
			rank -= 80 // Below the end and everything else.
		}
		row = append(row, cell{rank: rank})
		if x[2] != "" {
			row = append(row, cell{rank: 60, number: number10(x[2])})
		}
	}
	if m[5] != "" {
		row = append(row, cell{rank: 50, text: m[5]})
	}
	if m[6] != "" {
		row = append(row, cell{rank: 40, number: number10(m[6][2:])})
	}
	return row
}

func rowNuGet(s string) (row []cell) {
	m := nugetShape.FindStringSubmatch(strings.ToLower(s))
	if m == nil {
		return nil
	}
	numbers := strings.Split(m[1]+".0.0.0", ".")
	for _, n := range numbers[:4] {
		row = append(row, cell{number: number10(n)})
	}
	if m[2] == "" {
		return append(row, cell{rank: 9})
	}
	for _, id := range strings.Split(m[2], ".") {
		if digits := regexp.MustCompile(`^\d+$`); digits.MatchString(id) {
			row = append(row, cell{rank: 1, number: number10(id)})
		} else {
			row = append(row, cell{rank: 2, text: id})
		}
	}
	return row
}

func rowComposer(s string) (row []cell) {
	m := composerShape.FindStringSubmatch(strings.ToLower(s))
	if m == nil {
		return nil
	}
	for _, n := range m[1:5] {
		row = append(row, cell{number: number10(n)})
	}
	ranks := map[string]int{"a": 1, "alpha": 1, "b": 2, "beta": 2, "rc": 3, "p": 6, "pl": 6, "patch": 6}
	if m[5] == "stable" && m[6] != "" {
		return nil // Composer forgets the numbers; nobody writes them.
	}
	if rank, ok := ranks[m[5]]; ok {
		row = append(row, cell{rank: rank})
		for _, n := range regexp.MustCompile(`\d+`).FindAllString(m[6], -1) {
			row = append(row, cell{rank: 5, number: number10(n)})
		}
	}
	if m[7] != "" {
		row = append(row, cell{rank: 0})
	}
	return append(row, cell{rank: 4}) // Where it ends.
}

func rowDotted(separator string) func(string) []cell {
	shape, digits := regexp.MustCompile(`^\d+(?:`+separator+`\d+)*$`), regexp.MustCompile(`\d+`)
	return func(s string) (row []cell) {
		if !shape.MatchString(s) {
			return nil
		}
		for _, n := range digits.FindAllString(s, -1) {
			row = append(row, cell{rank: 1, number: number10(n)})
		}
		return row
	}
}

func TestOrderIsThatOfItsReference(t *testing.T) {
	for name, reference := range references {
		r, _ := Of(name)
		any := rapid.Custom(func(t *rapid.T) string {
			return strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 1, 7).Draw(t, "pieces"), "")
		})
		begun := rapid.Map(any, func(s string) string { return "1." + s })
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			draw := rapid.OneOf(any, begun, rapid.SampledFrom(flat(ascending[name])))
			a, b := draw.Draw(t, "a"), draw.Draw(t, "b")
			x, y := reference(a), reference(b)
			if r.Valid(a) != (x != nil) {
				t.Fatalf("%q is a version: %v, by its reference %v", a, r.Valid(a), x != nil)
			}
			if x == nil || y == nil {
				return
			}
			if got, want := r.Compare(a, b), compareRows(x, y, cell{}); got != want {
				t.Fatalf("%q and %q compare as %d, by their reference as %d", a, b, got, want)
			}
		}))
	}
}

func flat(cells [][]string) (list []string) {
	for _, c := range cells {
		list = append(list, c...)
	}
	return list
}

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// port is the part of the scanner's line about a port that is compared.
type port struct {
	Port      int    `json:"port"`
	Transport string `json:"transport"`
	Service   string `json:"service"`
	Vendor    string `json:"vendor"`
	Product   string `json:"product"`
	Version   string `json:"version"`
	Package   string `json:"package_version"`
}

func parse(said []byte) (map[string]port, error) {
	ports := map[string]port{}
	for lines := bufio.NewScanner(bytes.NewReader(said)); lines.Scan(); {
		var p port
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			return nil, err
		}
		if p.Port != 0 {
			ports[fmt.Sprintf("%s %d", p.Transport, p.Port)] = p
		}
	}
	return ports, nil
}

// tally counts over all rounds what was right, and remembers why the rest was
// not.
type tally struct {
	asked, product, version, wrong int
	silent                         int      // of those asked, whose version nobody can know
	lines                          []string // of the newest round
}

// judge compares one round with what dpkg knows.
func (t *tally) judge(ports map[string]port, truth map[string]string) {
	t.lines = t.lines[:0]
	for _, s := range services {
		p := ports[s.target()]
		want := upstream(truth[s.pkg])
		t.asked++
		if s.silent != "" {
			t.silent++
		}
		if same(p.Vendor+" "+p.Product, s.product) {
			t.product++
		} else {
			t.note(s, p, "it is %s", s.product)
		}
		switch {
		case repacked.ReplaceAllString(p.Version, "") == want:
			t.version++
		case p.Version != "":
			t.wrong++
			t.note(s, p, "its version is %s", want)
		case s.silent != "":
			t.note(s, p, "no version: %s", s.silent)
		default:
			t.note(s, p, "its version is %s", want)
		}
		if p.Package != "" && p.Package != withoutEpoch(truth[s.pkg]) {
			t.wrong++
			t.note(s, p, "its package is %s", withoutEpoch(truth[s.pkg]))
		}
	}
}

func (t *tally) note(s service, p port, format string, args ...any) {
	t.lines = append(t.lines, fmt.Sprintf("  %-10s %-24s said %q: %s", s.target(), s.pkg, strings.Join([]string{p.Service, p.Vendor, p.Product, p.Version, p.Package}, "|"), fmt.Sprintf(format, args...)))
}

// share is cut and not rounded: what is nearly right is not right.
func share(n, of int) float64 { return float64(1000*n/max(of, 1)) / 1000 }

func (t *tally) print(out io.Writer) {
	fmt.Fprintf(out, "not right, in the last round (service|vendor|product|version|package):\n%s\n", strings.Join(t.lines, "\n"))
}

// same tells whether a name with its vendor is the product's, whatever the case,
// the spaces and the signs, and whether the vendor's name stands before it.
func same(said, product string) bool {
	plain := func(s string) string { return signs.ReplaceAllString(strings.ToLower(s), "") }
	return strings.Contains(plain(said), plain(product))
}

var signs = regexp.MustCompile(`[^a-z0-9]`)

func withoutEpoch(v string) string {
	if _, rest, ok := strings.Cut(v, ":"); ok {
		return rest
	}
	return v
}

// repacked is what Debian writes behind the version of its makers.
var repacked = regexp.MustCompile(`([+~](dfsg|ds|really)[0-9.]*)+$`)

// upstream is the version that the makers gave.
func upstream(v string) string {
	v = withoutEpoch(v)
	if i := strings.LastIndexByte(v, '-'); i >= 0 {
		v = v[:i]
	}
	return repacked.ReplaceAllString(v, "")
}

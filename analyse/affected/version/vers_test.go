package version

import (
	"strings"
	"testing"
)

func TestRanges(t *testing.T) {
	for text, c := range map[string]struct{ in, out string }{
		"vers:npm/*":                              {"1.0.0 2.0.0", ""},
		"vers:npm/1.2.3":                          {"1.2.3", "1.2.4"},
		"vers:npm/1.2.3|=2.0.0":                   {"1.2.3 2.0.0", "1.2.4"},
		"vers:npm/<2.0.0":                         {"0.1.0 1.9.9", "2.0.0 x"},
		"vers:npm/>2.0.0":                         {"2.0.1", "2.0.0 1.0.0"},
		"vers:npm/<=1.0.0|>=2.0.0|!=2.1.0|<3.0.0": {"0.1.0 1.0.0 2.0.0 2.2.0", "1.5.0 2.1.0 3.0.0"},
		"vers:npm/<1.0.0|>=2.0.0":                 {"0.9.0 2.0.0 9.0.0", "1.0.0 1.9.0"},
		"vers:npm/!=1.0.0":                        {"0.9.0 2.0.0", "1.0.0"},
		"vers:npm/>=1.0.0|1.5.0|<1.2.0":           {"1.0.0 1.5.0", "1.2.0 1.4.0 0.9.0"},
		"vers:pypi/>=1.0%2B1|<2":                  {"1.1", "1.0 2"},
		"vers:golang/>=v1.2.0":                    {"1.2.0", "1.1.0"},
		"vers:deb/<1:2.0-1":                       {"5.0-1 1:1.9-9", "1:2.0-1"},
		"vers:semver/>=1.0.0|<2.0.0":              {"1.0.0", "2.0.0"},
	} {
		r, err := ParseRange(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		for _, v := range strings.Fields(c.in) {
			if !r.Contains(v) {
				t.Errorf("%s is not in %s", v, text)
			}
		}
		for _, v := range strings.Fields(c.out) {
			if r.Contains(v) {
				t.Errorf("%s is in %s", v, text)
			}
		}
	}
	for _, bad := range []string{"", "npm/1.0.0", "vers:npm", "vers:npm/", "vers:npm/>=x.y", "vers:intdot/1", "vers:npm/>=1.0.0|>=2.0.0", "vers:npm/<1.0.0|<=2.0.0", "vers:npm/%zz", "vers:npm/" + strings.Repeat("1.0.0|", 2000) + "1.0.0"} {
		if _, err := ParseRange(bad); err == nil {
			t.Errorf("%.40q is a range", bad)
		}
	}
	if (Range{}).Contains("1.0.0") {
		t.Error("no range holds something")
	}
}

func FuzzParseRange(f *testing.F) {
	f.Add("vers:npm/>=1.0.0|!=1.5.0|<2.0.0", "1.0.0")
	f.Fuzz(func(t *testing.T, s, v string) {
		if r, err := ParseRange(s); err == nil {
			r.Contains(v)
		}
	})
}

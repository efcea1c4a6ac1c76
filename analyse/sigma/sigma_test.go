package sigma_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"noroshi/analyse/sigma"
	"noroshi/fault"
)

// fields is an event as a plain map.
type fields map[string]string

func (f fields) Field(name string) ([]string, bool) {
	v, ok := f[name]
	if !ok {
		return nil, false
	}
	return []string{v}, true
}

func (f fields) All(yield func(string) bool) {
	for _, v := range f {
		if !yield(v) {
			return
		}
	}
}

func rule(detection string) string {
	return "title: t\nid: 1\nlogsource:\n  category: process_creation\ndetection:\n" + indent(detection)
}

func indent(s string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n  ") + "\n"
}

func TestSpecification(t *testing.T) {
	wide := base64.StdEncoding.EncodeToString([]byte("p\x00i\x00n\x00g\x00"))
	for _, c := range []struct {
		name, detection string
		yes, no         []fields
	}{
		{"a map needs all, a list any, without regard to case",
			"s:\n  A: x\n  B:\n    - one\n    - Two\ncondition: s",
			[]fields{{"A": "X", "B": "two"}, {"A": "x", "B": "ONE"}}, []fields{{"A": "x"}, {"A": "x", "B": "three"}, {"A": "xx", "B": "one"}}},
		{"a list of maps is any of them", "s:\n  - A: x\n  - B: y\ncondition: s", []fields{{"A": "x"}, {"B": "y"}}, []fields{{"A": "y"}}},
		{"wildcards and their escapes", `s:` + "\n  A:\n    - 'a*z'\n    - 'b?d'\n    - 'lit\\*'\n    - 'c\\\\*'\ncondition: s",
			[]fields{{"A": "az"}, {"A": "a..z"}, {"A": "bcd"}, {"A": "lit*"}, {"A": `c\anything`}}, []fields{{"A": "bd"}, {"A": "literal"}, {"A": "zaz"}}},
		{"a backslash before a letter is itself", "s:\n  A|endswith: '\\cmd.exe'\ncondition: s", []fields{{"A": `C:\cmd.exe`}}, []fields{{"A": "xcmd.exe"}}},
		{"contains, startswith, endswith", "a:\n  A|contains: mid\nb:\n  B|startswith: pre\nc:\n  C|endswith: end\ncondition: a or b or c",
			[]fields{{"A": "amidst"}, {"B": "prefix"}, {"C": "the end"}}, []fields{{"B": "a pre"}, {"C": "ending"}}},
		{"contains and all", "s:\n  A|contains|all:\n    - x\n    - y\ncondition: s", []fields{{"A": "yx"}}, []fields{{"A": "xx"}}},
		{"cased", "s:\n  A|contains|cased: Abc\ncondition: s", []fields{{"A": "zAbcz"}}, []fields{{"A": "zabcz"}}},
		{"regular expressions and their flags", "a:\n  A|re: '^x[0-9]+$'\nb:\n  B|re|i: 'abc'\ncondition: a or b", []fields{{"A": "x12"}, {"B": "xABCx"}}, []fields{{"A": "X12"}, {"A": "x"}}},
		{"cidr", "s:\n  A|cidr:\n    - 192.0.2.0/24\n    - 2001:db8::/32\ncondition: s", []fields{{"A": "192.0.2.7"}, {"A": "2001:db8::1"}, {"A": "::ffff:192.0.2.9"}}, []fields{{"A": "192.0.3.1"}, {"A": "x"}}},
		{"exists", "a:\n  A|exists: true\nb:\n  B|exists: false\ncondition: a and b", []fields{{"A": ""}}, []fields{{}, {"A": "", "B": ""}}},
		{"null and the empty text", "s:\n  A: null\n  B: ''\ncondition: s", []fields{{"B": ""}}, []fields{{"A": "x", "B": ""}, {"B": "x"}, {}}},
		{"numbers and truth", "s:\n  A: 4624\n  B: true\ncondition: s", []fields{{"A": "4624", "B": "True"}}, []fields{{"A": "46240", "B": "true"}}},
		{"comparisons of numbers", "s:\n  A|gte: 10\n  B|lt: 2.5\ncondition: s", []fields{{"A": "10", "B": "2.4"}}, []fields{{"A": "9", "B": "1"}, {"A": "x", "B": "1"}}},
		{"windash", "s:\n  A|contains|windash: ' -enc'\ncondition: s", []fields{{"A": "p -enc x"}, {"A": "p /ENC x"}, {"A": "p –enc x"}}, []fields{{"A": "p enc x"}}},
		{"base64", "s:\n  A|base64: foobar\ncondition: s", []fields{{"A": "Zm9vYmFy"}}, []fields{{"A": "foobar"}}},
		{"wide and base64", "s:\n  A|wide|base64|contains: ping\ncondition: s", []fields{{"A": "x " + wide}}, []fields{{"A": "ping"}}},
		{"base64offset at each offset", "s:\n  A|base64offset|contains: /bin/bash\ncondition: s",
			[]fields{{"A": b64("/bin/bash")}, {"A": b64("x/bin/bash y")}, {"A": b64("xy/bin/bash")}}, []fields{{"A": b64("/bin/zsh")}}},
		{"fieldref", "s:\n  A|fieldref: B\ncondition: s", []fields{{"A": "x", "B": "X"}}, []fields{{"A": "x", "B": "y"}, {"A": "x"}}},
		{"keywords are found anywhere", "k:\n  - evil\n  - b*d\ncondition: k", []fields{{"Z": "an EVIL thing"}, {"Z": "a bad one"}}, []fields{{"Z": "good"}}},
		{"all keywords", "k:\n  '|all':\n    - one\n    - two\ncondition: k", []fields{{"Z": "two and one"}}, []fields{{"Z": "one"}}},
		{"precedence", "a:\n  A: x\nb:\n  B: x\nc:\n  C: x\ncondition: a or b and not c", []fields{{"A": "x", "C": "x"}, {"B": "x"}}, []fields{{"B": "x", "C": "x"}}},
		{"brackets", "a:\n  A: x\nb:\n  B: x\nc:\n  C: x\ncondition: (a or b) and not c", []fields{{"A": "x"}}, []fields{{"A": "x", "C": "x"}}},
		{"of", "sel_a:\n  A: x\nsel_b:\n  B: x\n_f:\n  C: x\ncondition: all of sel_* and not 1 of _*", []fields{{"A": "x", "B": "x"}}, []fields{{"A": "x"}, {"A": "x", "B": "x", "C": "x"}}},
		{"them leaves out what begins with an underscore", "a:\n  A: x\nb:\n  B: x\n_f:\n  C: x\ncondition: all of them", []fields{{"A": "x", "B": "x"}}, []fields{{"A": "x"}}},
		{"two of", "a:\n  A: x\nb:\n  B: x\nc:\n  C: x\ncondition: 2 of them", []fields{{"A": "x", "C": "x"}}, []fields{{"C": "x"}}},
		{"a list of conditions is any of them", "a:\n  A: x\nb:\n  B: x\ncondition:\n  - a\n  - b", []fields{{"A": "x"}, {"B": "x"}}, []fields{{}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := sigma.Parse("t.yml", []byte(rule(c.detection)))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range c.yes {
				if _, ok := r.Match(f); !ok {
					t.Errorf("%v does not match", f)
				}
			}
			for _, f := range c.no {
				if ev, ok := r.Match(f); ok {
					t.Errorf("%v matches: %v", f, ev)
				}
			}
		})
	}
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func TestRefusalsNameThePlace(t *testing.T) {
	for name, c := range map[string]struct{ detection, says string }{
		"unknown modifier":  {"s:\n  A|near: x\ncondition: s", `"near"`},
		"unknown search":    {"s:\n  A: x\ncondition: s and t", `"t"`},
		"aggregation":       {"s:\n  A: x\ncondition: s | count() > 5", "Sigma 1"},
		"open bracket":      {"s:\n  A: x\ncondition: (s", "too early"},
		"broken expression": {"s:\n  A|re: '('\ncondition: s", "line 7"},
		"no condition":      {"s:\n  A: x", "condition"},
		"alias":             {"s: &a\n  A: x\nb: *a\ncondition: s", "line 8"},
		"long pattern":      {"s:\n  A: " + strings.Repeat("x", 5000) + "\ncondition: s", "longer"},
		"expand":            {"s:\n  A|expand: '%x%'\ncondition: s", "placeholders"},
		"many brackets":     {"s:\n  A: x\ncondition: " + strings.Repeat("not ", 900) + "s", "too deep"},
	} {
		_, err := sigma.Parse("dir/t.yml", []byte(rule(c.detection)))
		if k := fault.KindOf(err); err == nil || (k != fault.Invalid && k != fault.TooLarge) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if says := fault.PublicOf(err); !strings.Contains(says, c.says) || !strings.Contains(says, "dir/t.yml") {
			t.Errorf("%s says %q, which does not name %q", name, says, c.says)
		}
	}
}

func TestExplosionIsRefused(t *testing.T) {
	var b strings.Builder
	b.WriteString("s:\n  A:\n")
	for i := range 21_000 {
		fmt.Fprintf(&b, "    - %d\n", i)
	}
	b.WriteString("condition: s")
	if _, err := sigma.Parse("t.yml", []byte(rule(b.String()))); fault.KindOf(err) != fault.TooLarge {
		t.Errorf("21,000 values: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"s:\n  A|contains|all: [x, y]\ncondition: 1 of s* and not s", "k:\n  - a*b\ncondition: k", "s:\n  A|base64offset|contains: x\ncondition: all of them"} {
		f.Add([]byte(rule(s)))
	}
	f.Add([]byte("title: [\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := sigma.Parse("f.yml", b)
		if err != nil {
			return
		}
		r.Match(fields{"A": "x y", "B": ""})
	})
}

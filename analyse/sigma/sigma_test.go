package sigma_test

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
	"pgregory.net/rapid"

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
		{"windash in every writing of every option", "s:\n  A|contains|windash: ' -f -x'\ncondition: s", []fields{{"A": "p -f -x"}, {"A": "p /f -x"}, {"A": "p —f /x"}}, []fields{{"A": "p -f x"}, {"A": "p-f-x"}}},
		{"an encoded value is taken without its escapes", `s:` + "\n  A|base64|contains: 'a\\\\b\\*'\ncondition: s", []fields{{"A": b64(`a\b*`)}}, []fields{{"A": b64(`a\\b\*`)}}},
		{"a star takes as much as it must", "s:\n  A: 'a*bc*d?f'\ncondition: s", []fields{{"A": "abbcbcxdef"}, {"A": "aXbcYd狼f"}}, []fields{{"A": "abcdf"}, {"A": "abcdefg"}, {"A": "xabcdef"}}},
		{"a field that refers to another with regard to case", "s:\n  A|fieldref|cased|endswith: B\ncondition: s", []fields{{"A": "zX", "B": "X"}}, []fields{{"A": "zX", "B": "x"}}},
		{"comments and aliases of any", "a:\n  A: x\nb:\n  B: x\ncondition: any of them # or one", []fields{{"A": "x"}, {"B": "x"}}, []fields{{}}},
		{"base64", "s:\n  A|base64: foobar\ncondition: s", []fields{{"A": "Zm9vYmFy"}}, []fields{{"A": "foobar"}}},
		{"wide and base64", "s:\n  A|wide|base64|contains: ping\ncondition: s", []fields{{"A": "x " + wide}}, []fields{{"A": "ping"}}},
		{"base64offset at each offset", "s:\n  A|base64offset|contains: /bin/bash\ncondition: s",
			[]fields{{"A": b64("/bin/bash")}, {"A": b64("q/bin/bash y")}, {"A": b64("qw/bin/bash")}, {"A": b64("/bin/bash\xff\xff")}}, []fields{{"A": b64("/bin/zsh")}}},
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
		"a key twice":       {"s:\n  A: x\n  A: y\ncondition: s", "twice"},
		"a search twice":    {"s:\n  A: x\ns:\n  B: x\ncondition: s", "line 8"},
		"an empty map":      {"s: {}\ncondition: s", "everything"},
		"an empty list":     {"s:\n  A|all: []\ncondition: s", "no value"},
		"a null keyword":    {"s: null\ncondition: s", "keyword"},
		"no conditions":     {"s:\n  A: x\ncondition: []", "conditions"},
		"too many of":       {"s:\n  A: x\ncondition: 2 of s*", "only 1"},
		"odd chain":         {"s:\n  A|re|wide: x\ncondition: s", "line 7"},
		"exists and more":   {"s:\n  A|exists|contains: true\ncondition: s", "alone"},
		"encoded wildcard":  {"s:\n  A|base64: 'x*'\ncondition: s", "wildcards"},
		"many dashes":       {"s:\n  A|windash: '" + strings.Repeat(" -a", 20) + "'\ncondition: s", "writings"},
		"deep lists":        {"s: " + strings.Repeat("[", 60) + "x" + strings.Repeat("]", 60) + "\ncondition: s", "deeper"},
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
	few := "s:\n  A|windash:\n" + strings.Repeat("    - ' -a -b -c -d'\n", 40) + "condition: s"
	if _, err := sigma.Parse("t.yml", []byte(rule(few))); fault.KindOf(err) != fault.TooLarge {
		t.Errorf("40 values of 625 writings each: %v", err)
	}
}

func TestEvidenceIsWhatMatched(t *testing.T) {
	for condition, want := range map[string]string{
		"(a and b) or c":     "[C: x]",
		"a and not b":        "[A: x]",
		"all of a* or c":     "[C: x]",
		"1 of a* and c":      "[A: x C: x]",
		"not (b or d) and a": "[A: x]",
	} {
		r, err := sigma.Parse("t.yml", []byte(rule("a:\n  A: x\na2:\n  B: x\nb:\n  B: x\nc:\n  C: x\nd:\n  D: x\ncondition: "+condition)))
		if err != nil {
			t.Errorf("%s: %v", condition, err)
			continue
		}
		ev, ok := r.Match(fields{"A": "x", "C": "x"})
		if got := fmt.Sprint(ev); !ok || got != want {
			t.Errorf("%s matches %t by %s, not %s", condition, ok, got, want)
		}
	}
}

// TestPatternsAgreeWithRegularExpressions writes each Sigma string as a regular
// expression and compares.
func TestPatternsAgreeWithRegularExpressions(t *testing.T) {
	part := rapid.SampledFrom([]string{"a", "b", "ab", "狼", "*", "?", `\*`, `\?`, `\\`, `\x`, "A"})
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(part, 1, 8).Draw(t, "pattern")
		re := `(?is)\A`
		for _, p := range parts {
			switch p {
			case "*":
				re += ".*"
			case "?":
				re += "."
			case `\x`:
				re += `\\x`
			default:
				re += regexp.QuoteMeta(strings.TrimPrefix(p, `\`))
			}
		}
		b, err := yaml.Marshal(map[string]any{"title": "t", "id": "1", "logsource": map[string]string{"category": "c"},
			"detection": map[string]any{"s": map[string]string{"F": strings.Join(parts, "")}, "condition": "s"}})
		if err != nil {
			t.Fatal(err)
		}
		r, err := sigma.Parse("t.yml", b)
		if err != nil {
			t.Fatal(err)
		}
		value := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "B", "狼", "*", "?", `\`, "x", "\n"}), 0, 10).Draw(t, "value"), "")
		if _, got := r.Match(fields{"F": value}); got != regexp.MustCompile(re+`\z`).MatchString(value) {
			t.Fatalf("%q in %q: %t, but the expression %s says otherwise", strings.Join(parts, ""), value, got, re)
		}
	})
}

func FuzzCondition(f *testing.F) {
	for _, s := range []string{"s", "not s and (t or 1 of s*)", "all of them", "2 of [st]", "((s", "s | count() > 1", "not not not s", "of of of"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, condition string) {
		b, err := yaml.Marshal(map[string]any{"title": "t", "id": "1", "logsource": map[string]string{"category": "c"}, "detection": map[string]any{
			"s": map[string]string{"A": "x"}, "t": map[string]string{"B": "x"}, "condition": condition}})
		if err != nil {
			return
		}
		if r, err := sigma.Parse("f.yml", b); err == nil {
			r.Match(fields{"A": "x"})
		}
	})
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

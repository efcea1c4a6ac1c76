package sigma

import (
	"encoding/base64"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"

	"gopkg.in/yaml.v3"

	"noroshi/fault"
)

// modifiers is the chain behind a field, in the specification's terms.
type modifiers struct {
	all, cased, windash, fieldref, exists bool
	compare                               string   // "", contains, startswith, endswith, re, cidr, lt, lte, gt, gte
	flags                                 string   // of re
	encode                                []string // base64, base64offset, wide, utf16be, utf16, in order
}

func parseModifiers(list []string) (modifiers, error) {
	const op = "sigma.modifier"
	var m modifiers
	for _, x := range list {
		switch x {
		case "all":
			m.all = true
		case "cased":
			m.cased = true
		case "windash":
			m.windash = true
		case "fieldref":
			m.fieldref = true
		case "exists":
			m.exists = true
		case "contains", "startswith", "endswith", "re", "cidr", "lt", "lte", "gt", "gte":
			if m.compare != "" {
				return m, fault.New(fault.Invalid, op, "%s and %s exclude each other", m.compare, x)
			}
			m.compare = x
		case "i", "m", "s":
			if m.compare != "re" {
				return m, fault.New(fault.Invalid, op, "%s belongs behind re", x)
			}
			m.flags += x
		case "base64", "base64offset", "wide", "utf16le", "utf16be", "utf16":
			m.encode = append(m.encode, x)
		case "expand":
			return m, fault.New(fault.Invalid, op, "expand needs placeholders, and none are configured")
		default:
			return m, fault.New(fault.Invalid, op, "the modifier %q is not of the Sigma specification", x)
		}
	}
	return m, nil
}

// test compiles one value.
func (m modifiers) test(field string, n *yaml.Node) (search, error) {
	const op = "sigma.value"
	switch {
	case m.exists:
		want, err := strconv.ParseBool(n.Value)
		if err != nil {
			return nil, fault.New(fault.Invalid, op, "exists takes true or false, not %q", n.Value)
		}
		return existsTest{field, want}, nil
	case n.Tag == "!!null":
		return nullTest{field}, nil
	case m.fieldref:
		return refTest{field, n.Value, m.compare}, nil
	}
	switch m.compare {
	case "re":
		flags := ""
		if m.flags != "" {
			flags = "(?" + m.flags + ")"
		}
		re, err := regexp.Compile(flags + n.Value)
		if err != nil {
			return nil, fault.As(fault.Invalid, op, err, "the regular expression cannot be used: %v", err)
		}
		return stringTest{field, re.MatchString}, nil
	case "cidr":
		p, err := netip.ParsePrefix(n.Value)
		if err != nil {
			return nil, fault.New(fault.Invalid, op, "%q is not an address range", n.Value)
		}
		return stringTest{field, func(s string) bool {
			a, err := netip.ParseAddr(s)
			return err == nil && p.Contains(a.Unmap())
		}}, nil
	case "lt", "lte", "gt", "gte":
		return numberTest(field, m.compare, n.Value)
	}
	return m.texts(field, n.Value)
}

// texts compiles a value that is compared as text, in all the writings that
// windash and the encodings make of it.
func (m modifiers) texts(field, value string) (search, error) {
	writings := []string{value}
	if m.windash {
		writings = dashes(value)
	}
	var out anyOf
	for _, w := range writings {
		for _, e := range encodings(w, m.encode) {
			p := parsePattern(e, len(m.encode) > 0)
			if field == "" && m.compare == "" {
				p = p.wrap("contains") // A keyword is found anywhere.
			} else {
				p = p.wrap(m.compare)
			}
			re, err := p.compile(m.cased)
			if err != nil {
				return nil, fault.As(fault.Invalid, "sigma.value", err, "the value cannot be used: %v", err)
			}
			out = append(out, stringTest{field, re.MatchString})
		}
	}
	return out, nil
}

// dashes returns the writings of a command line option: with -, /, en dash, em
// dash and horizontal bar in place of each dash or slash that begins a word.
func dashes(s string) []string {
	out := []string{s}
	for _, d := range []string{"-", "/", "–", "—", "―"} {
		w := optionStart.ReplaceAllString(s, "${1}"+d+"${2}")
		if w != s {
			out = append(out, w)
		}
	}
	return out
}

var optionStart = regexp.MustCompile(`(^|\W)[-/](\w)`)

// encodings applies the encoding modifiers in order.
func encodings(s string, chain []string) []string {
	out := []string{s}
	for _, e := range chain {
		var next []string
		for _, x := range out {
			next = append(next, encode(x, e)...)
		}
		out = next
	}
	return out
}

func encode(s, how string) []string {
	switch how {
	case "wide", "utf16le":
		return []string{utf16Bytes(s, false)}
	case "utf16be":
		return []string{utf16Bytes(s, true)}
	case "utf16":
		return []string{"\xff\xfe" + utf16Bytes(s, false)}
	case "base64":
		return []string{base64.StdEncoding.EncodeToString([]byte(s))}
	}
	// base64offset: what is sure of the encoding at each of the three offsets.
	out := make([]string, 0, 3)
	for off := range 3 {
		enc := base64.StdEncoding.EncodeToString([]byte(strings.Repeat(" ", off) + s))
		from := []int{0, 2, 3}[off]
		to := len(enc)
		if rest := (len(s) + off) % 3; rest > 0 {
			to -= []int{0, 3, 2}[rest]
		}
		if from < to {
			out = append(out, enc[from:to])
		}
	}
	return out
}

func utf16Bytes(s string, big bool) string {
	var b strings.Builder
	for _, u := range utf16.Encode([]rune(s)) {
		hi, lo := byte(u>>8), byte(u)
		if big {
			hi, lo = lo, hi
		}
		b.WriteByte(lo)
		b.WriteByte(hi)
	}
	return b.String()
}

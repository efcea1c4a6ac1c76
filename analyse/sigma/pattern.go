package sigma

import (
	"regexp"
	"strconv"
	"strings"

	"noroshi/fault"
)

// pattern is a Sigma string: literal text with * (anything) and ? (one
// character). A backslash escapes a wildcard or another backslash before a
// wildcard; anywhere else it is itself.
type pattern []part

type part struct {
	text string // literal, or "" with wild
	wild byte   // '*', '?', or 0
}

func parsePattern(s string, literal bool) pattern {
	if literal {
		return pattern{{text: s}}
	}
	var p pattern
	var lit strings.Builder
	flush := func() {
		if lit.Len() > 0 {
			p = append(p, part{text: lit.String()})
			lit.Reset()
		}
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && i+1 < len(s) && (s[i+1] == '*' || s[i+1] == '?' || s[i+1] == '\\'):
			i++
			lit.WriteByte(s[i])
		case c == '*' || c == '?':
			flush()
			p = append(p, part{wild: c})
		default:
			lit.WriteByte(c)
		}
	}
	flush()
	return p
}

// wrap adds the wildcards that a comparison stands for.
func (p pattern) wrap(compare string) pattern {
	star := part{wild: '*'}
	switch compare {
	case "contains":
		return append(append(pattern{star}, p...), star)
	case "startswith":
		return append(p[:len(p):len(p)], star)
	case "endswith":
		return append(pattern{star}, p...)
	}
	return p
}

func (p pattern) compile(cased bool) (*regexp.Regexp, error) {
	var b strings.Builder
	b.WriteString(`(?s`)
	if !cased {
		b.WriteString(`i`)
	}
	b.WriteString(`)\A`)
	for _, x := range p {
		switch x.wild {
		case '*':
			b.WriteString(`.*`)
		case '?':
			b.WriteString(`.`)
		default:
			b.WriteString(regexp.QuoteMeta(x.text))
		}
	}
	b.WriteString(`\z`)
	return regexp.Compile(b.String())
}

// stringTest compares each value of a field, or every value for a keyword.
type stringTest struct {
	field string
	ok    func(string) bool
}

func (t stringTest) match(m *matcher) bool {
	if t.field == "" {
		for v := range m.fields.All {
			if t.ok(v) {
				m.note("keyword", v)
				return true
			}
		}
		return false
	}
	values, _ := m.fields.Field(t.field)
	for _, v := range values {
		if t.ok(v) {
			m.note(t.field, v)
			return true
		}
	}
	return false
}

// nullTest matches a field that is not there or empty.
type nullTest struct{ field string }

func (t nullTest) match(m *matcher) bool {
	values, ok := m.fields.Field(t.field)
	return !ok || len(values) == 0
}

// existsTest matches a field that is there, or is not.
type existsTest struct {
	field string
	want  bool
}

func (t existsTest) match(m *matcher) bool {
	_, ok := m.fields.Field(t.field)
	return ok == t.want
}

// refTest compares two fields of the event.
type refTest struct{ field, other, compare string }

func (t refTest) match(m *matcher) bool {
	a, _ := m.fields.Field(t.field)
	b, _ := m.fields.Field(t.other)
	for _, x := range a {
		for _, y := range b {
			lx, ly := strings.ToLower(x), strings.ToLower(y)
			ok := false
			switch t.compare {
			case "startswith":
				ok = strings.HasPrefix(lx, ly)
			case "endswith":
				ok = strings.HasSuffix(lx, ly)
			case "contains":
				ok = strings.Contains(lx, ly)
			default:
				ok = lx == ly
			}
			if ok {
				m.note(t.field, x)
				return true
			}
		}
	}
	return false
}

func numberTest(field, compare, value string) (search, error) {
	want, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return nil, fault.New(fault.Invalid, "sigma.number", "%s takes a number, not %q", compare, value)
	}
	return stringTest{field, func(s string) bool {
		n, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return false
		}
		switch compare {
		case "lt":
			return n < want
		case "lte":
			return n <= want
		case "gt":
			return n > want
		}
		return n >= want
	}}, nil
}

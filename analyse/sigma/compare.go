package sigma

import (
	"net/netip"
	"strconv"
	"strings"

	"noroshi/fault"
)

// stringTest compares each value of a field, or every value for a keyword.
type stringTest struct {
	field   string
	ok      func(string) bool
	literal string // what a value must hold, in lower case; "" for nothing sure
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

// nullTest matches a field that is not there.
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
type refTest struct {
	field, other, compare string
	cased                 bool
}

func (t refTest) match(m *matcher) bool {
	a, _ := m.fields.Field(t.field)
	b, _ := m.fields.Field(t.other)
	for _, x := range a {
		for _, y := range b {
			if t.fits(x, y) {
				m.note(t.field, x)
				return true
			}
		}
	}
	return false
}

func (t refTest) fits(x, y string) bool {
	if !t.cased {
		x, y = strings.ToLower(x), strings.ToLower(y)
	}
	switch t.compare {
	case "startswith":
		return strings.HasPrefix(x, y)
	case "endswith":
		return strings.HasSuffix(x, y)
	case "contains":
		return strings.Contains(x, y)
	}
	return x == y
}

func cidrTest(field, value string) (search, error) {
	p, err := netip.ParsePrefix(value)
	if err != nil {
		return nil, fault.New(fault.Invalid, "sigma.cidr", "%q is not an address range", value)
	}
	return stringTest{field: field, ok: func(s string) bool {
		a, err := netip.ParseAddr(s)
		return err == nil && p.Contains(a.Unmap().WithZone(""))
	}}, nil
}

func numberTest(field, compare, value string) (search, error) {
	want, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return nil, fault.New(fault.Invalid, "sigma.number", "%s takes a number, not %q", compare, value)
	}
	return stringTest{field: field, ok: func(s string) bool {
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

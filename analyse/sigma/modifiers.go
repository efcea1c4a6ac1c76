package sigma

import (
	"slices"
	"strconv"

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
			return m, fault.New(fault.Invalid, op, "the modifier %q is not known here", x)
		}
	}
	return m, m.check()
}

const maxEncodings = 4

// check refuses chains of which a part would have no meaning.
func (m modifiers) check() error {
	const op = "sigma.modifier"
	text := slices.Contains([]string{"", "contains", "startswith", "endswith"}, m.compare)
	changed := m.windash || len(m.encode) > 0
	switch {
	case len(m.encode) > maxEncodings:
		return fault.New(fault.TooLarge, op, "more than %d encodings are chained", maxEncodings)
	case m.exists && (m.compare != "" || changed || m.fieldref || m.cased || m.all):
		return fault.New(fault.Invalid, op, "exists stands alone")
	case !text && (changed || m.fieldref || m.cased):
		return fault.New(fault.Invalid, op, "%s is no comparison of text and goes with no modifier of text", m.compare)
	case m.fieldref && changed:
		return fault.New(fault.Invalid, op, "the name of a field is not encoded")
	}
	return nil
}

// test compiles one value.
func (c *compiler) test(m modifiers, field string, n *yaml.Node) (search, error) {
	const op = "sigma.value"
	switch {
	case m.exists:
		want, err := strconv.ParseBool(n.Value)
		if err != nil {
			return nil, fault.New(fault.Invalid, op, "exists takes true or false, not %q", n.Value)
		}
		return existsTest{field, want}, c.count(1)
	case n.Tag == "!!null":
		if field == "" {
			return nil, fault.New(fault.Invalid, op, "a keyword cannot be null")
		}
		return nullTest{field}, c.count(1)
	case m.fieldref:
		return refTest{field, n.Value, m.compare, m.cased}, c.count(1)
	}
	switch m.compare {
	case "re":
		flags := ""
		if m.flags != "" {
			flags = "(?" + m.flags + ")"
		}
		re, err := c.regexp(flags + n.Value)
		if err != nil {
			return nil, err
		}
		return stringTest{field: field, ok: re.MatchString}, c.count(1)
	case "cidr":
		t, err := cidrTest(field, n.Value)
		return t, firstOf(err, c.count(1))
	case "lt", "lte", "gt", "gte":
		t, err := numberTest(field, m.compare, n.Value)
		return t, firstOf(err, c.count(1))
	}
	return c.texts(m, field, n.Value)
}

func firstOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// texts compiles a value that is compared as text, in all the writings that
// windash and the encodings make of it.
func (c *compiler) texts(m modifiers, field, value string) (search, error) {
	if field == "" && m.compare == "" {
		m.compare = "contains" // A keyword is found anywhere.
	}
	writings := []string{value}
	if m.windash {
		var err error
		if writings, err = windash(value); err != nil {
			return nil, err
		}
	}
	var out anyOf
	for _, w := range writings {
		list := []pattern{parsePattern(w)}
		if len(m.encode) > 0 {
			text, err := list[0].plain()
			if err != nil {
				return nil, err
			}
			list = nil
			for _, e := range encodings(text, m.encode) {
				list = append(list, pattern{{text: e}})
			}
		}
		if err := c.count(len(list)); err != nil {
			return nil, err
		}
		for _, p := range list {
			out = append(out, p.wrap(m.compare).test(field, m.cased))
		}
	}
	if len(out) == 0 {
		return nil, fault.New(fault.Invalid, "sigma.value", "nothing sure is left of %q when it is encoded", value)
	}
	return out, nil
}

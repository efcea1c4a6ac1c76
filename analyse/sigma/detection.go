package sigma

import (
	"regexp"
	"regexp/syntax"
	"strings"

	"gopkg.in/yaml.v3"

	"noroshi/fault"
)

// search is a search identifier of a detection.
type search interface {
	match(m *matcher) bool
	needs() []need
}

// anyOf is a list: one of its parts must match. allOf is a map: all must.
type (
	anyOf []search
	allOf []search
)

func (s anyOf) match(m *matcher) bool {
	for _, x := range s {
		if x.match(m) {
			return true
		}
	}
	return false
}

func (s allOf) match(m *matcher) bool {
	kept := len(m.evidence)
	for _, x := range s {
		if !x.match(m) {
			m.evidence = m.evidence[:kept] // What matched only in part is no evidence.
			return false
		}
	}
	return true
}

// compile reads the detection: search identifiers and conditions.
func (r *Rule) compile(n *yaml.Node) error {
	const op = "sigma.detection"
	if n.Kind != yaml.MappingNode {
		return fault.New(fault.Invalid, op, "a rule needs a detection with a condition")
	}
	if err := distinct(n); err != nil {
		return err
	}
	r.searches = map[string]search{}
	c := &compiler{costs: map[string]int{}}
	var conditions *yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, body := n.Content[i].Value, n.Content[i+1]
		switch name {
		case "condition":
			conditions = body
		case "timeframe":
			return fault.New(fault.Invalid, op, "timeframe needs a correlation, which is not evaluated yet").At("line %d", n.Content[i].Line)
		default:
			before := c.atoms
			s, err := c.search(body, 0)
			if err != nil {
				return err
			}
			r.searches[name], c.costs[name] = s, c.atoms-before
		}
	}
	if conditions == nil || len(r.searches) == 0 {
		return fault.New(fault.Invalid, op, "the detection has no condition or nothing to search for")
	}
	return r.conditionsOf(conditions, c.costs)
}

func (r *Rule) conditionsOf(n *yaml.Node, costs map[string]int) error {
	const op = "sigma.detection"
	list := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		list = n.Content
	}
	if len(list) == 0 || len(list) > maxConditions {
		return fault.New(fault.Invalid, op, "a rule has 1 to %d conditions", maxConditions).At("line %d", n.Line)
	}
	work := 0
	for _, l := range list {
		e, err := parseCondition(l.Value, r.searches, costs, &work)
		if err != nil {
			return fault.As(fault.KindOf(err), op, err, "%s", fault.PublicOf(err)).At("line %d", l.Line)
		}
		r.conditions = append(r.conditions, e)
	}
	return nil
}

// distinct refuses a map in which a key stands twice: YAML forbids it, and one
// of the two would be lost.
func distinct(n *yaml.Node) error {
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if seen[k.Value] {
			return fault.New(fault.Invalid, "sigma.detection", "%q stands twice", k.Value).At("line %d", k.Line)
		}
		seen[k.Value] = true
	}
	return nil
}

// compiler counts what it makes, so that a rule cannot explode.
type compiler struct {
	atoms        int
	instructions int            // of regular expressions
	costs        map[string]int // search identifier → atoms
}

func (c *compiler) count(n int) error {
	if c.atoms += n; c.atoms > maxAtoms {
		return fault.New(fault.TooLarge, "sigma.item", "the rule makes more than %d comparisons", maxAtoms)
	}
	return nil
}

// regexp compiles a regular expression. An event's text may be long, and each of
// its characters is shown to up to all instructions.
func (c *compiler) regexp(text string) (*regexp.Regexp, error) {
	const op = "sigma.regexp"
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, fault.As(fault.Invalid, op, err, "the regular expression cannot be used (RE2 syntax): %v", err)
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, fault.As(fault.Invalid, op, err, "the regular expression cannot be used (RE2 syntax): %v", err)
	}
	if c.instructions += len(prog.Inst); c.instructions > maxInstructions {
		return nil, fault.New(fault.TooLarge, op, "the regular expressions of the rule become more than %d instructions; repeat less in them", maxInstructions)
	}
	re, err := regexp.Compile(text)
	return re, fault.Wrap(op, err)
}

func (c *compiler) search(n *yaml.Node, depth int) (search, error) {
	const op = "sigma.search"
	if depth > maxDepth {
		return nil, fault.New(fault.TooLarge, op, "lists are nested deeper than %d", maxDepth).At("line %d", n.Line)
	}
	switch n.Kind {
	case yaml.MappingNode:
		return c.fields(n)
	case yaml.SequenceNode:
		var out anyOf
		for _, x := range n.Content {
			s, err := c.search(x, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, s)
		}
		if len(out) == 0 {
			return nil, fault.New(fault.Invalid, op, "an empty list searches for nothing").At("line %d", n.Line)
		}
		return out, nil
	case yaml.ScalarNode:
		return c.item("", nil, []*yaml.Node{n}, n.Line)
	}
	// An alias would let a small file become a huge rule.
	return nil, fault.New(fault.Invalid, op, "this is neither a map, a list nor a value").At("line %d", n.Line)
}

func (c *compiler) fields(n *yaml.Node) (search, error) {
	if len(n.Content) == 0 {
		return nil, fault.New(fault.Invalid, "sigma.search", "an empty map would match everything").At("line %d", n.Line)
	}
	if err := distinct(n); err != nil {
		return nil, err
	}
	var out allOf
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, val := n.Content[i], n.Content[i+1]
		parts := strings.Split(key.Value, "|")
		values := []*yaml.Node{val}
		if val.Kind == yaml.SequenceNode {
			values = val.Content
		}
		s, err := c.item(parts[0], parts[1:], values, key.Line)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// item compiles one field with its modifiers and values.
func (c *compiler) item(field string, modifiers []string, values []*yaml.Node, line int) (search, error) {
	const op = "sigma.item"
	mods, err := parseModifiers(modifiers)
	if err != nil {
		return nil, fault.As(fault.KindOf(err), op, err, "%s", fault.PublicOf(err)).At("line %d", line)
	}
	if len(values) == 0 {
		return nil, fault.New(fault.Invalid, op, "%q has no value", field).At("line %d", line)
	}
	var tests []search
	for _, v := range values {
		if v.Kind != yaml.ScalarNode {
			return nil, fault.New(fault.Invalid, op, "a value of %q is not a plain value", field).At("line %d", v.Line)
		}
		if len(v.Value) > maxPattern {
			return nil, fault.New(fault.TooLarge, op, "a pattern of %q is longer than %d bytes", field, maxPattern).At("line %d", v.Line)
		}
		t, err := c.test(mods, field, v)
		if err != nil {
			return nil, fault.As(fault.KindOf(err), op, err, "%s", fault.PublicOf(err)).At("line %d", v.Line)
		}
		tests = append(tests, t)
	}
	if mods.all {
		return allOf(tests), nil
	}
	return anyOf(tests), nil
}

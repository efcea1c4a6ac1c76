package sigma

import (
	"path"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"noroshi/fault"
)

// expr is a node of a condition.
type expr interface {
	eval(m *matcher) bool
	needs(r *Rule) []need
}

type (
	ref struct{ name string }
	not struct{ x expr }
	and struct{ a, b expr }
	or  struct{ a, b expr }
	// few is "N of pattern": at least n of the named searches.
	few struct {
		n     int
		names []string
	}
)

func (e ref) eval(m *matcher) bool { return m.rule.searches[e.name].match(m) }

func (e not) eval(m *matcher) bool {
	kept := len(m.evidence)
	ok := e.x.eval(m)
	m.evidence = m.evidence[:kept] // What a filter matched is no evidence.
	return !ok
}

func (e and) eval(m *matcher) bool {
	kept := len(m.evidence)
	if e.a.eval(m) && e.b.eval(m) {
		return true
	}
	m.evidence = m.evidence[:kept] // What matched only in part is none either.
	return false
}

func (e or) eval(m *matcher) bool { return e.a.eval(m) || e.b.eval(m) }

func (e few) eval(m *matcher) bool {
	kept, n := len(m.evidence), 0
	for _, name := range e.names {
		if m.rule.searches[name].match(m) {
			n++
		}
		if n >= e.n {
			return true
		}
	}
	m.evidence = m.evidence[:kept]
	return false
}

var token = regexp.MustCompile(`\s*(\(|\)|[^\s()]+)`)

type parser struct {
	tokens   []string
	searches map[string]search
	costs    map[string]int
	work     *int // comparisons that the rule's conditions make so far
	depth    int
}

// add counts what a condition that names a search makes the matcher do.
func (p *parser) add(n int) error {
	if *p.work += n; *p.work > maxWork {
		return fault.New(fault.TooLarge, "sigma.condition", "the conditions make more than %d comparisons of one event", maxWork)
	}
	return nil
}

// parseCondition reads a condition: not binds tighter than and, and than or. It
// adds to work what the condition costs at most.
func parseCondition(s string, searches map[string]search, costs map[string]int, work *int) (expr, error) {
	if strings.Contains(s, "|") {
		return nil, fault.New(fault.Invalid, "sigma.condition", "aggregations behind | are of Sigma 1; a correlation replaces them")
	}
	if len(s) > maxPattern {
		return nil, fault.New(fault.TooLarge, "sigma.condition", "the condition is longer than %d bytes", maxPattern)
	}
	p := &parser{searches: searches, costs: costs, work: work}
	for _, m := range token.FindAllStringSubmatch(s, -1) {
		p.tokens = append(p.tokens, m[1])
	}
	e, err := p.or()
	if err == nil && len(p.tokens) > 0 {
		err = p.unexpected()
	}
	return e, err
}

func (p *parser) unexpected() error {
	if len(p.tokens) == 0 {
		return fault.New(fault.Invalid, "sigma.condition", "the condition ends too early")
	}
	return fault.New(fault.Invalid, "sigma.condition", "%q is not expected there in the condition", p.tokens[0])
}

func (p *parser) take(word string) bool {
	if len(p.tokens) > 0 && strings.EqualFold(p.tokens[0], word) {
		p.tokens = p.tokens[1:]
		return true
	}
	return false
}

func (p *parser) or() (expr, error) {
	e, err := p.and()
	for err == nil && p.take("or") {
		var b expr
		b, err = p.and()
		e = or{e, b}
	}
	return e, err
}

func (p *parser) and() (expr, error) {
	e, err := p.unary()
	for err == nil && p.take("and") {
		var b expr
		b, err = p.unary()
		e = and{e, b}
	}
	return e, err
}

func (p *parser) unary() (expr, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxDepth {
		return nil, fault.New(fault.TooLarge, "sigma.condition", "the condition is nested too deep")
	}
	switch {
	case p.take("not"):
		x, err := p.unary()
		return not{x}, err
	case p.take("("):
		x, err := p.or()
		if err == nil && !p.take(")") {
			err = p.unexpected()
		}
		return x, err
	case len(p.tokens) == 0:
		return nil, p.unexpected()
	}
	word := p.tokens[0]
	p.tokens = p.tokens[1:]
	if p.take("of") {
		return p.of(word)
	}
	if _, ok := p.searches[word]; !ok {
		return nil, fault.New(fault.Invalid, "sigma.condition", "the condition names %q, which the detection does not have", word)
	}
	return ref{word}, p.add(p.costs[word])
}

// of reads what follows "1 of", "all of", "3 of".
func (p *parser) of(count string) (expr, error) {
	if len(p.tokens) == 0 {
		return nil, p.unexpected()
	}
	what := p.tokens[0]
	p.tokens = p.tokens[1:]
	if err := p.add(len(p.searches)); err != nil {
		return nil, err
	}
	var names []string
	for name := range p.searches {
		// "them" leaves out names that begin with an underscore.
		if them := strings.EqualFold(what, "them"); them && !strings.HasPrefix(name, "_") {
			names = append(names, name)
		} else if ok, _ := path.Match(what, name); ok && !them {
			names = append(names, name)
		}
	}
	for _, name := range names {
		if err := p.add(p.costs[name]); err != nil {
			return nil, err
		}
	}
	if len(names) == 0 {
		return nil, fault.New(fault.Invalid, "sigma.condition", "%q fits no part of the detection", what)
	}
	sort.Strings(names)
	if strings.EqualFold(count, "all") {
		return few{len(names), names}, nil
	}
	if strings.EqualFold(count, "any") {
		count = "1"
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 {
		return nil, fault.New(fault.Invalid, "sigma.condition", "%q is not a count (1, 2, …, all)", count)
	}
	if n > len(names) {
		return nil, fault.New(fault.Invalid, "sigma.condition", "there are only %d of %q, never %d", len(names), what, n)
	}
	return few{n, names}, nil
}

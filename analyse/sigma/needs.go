package sigma

import (
	"strings"
	"unicode/utf8"
)

// need is a text that must stand in a field before a rule can match. A rule's
// needs are a list of which one at least must be met; none at all means that
// nothing can be said, and that the rule has to be evaluated to know.
type need struct{ field, text string }

// needs of a rule: one of its conditions must hold.
func (r *Rule) needs() []need {
	lists := make([][]need, len(r.conditions))
	for i, c := range r.conditions {
		lists[i] = c.needs(r)
	}
	return either(lists)
}

// either is what is needed when one of several parts must match.
func either(lists [][]need) (out []need) {
	for _, l := range lists {
		if len(l) == 0 {
			return nil
		}
		out = append(out, l...)
	}
	return out
}

// each is what is needed when all of several parts must match: the needs of one
// of them will do, best those whose shortest text is the longest.
func each(lists [][]need) (best []need) {
	for _, l := range lists {
		if shortest(l) > shortest(best) {
			best = l
		}
	}
	return best
}

func shortest(list []need) int {
	if len(list) == 0 {
		return 0
	}
	n := len(list[0].text)
	for _, x := range list {
		n = min(n, len(x.text))
	}
	return n
}

func (e ref) needs(r *Rule) []need { return r.searches[e.name].needs() }
func (not) needs(*Rule) []need     { return nil }
func (e and) needs(r *Rule) []need { return each([][]need{e.a.needs(r), e.b.needs(r)}) }
func (e or) needs(r *Rule) []need  { return either([][]need{e.a.needs(r), e.b.needs(r)}) }

func (e few) needs(r *Rule) []need {
	lists := make([][]need, len(e.names))
	for i, name := range e.names {
		lists[i] = r.searches[name].needs()
	}
	if e.n == len(e.names) {
		return each(lists)
	}
	return either(lists)
}

func (s anyOf) needs() []need { return either(ofAll(s)) }
func (s allOf) needs() []need { return each(ofAll(s)) }

func ofAll(s []search) [][]need {
	lists := make([][]need, len(s))
	for i, x := range s {
		lists[i] = x.needs()
	}
	return lists
}

func (t stringTest) needs() []need {
	switch {
	case t.field == "" || len(t.literal) < gram:
		return nil
	case t.literal == "true" || t.literal == "false":
		return nil // Every second event has it.
	}
	return []need{{t.field, t.literal}}
}

func (nullTest) needs() []need   { return nil }
func (existsTest) needs() []need { return nil }
func (refTest) needs() []need    { return nil }

// literal is the longest text that every value which fits the pattern holds when
// it is written in lower case.
func (p pattern) literal(cased bool) (out string) {
	for _, x := range p {
		if len(x.text) > len(out) {
			out = x.text
		}
	}
	switch {
	case !cased:
		return out // As the pattern, it is in lower case already.
	case strings.ContainsFunc(out, func(c rune) bool { return c >= utf8.RuneSelf }):
		return "" // What becomes of half a character in lower case is not sure.
	}
	return strings.ToLower(out)
}

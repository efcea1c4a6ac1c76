package recog

import (
	"strings"
)

// maxText is how much of a text is looked at.
const maxText = 8 << 10

// Match says what a text of a kind tells, by recog's names ("service.product"),
// or nil when no fingerprint knows it. The first that matches says it.
func (db *DB) Match(kind, text string) map[string]string {
	if len(text) > maxText {
		text = text[:maxText]
	}
	lower := strings.ToLower(text)
	for _, f := range db.kinds[kind] {
		if !strings.Contains(lower, f.literal) {
			continue
		}
		m := f.compile().FindStringSubmatch(text)
		if m == nil {
			continue
		}
		said := map[string]string{}
		for _, p := range f.fixed {
			said[p.name] = p.value
		}
		for _, g := range f.groups {
			if m[g.pos] != "" {
				said[g.name] = m[g.pos]
			}
		}
		for name, value := range said {
			if strings.Contains(value, "{") {
				said[name] = fill(value, said)
			}
		}
		return said
	}
	return nil
}

// fill puts what was said into a value such as "cpe:/a:x:y:{service.version}".
// What was not said stands as "-", as in CPE.
func fill(value string, said map[string]string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(value, "{")
		b.WriteString(before)
		name, after, closed := strings.Cut(rest, "}")
		if !ok || !closed {
			return b.String()
		}
		if v := said[name]; v != "" && !strings.Contains(v, "{") {
			b.WriteString(v)
		} else {
			b.WriteString("-")
		}
		value = after
	}
}

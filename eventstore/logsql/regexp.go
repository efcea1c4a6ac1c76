package logsql

import (
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"unicode/utf8"

	"noroshi/fault"
)

// The engine simplifies each regular expression as it reads a query, and walks
// for that through all characters of each class, as often as the class repeats:
// (?i)[^a]{1000} takes seconds that no context can stop. So they are weighed
// before the engine sees them.
const (
	maxRegexps  = 16   // and what looks like them
	maxBrackets = 32   // of a query with regular expressions
	wide        = 1000 // characters that make a class expensive
	maxWeight   = 20   // wide classes, each as often as it repeats
)

// expressive is what begins a regular expression, or might.
var expressive = regexp.MustCompile(`~|\bre\s*\(|_regexp\b`)

func cheap(text string) error {
	const op = "logsql.cheap"
	words, quoted := split(text)
	n := len(expressive.FindAllString(strings.ToLower(words), -1))
	if n == 0 {
		return nil
	}
	if n > maxRegexps || strings.Count(text, "[") > maxBrackets {
		return fault.New(fault.TooLarge, op, "the query has too many regular expressions; at most %d, with %d brackets, are allowed", maxRegexps, maxBrackets)
	}
	total := 0
	for _, s := range quoted {
		if re, err := syntax.Parse(s, syntax.Perl); err == nil {
			total += weigh(re)
		}
	}
	if total > maxWeight {
		return fault.New(fault.TooLarge, op, "the regular expressions repeat too large classes of characters; name the ones that are meant, as in [a-z0-9]")
	}
	return nil
}

func weigh(re *syntax.Regexp) int {
	if re.Op == syntax.OpCharClass {
		chars := 0
		for i := 0; i+1 < len(re.Rune); i += 2 {
			chars += int(re.Rune[i+1]-re.Rune[i]) + 1
		}
		if chars > wide {
			return 1
		}
		return 0
	}
	total := 0
	for _, sub := range re.Sub {
		total += weigh(sub)
	}
	if re.Op == syntax.OpRepeat {
		total *= max(1, re.Min, re.Max)
	}
	return total
}

// split takes a query apart as the engine reads it: its words, without comments,
// and its quoted strings, which alone can hold a bracket or a brace.
func split(text string) (words string, quoted []string) {
	var b strings.Builder
	for text != "" {
		switch text[0] {
		case '#':
			b.WriteByte(' ')
			_, text, _ = strings.Cut(text, "\n")
			continue
		case '"', '`', '\'':
			if s, size, ok := literal(text); ok {
				b.WriteString(`""`)
				quoted, text = append(quoted, s), text[size:]
				continue
			}
		}
		b.WriteByte(text[0])
		text = text[1:]
	}
	return b.String(), quoted
}

func literal(text string) (s string, size int, ok bool) {
	if text[0] != '\'' {
		prefix, err := strconv.QuotedPrefix(text)
		if err != nil {
			return "", 0, false
		}
		s, err = strconv.Unquote(prefix)
		return s, len(prefix), err == nil
	}
	var b []byte
	rest := text[1:]
	for !strings.HasPrefix(rest, "'") {
		c, _, tail, err := strconv.UnquoteChar(rest, '\'')
		if err != nil {
			return "", 0, false
		}
		b, rest = utf8.AppendRune(b, c), tail
	}
	return string(b), len(text) - len(rest) + 1, true
}

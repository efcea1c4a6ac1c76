package ledger

import (
	"strconv"
	"strings"
)

// rebind turns ? into $1, $2, … for PostgreSQL, except in quoted text, quoted
// names and comments.
func rebind(postgres bool, query string) string {
	if !postgres || !strings.Contains(query, "?") {
		return query
	}
	var b strings.Builder
	b.Grow(len(query) + 16)
	n := 0
	for i := 0; i < len(query); {
		if end := opaque(query[i:]); end > 0 {
			b.WriteString(query[i : i+end])
			i += end
			continue
		}
		if query[i] == '?' {
			n++
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(n))
		} else {
			b.WriteByte(query[i])
		}
		i++
	}
	return b.String()
}

// opaque returns the length of the quoted text or comment at the start of s, 0
// when there is none. A doubled quote reads as two texts side by side, which
// comes to the same.
func opaque(s string) int {
	var from int
	var until string
	switch {
	case s[0] == '\'', s[0] == '"':
		from, until = 1, s[:1]
	case strings.HasPrefix(s, "--"):
		from, until = 2, "\n"
	case strings.HasPrefix(s, "/*"):
		from, until = 2, "*/"
	default:
		return 0
	}
	end := strings.Index(s[from:], until)
	if end < 0 {
		return len(s)
	}
	return from + end + len(until)
}

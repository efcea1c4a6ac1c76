package event

import (
	"strings"
	"unicode/utf8"

	"noroshi/ident"
)

// quick reads an event that is written as AppendJSON writes it: the attributes
// of the model in its order, each at most once, without spaces. That is nearly
// every line, and it costs a tenth of encoding/json. It gives up on whatever
// else it meets (another order, a null, an escaped number, a mistake), and then
// DecodeJSON looks the slow way, which alone decides what is refused and why.
type quick struct {
	s    string
	at   int
	more bool // an attribute or an element was read here, so a comma comes before the next
	fail bool
}

// quickly returns nil when it gives up. Texts are parts of one copy of the line.
func quickly(line []byte) *Event {
	if len(line) > MaxLine || !utf8.Valid(line) {
		return nil
	}
	q := quick{s: string(line)}
	e := new(Event)
	q.event(e)
	if q.fail || q.at != len(q.s) {
		return nil
	}
	return e
}

// is takes a piece of text that must come now.
func (q *quick) is(text string) bool {
	if strings.HasPrefix(q.s[q.at:], text) {
		q.at += len(text)
		return true
	}
	return false
}

func (q *quick) must(text string) { q.fail = q.fail || !q.is(text) }

// open begins an object or a list.
func (q *quick) open(bracket string) {
	q.must(bracket)
	q.more = false
}

// shut ends it. Something was read around it, now that this was.
func (q *quick) shut(bracket string) {
	q.must(bracket)
	q.more = true
}

// has takes the name of an attribute, with its quotes and its colon, when it is
// the one that comes.
func (q *quick) has(name string) bool {
	rest := q.s[q.at:]
	if q.more {
		if len(rest) == 0 || rest[0] != ',' {
			return false
		}
		rest = rest[1:]
	}
	if !strings.HasPrefix(rest, name) {
		return false
	}
	q.at = len(q.s) - len(rest) + len(name)
	q.more = true
	return true
}

// next tells whether a list has another element.
func (q *quick) next() bool {
	if q.fail || q.at == len(q.s) || q.s[q.at] == ']' {
		return false
	}
	if q.more {
		q.must(",")
	}
	q.more = true
	return !q.fail
}

// text reads a string. Escapes of one letter are read; the others are rare.
func (q *quick) text() string {
	q.must(`"`)
	rest := q.s[q.at:]
	for i := 0; i < len(rest) && i <= maxString; i++ {
		switch c := rest[i]; {
		case c == '"':
			q.at += i + 1
			return rest[:i]
		case c == '\\':
			return q.escaped(rest, i)
		case c < ' ':
			q.fail = true
			return ""
		}
	}
	q.fail = true
	return ""
}

// unescape is what a letter behind a backslash stands for; 0 is nothing that is
// read here.
var unescape = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escaped reads a string whose first escape stands at i.
func (q *quick) escaped(rest string, i int) string {
	b := append(make([]byte, 0, 2*i+32), rest[:i]...)
	for ; i < len(rest) && i <= maxString; i++ {
		c := rest[i]
		switch {
		case c == '"':
			q.at += i + 1
			return string(b)
		case c < ' ':
			q.fail = true
			return ""
		case c == '\\':
			if i++; i == len(rest) || unescape[rest[i]] == 0 {
				q.fail = true
				return ""
			}
			c = unescape[rest[i]]
		}
		b = append(b, c)
	}
	q.fail = true
	return ""
}

const maxDigits = 18 // that fit in 63 bits whatever they are

// natural reads digits.
func (q *quick) natural() (n uint64) {
	from := q.at
	for q.at < len(q.s) && q.s[q.at]-'0' <= 9 {
		n = 10*n + uint64(q.s[q.at]-'0')
		q.at++
	}
	if d := q.at - from; d == 0 || d > maxDigits || (d > 1 && q.s[from] == '0') {
		q.fail = true
	}
	// What makes it no whole number (a dot, an exponent) is not what comes next.
	return n
}

func (q *quick) long() int64 {
	if q.is("-") {
		return -int64(q.natural())
	}
	return int64(q.natural())
}

func (q *quick) int() int { return int(q.long()) }

func (q *quick) intPtr() *int {
	n := q.int()
	return &n
}

func (q *quick) id() ident.ID { return ident.ID(q.text()) }

// list reads texts. An empty list is not written, so it is not read here.
func (q *quick) list() (out []string) {
	for q.open("["); q.next(); {
		out = append(out, q.text())
	}
	q.shut("]")
	q.fail = q.fail || out == nil
	return out
}

// words reads the source's own names. They are written in the order of their
// letters, so that one that stands twice is seen at once.
func (q *quick) words() map[string]string {
	out := map[string]string{}
	last := ""
	q.open("{")
	for !q.fail && q.at < len(q.s) && q.s[q.at] != '}' {
		if q.more {
			q.must(",")
		}
		q.more = true
		from := q.at
		k := q.text()
		if len(k) != q.at-from-2 || (len(out) > 0 && k <= last) || len(out) == maxUnmapped {
			q.fail = true // It was escaped, is out of order, or one too many.
			return nil
		}
		q.must(":")
		out[k], last = q.text(), k
	}
	q.shut("}")
	return out
}

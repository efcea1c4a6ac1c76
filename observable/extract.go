package observable

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// Extract finds the observables in a command line or a log line, at most max,
// in the order of their kinds. The host of a URL is one of its own. A word that
// only looks like a name ("libc.so", "config.json", "run.sh") is none: its last
// part must be a top-level domain, and not also a usual file extension unless
// something else says that it is a host.
//
// It reads each command line of each machine, so it walks by hand over what
// regular expressions would find; a test holds it to these.
func Extract(text string, max int) []Observable {
	if len(text) > 64<<10 {
		text = text[:64<<10]
	}
	x := extractor{max: max}
	text = x.urls(text)
	each(text, x.addrs)
	each(text, x.hashes)
	each(text, func(at int, word string) { x.names(text, at, word) })
	return x.out
}

type extractor struct {
	max                       int
	out                       []Observable
	sawAddr, sawHash, sawName int // candidates, of which as many are looked at
}

func (x *extractor) add(o Observable) {
	if len(x.out) < x.max && !slices.Contains(x.out, o) {
		x.out = append(x.out, o)
	}
}

// urls takes the URLs out of the text: what is in them is not looked at again.
func (x *extractor) urls(text string) string {
	if !strings.Contains(text, "://") {
		return text
	}
	var rest []byte
	for n := 0; ; n++ {
		from, to := nextURL(text)
		if to == 0 {
			break
		}
		rest = append(append(rest, text[:from]...), ' ')
		if n < x.max {
			x.url(text[from:to])
		}
		text = text[to:]
	}
	return string(append(rest, text...))
}

func (x *extractor) url(s string) {
	o, err := Parse(strings.TrimRight(s, ".,"))
	if err != nil {
		return
	}
	if h, ok := o.Host(); ok {
		x.add(h)
	}
	x.add(o)
}

// schemes are those of URLs in which machines are attacked.
var schemes = []string{"http", "https", "ftp", "ws", "wss", "ldap", "ldaps", "rmi"}

// How many characters of a URL may follow its scheme.
const minRest, maxRest = 3, 1000

// nextURL finds the first URL; to is 0 when there is none.
func nextURL(text string) (from, to int) {
	for at := 0; ; {
		n := strings.Index(text[at:], "://")
		if n < 0 {
			return 0, 0
		}
		from, at = at+n, at+n+len("://")
		for from > 0 && isWord(text[from-1]) {
			from--
		}
		scheme := text[from : at-len("://")]
		if !slices.ContainsFunc(schemes, func(s string) bool { return strings.EqualFold(s, scheme) }) {
			continue
		}
		to, count := len(text), 0
		for i, c := range text[at:] {
			if count == maxRest || strings.ContainsRune(" \t\n\f\r\"'<>|;)]\\", c) {
				to = at + i
				break
			}
			count++
		}
		if count >= minRest {
			return from, to
		}
	}
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

// each hands out the runs of letters, digits, dots, dashes and underscores, in
// which an address, a hash or a name stands.
func each(text string, take func(at int, word string)) {
	from := -1
	for i := 0; i <= len(text); i++ {
		in := i < len(text) && (isWord(text[i]) || text[i] == '.' || text[i] == '-')
		switch {
		case in && from < 0:
			from = i
		case !in && from >= 0:
			take(from, text[from:i])
			from = -1
		}
	}
}

func (x *extractor) addrs(_ int, word string) {
	if strings.Count(word, ".") < 3 {
		return
	}
	for i := 0; i < len(word) && x.sawAddr < x.max; {
		n := quad(word[i:])
		if n == 0 || i > 0 && isWord(word[i-1]) {
			i++
			continue
		}
		x.sawAddr++
		if o, err := parseAddr(word[i : i+n]); err == nil && !unspecific(o) {
			x.add(o)
		}
		i += n
	}
}

// quad is how long the four numbers with dots are that s begins with.
func quad(s string) int {
	i := 0
	for group := range 4 {
		from := i
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		if i == from || i-from > 3 {
			return 0
		}
		if group == 3 {
			break
		}
		if i == len(s) || s[i] != '.' {
			return 0
		}
		i++
	}
	if i < len(s) && isWord(s[i]) {
		return 0
	}
	return i
}

func (x *extractor) hashes(_ int, word string) {
	if len(word) < 32 {
		return
	}
	for part := range strings.FieldsFuncSeq(word, func(c rune) bool { return c == '.' || c == '-' }) {
		if k := hashKind(len(part)); k != "" && isHex(part) && x.sawHash < x.max {
			x.sawHash++
			x.add(Observable{k, strings.ToLower(part)})
		}
	}
}

// nameLike finds the names in a word that is not one as a whole.
var nameLike = regexp.MustCompile(`(?i)\b(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{1,62}\b`)

func (x *extractor) names(text string, at int, word string) {
	switch dots := strings.IndexByte(word, '.'); {
	case dots < 0 || x.sawName == 4*x.max:
	case isName(word):
		x.name(text, at, word)
	case strings.ContainsFunc(word[dots:], func(c rune) bool { return c >= 'A' }): // Not a number alone.
		for _, m := range nameLike.FindAllStringIndex(word, 4*x.max-x.sawName) {
			x.name(text, at+m[0], word[m[0]:m[1]])
		}
	}
}

func (x *extractor) name(text string, at int, host string) {
	x.sawName++
	if !plausible(host, text, at) {
		return
	}
	if o, err := parseDomain(host); err == nil {
		x.add(o)
	}
}

// isName tells a word that is a name from end to end: labels of letters and
// digits, with dashes within, of which the last begins with a letter.
func isName(word string) bool {
	from, labels := 0, 0
	for i := 0; i <= len(word); i++ {
		if i < len(word) && word[i] != '.' {
			if word[i] == '_' {
				return false
			}
			continue
		}
		if n := i - from; n == 0 || n > maxLabel || word[from] == '-' || word[i-1] == '-' {
			return false
		}
		labels++
		if i == len(word) {
			return labels > 1 && i-from > 1 && word[from] >= 'A'
		}
		from = i + 1
	}
	return false
}

// unspecific addresses are in every command line and mean nothing.
func unspecific(o Observable) bool {
	a, err := netip.ParseAddr(o.Value)
	return err != nil || a.IsLoopback() || a.IsUnspecified()
}

// extensions are top-level domains that are usual file extensions too.
var extensions = map[string]bool{"sh": true, "py": true, "pl": true, "rs": true, "so": true, "md": true, "zip": true, "mov": true,
	"app": true, "bin": true, "cab": true, "cc": true, "ps": true, "ai": true, "do": true, "java": true, "in": true, "js": true, "service": true, "date": true}

func plausible(name, text string, at int) bool {
	// A path or a variable in front, "./run.sh", "$a.b", is no name.
	if at > 0 && strings.ContainsRune(`/\$%=`, rune(text[at-1])) && text[at-1] != '=' && !strings.HasSuffix(text[:at], "//") {
		return false
	}
	i := strings.LastIndexByte(name, '.')
	tld := strings.ToLower(name[i+1:])
	if tld == "test" {
		return true // Reserved for exercises (RFC 6761).
	}
	if extensions[tld] && strings.Count(name, ".") < 2 {
		return false
	}
	_, icann := publicsuffix.PublicSuffix(strings.ToLower(name))
	return icann && !strings.EqualFold(name, tld)
}

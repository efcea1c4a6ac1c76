package observable

import (
	"net/netip"
	"regexp"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// Patterns that find candidates; Parse decides.
var (
	urlLike  = regexp.MustCompile(`(?i)\b(?:https?|ftp|wss?|ldaps?|rmi)://[^\s"'<>|;)\]\\]{3,1000}`)
	addrLike = regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}\b`)
	hashLike = regexp.MustCompile(`\b(?:[0-9a-fA-F]{64}|[0-9a-fA-F]{40}|[0-9a-fA-F]{32})\b`)
	nameLike = regexp.MustCompile(`(?i)\b(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{1,62}\b`)
)

// Extract finds the observables in a command line or a log line, at most max,
// in the order of their kinds. The host of a URL is one of its own. A word that
// only looks like a name ("libc.so", "config.json", "run.sh") is none: its last
// part must be a top-level domain, and not also a usual file extension unless
// something else says that it is a host.
func Extract(text string, max int) []Observable {
	if len(text) > 64<<10 {
		text = text[:64<<10]
	}
	var out []Observable
	seen := map[Observable]bool{}
	add := func(o Observable) {
		if !seen[o] && len(out) < max {
			seen[o] = true
			out = append(out, o)
		}
	}
	for _, m := range urlLike.FindAllString(text, max) {
		o, err := Parse(strings.TrimRight(m, ".,"))
		if err != nil {
			continue
		}
		if h, ok := o.Host(); ok {
			add(h)
		}
		add(o)
	}
	rest := urlLike.ReplaceAllString(text, " ")
	for _, m := range addrLike.FindAllString(rest, max) {
		if o, err := parseAddr(m); err == nil && !unspecific(o) {
			add(o)
		}
	}
	for _, m := range hashLike.FindAllString(rest, max) {
		add(Observable{hashKind(len(m)), strings.ToLower(m)})
	}
	for _, at := range nameLike.FindAllStringIndex(rest, 4*max) {
		if host := rest[at[0]:at[1]]; plausible(host, rest, at[0]) {
			if o, err := parseDomain(host); err == nil {
				add(o)
			}
		}
	}
	return out
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

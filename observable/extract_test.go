package observable

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Patterns that find candidates, slowly; Parse decides.
var (
	urlLike  = regexp.MustCompile(`\b(?i:https?|ftp|wss?|ldaps?|rmi)://[^\s"'<>|;)\]\\]{3,1000}`)
	addrLike = regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}\b`)
	hashLike = regexp.MustCompile(`\b(?:[0-9a-fA-F]{64}|[0-9a-fA-F]{40}|[0-9a-fA-F]{32})\b`)
)

// byRegexp is Extract as the patterns say it.
func byRegexp(text string, max int) []Observable {
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

var pieces = []string{"http://", "HTTPS://", "xhttp://", "ldap://", "://", "evil.test", "a-b.example.com", "EVIL.Example.COM", "_dmarc.x.org", "a_.b.com", "-a.com", "a.com-", "a..b.com",
	"192.0.2.1", "1.2.3.4.5", "1.2.3.4567", "1234.1.2.3", "127.0.0.1", "d41d8cd98f00b204e9800998ecf8427e", "da39a3ee5e6b4b0d3255bfef95601890afd80709", "run.sh", "./", "/", "$", "=", "%65",
	"libc.so.6", "config.json", "3.11", "python3.11", ".", "-", "_", " ", "\n", "\"", "'", "|", ")", ":8080", "/a?b=c", "日本語.jp", "\xff", "a", "Z", "9", "x.y", ",", "[2001:db8::1]", "co.uk", "www.",
	strings.Repeat("a", 64) + ".com", strings.Repeat("a", 63) + ".com", strings.Repeat("x", 1001)}

// TestExtractFindsWhatThePatternsFind over any words next to each other.
func TestExtractFindsWhatThePatternsFind(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 12).Draw(t, "pieces"), rapid.SampledFrom([]string{"", " ", "."}).Draw(t, "between"))
		max := rapid.SampledFrom([]int{1, 2, 20}).Draw(t, "max")
		if got, want := Extract(text, max), byRegexp(text, max); !slices.Equal(got, want) {
			t.Errorf("%q: %v, the patterns find %v", text, got, want)
		}
	})
}

func FuzzExtract(f *testing.F) {
	for _, p := range pieces {
		f.Add(p + " " + p)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.ContainsAny(text, "\u017f\u212a") {
			return // Which Unicode folds into s and k: the patterns take them for letters.
		}
		if got, want := Extract(text, 20), byRegexp(text, 20); !slices.Equal(got, want) {
			t.Errorf("%q: %v, the patterns find %v", text, got, want)
		}
		for _, o := range Extract(text, 20) {
			if again, err := Parse(o.Value); err != nil || again != o {
				t.Errorf("%q: %v reads as %v, %v", text, o, again, err)
			}
		}
	})
}

func BenchmarkExtract(b *testing.B) {
	for name, text := range map[string]string{
		"everyday": "/usr/bin/python3 /opt/app/worker-12.py --id 53321 --config /etc/app/worker.yml --log-level info",
		"download": "curl -fsSL https://www.site-17.example.com/3f2a?id=531 -o /tmp/3f2a",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Extract(text, 20)
			}
		})
	}
}

package discovery_test

import (
	"crypto/x509/pkix"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"noroshi/discovery"
	"noroshi/observable"
)

// FuzzOrganisationOf: what Go writes of a subject is read again, and nothing else
// takes the program down or is kept as it came.
func FuzzOrganisationOf(f *testing.F) {
	for _, s := range []string{"CN=www,O=Example City,C=JP", `O=Example\, City\+ \"Ward\"`, "OU=O=x", "O=#0c0141", `O=\e5\b8\82`, `O=\`, "o = x+CN=y", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := discovery.OrganisationOf(s)
		if len(got) > discovery.MaxSaid+4 || strings.ContainsAny(got, "\x00\n") || !utf8.ValidString(got) {
			t.Fatalf("%q gives %q", s, got)
		}
		if name := strings.TrimSpace(s); utf8.ValidString(s) && name != "" && len(s) < discovery.MaxSaid && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError }) && name == s {
			if again := discovery.OrganisationOf(pkix.Name{CommonName: "O=not", Organization: []string{s}}.String()); again != s && !strings.HasPrefix(s, "#") {
				t.Fatalf("%q is read as %q", s, again)
			}
		}
	})
}

func TestClosest(t *testing.T) {
	domains := []string{"city.example", "ward.city.example"}
	prefixes := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.0.2.128/25"), netip.MustParsePrefix("2001:db8::/32")}
	for asset, want := range map[string]string{
		"city.example": "city.example", "a.ward.city.example": "ward.city.example", "notcity.example": "", "example.com": "",
		"192.0.2.1": "192.0.2.0/24", "192.0.2.200": "192.0.2.128/25", "192.0.2.0/25": "192.0.2.0/24", "192.0.0.0/16": "", "192.0.3.1": "", "2001:db8::1": "2001:db8::/32",
	} {
		o, err := observable.Parse(asset)
		if err != nil {
			t.Fatal(err)
		}
		if got := discovery.Closest(o, domains, prefixes); got != want {
			t.Errorf("%s is in %q, not %q", asset, got, want)
		}
	}
}

// TestEvidenceIsBoundedAndNoKindIsLost: a flood of one kind does not hide another.
func TestEvidenceIsBoundedAndNoKindIsLost(t *testing.T) {
	var c discovery.Candidate
	for i := range 1000 {
		c.Note(discovery.Evidence{Kind: discovery.PassiveName, Via: strings.Repeat("x", i), At: time.Unix(int64(i), 0)})
	}
	c.Note(discovery.Evidence{Kind: discovery.PTR, Said: strings.Repeat("市", 1000), At: time.Unix(1, 0)})
	c.Note(discovery.Evidence{Kind: discovery.PTR, Said: "older", At: time.Unix(0, 0)})
	last := c.Evidence[len(c.Evidence)-1]
	if len(c.Evidence) != discovery.MaxEvidence+1 || last.Kind != discovery.PTR || len(last.Said) > discovery.MaxSaid+4 || !utf8.ValidString(last.Said) || last.Said == "older" {
		t.Errorf("%d are kept, the last is %+v", len(c.Evidence), last)
	}
}

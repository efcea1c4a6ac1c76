package join

import (
	"encoding/base64"
	"strings"
	"testing"

	"noroshi/fault"
)

var sample = Token{Hub: "hub.example:8443", CA: strings.Repeat("a", 64), Secret: strings.Repeat("5", 64)}

func TestTokenIsOneWordThatComesBack(t *testing.T) {
	for _, hub := range []string{"hub.example:8443", "192.0.2.1:1", "[2001:db8::1]:8443"} {
		in := sample
		in.Hub = hub
		s := in.String()
		if strings.ContainsAny(s, " \t\n+/=") || !strings.HasPrefix(s, "nrs1_") {
			t.Errorf("%q is not one word", s)
		}
		if out, err := ParseToken("  " + s + "\n"); err != nil || out != in {
			t.Errorf("%+v came back as %+v, %v", in, out, err)
		}
	}
}

func TestTokensThatWereNotCopiedWhole(t *testing.T) {
	whole := sample.String()
	change := func(f func(*Token)) string { t := sample; f(&t); return t.String() }
	for name, s := range map[string]string{
		"empty": "", "another prefix": "nrs2_" + whole[5:], "cut": whole[:len(whole)-9], "long": whole + strings.Repeat("A", 1024),
		"no JSON":       "nrs1_" + base64.RawURLEncoding.EncodeToString([]byte("hello")),
		"empty JSON":    "nrs1_e30",
		"no port":       change(func(t *Token) { t.Hub = "hub.example" }),
		"no host":       change(func(t *Token) { t.Hub = ":8443" }),
		"a path":        change(func(t *Token) { t.Hub = "evil.example/x:8443" }),
		"a user":        change(func(t *Token) { t.Hub = "hub.example@evil.example:8443" }),
		"a space":       change(func(t *Token) { t.Hub = "hub example:8443" }),
		"a short print": change(func(t *Token) { t.CA = t.CA[1:] }),
		"a loud print":  change(func(t *Token) { t.CA = strings.ToUpper(t.CA) }),
		"no secret":     change(func(t *Token) { t.Secret = "" }),
	} {
		if got, err := ParseToken(s); fault.KindOf(err) != fault.Invalid || got != (Token{}) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add(sample.String())
	f.Add("nrs1_")
	f.Add("nrs1_e30")
	f.Fuzz(func(t *testing.T, s string) {
		tok, err := ParseToken(s)
		if err != nil {
			return
		}
		if again, err := ParseToken(tok.String()); err != nil || again != tok {
			t.Errorf("%q became %v, %v", s, again, err)
		}
	})
}

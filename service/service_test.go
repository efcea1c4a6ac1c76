package service

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"noroshi/fault"
)

func TestWhatIsNoOpenPortIsRefused(t *testing.T) {
	texts := make([]string, maxEvidence+1)
	for i := range texts {
		texts[i] = `"` + strconv.Itoa(i) + `":""`
	}
	for line, kind := range map[string]fault.Kind{
		``: fault.Invalid, `[]`: fault.Invalid, `{"port":80,"transport":"tcp"}`: fault.Invalid,
		`{"address":"192.0.2.1","port":0,"transport":"tcp"}`:                                                fault.Invalid,
		`{"address":"192.0.2.1","port":80,"transport":"sctp"}`:                                              fault.Invalid,
		`{"address":"fe80::1%eth0","port":80,"transport":"tcp"}`:                                            fault.Invalid,
		`{"address":"192.0.2.1","port":80,"transport":"tcp","os":"` + strings.Repeat("x", maxBytes) + `"}`:  fault.TooLarge,
		`{"address":"192.0.2.1","port":80,"transport":"tcp","evidence":{` + strings.Join(texts, ",") + `}}`: fault.TooLarge,
	} {
		if _, err := Decode([]byte(line)); fault.KindOf(err) != kind {
			t.Errorf("%.60s: %v; want it to be %v", line, err, kind)
		}
	}
}

// TestWhatAPortSaysIsFitToBeShown: a scanner may have been built by others.
func TestWhatAPortSaysIsFitToBeShown(t *testing.T) {
	p, err := Decode([]byte(`{"address":"::ffff:192.0.2.1","port":443,"transport":"tcp","product":"ngi\u0000nx\u202e","package_version":"1.2","http":{"status":200,"title":" a\nb "},
		"tls":{"versions":[],"ciphers":{},"post_quantum":false,"names":["` + strings.Repeat("火", maxText+1) + `"]},"evidence":{"html_title":"a\nb"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if p.Address.String() != "192.0.2.1" || p.Place() != "tcp/443" || p.Name() != "ngi nx 1.2" || p.HTTP.Title != "a b" || p.Evidence["html_title"] != "a b" || utf8.RuneCountInString(p.TLS.Names[0]) != maxText {
		t.Errorf("%+v", p)
	}
}

// FuzzDecode reads what a scanner tells, which repeats what hostile servers said.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"address":"192.0.2.1","port":443,"transport":"tcp","service":"https","tls":{"versions":["TLS 1.0"],"ciphers":{"TLS 1.0":["TLS_RSA_WITH_RC4_128_SHA"]},"not_after":"2020-01-01T00:00:00Z"},"http":{"status":200,"title":"Index of /","favicon":{"murmur3":-1}}}`))
	f.Add([]byte("{\"address\":\"2001:db8::1\",\"port\":22,\"transport\":\"tcp\",\"product\":\"Open\u202eSSH\",\"evidence\":{\"ssh.banner\":\"\\u0000\"}}"))
	f.Fuzz(func(t *testing.T, line []byte) {
		p, err := Decode(line)
		if err != nil {
			return
		}
		if !p.Address.IsValid() || p.Address.Is4In6() || p.Port == 0 {
			t.Errorf("%+v was taken", p)
		}
		for _, s := range p.texts() {
			if bytes.ContainsAny([]byte(*s), "\x00\n\u202e") || !utf8.ValidString(*s) || utf8.RuneCountInString(*s) > maxText {
				t.Errorf("%q is kept", *s)
			}
		}
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := Decode(b); len(b) <= maxBytes && (err != nil || !reflect.DeepEqual(again, p)) {
			t.Errorf("what was read is written as %s, which reads as %+v, %v", b, again, err)
		}
	})
}

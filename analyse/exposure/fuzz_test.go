package exposure

import (
	"bytes"
	"testing"
	"time"

	"noroshi/content"
	"noroshi/service"
)

// FuzzPort reads what a scanner tells, which repeats what hostile servers said,
// and judges it by every rule.
func FuzzPort(f *testing.F) {
	rules, err := LoadRules(content.Exposure())
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"address":"192.0.2.1","port":443,"transport":"tcp","service":"https","tls":{"versions":["TLS 1.0"],"ciphers":{"TLS 1.0":["TLS_RSA_WITH_RC4_128_SHA"]},"not_after":"2020-01-01T00:00:00Z"},"http":{"status":200,"title":"Index of /","directory_listing":true}}`))
	f.Add([]byte(`{"address":"2001:db8::1","port":22,"transport":"tcp","service":"ssh","product":"OpenSSH","package_version":"9.2p1-2+deb12u3","ssh":{"kex":["diffie-hellman-group1-sha1"]}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		p, err := service.Decode(line)
		if err != nil {
			return
		}
		if !p.Address.IsValid() || p.Port == 0 || bytes.ContainsRune([]byte(p.Name()), 0) {
			t.Errorf("%+v was taken", p)
		}
		for _, w := range rules.judge(p, time.Unix(1_800_000_000, 0)) {
			if w.Name == "" || w.TitleJA == "" || len(w.Evidence) != 1 {
				t.Errorf("a weakness without what it needs: %+v", w)
			}
		}
		if cryptoKind(p) != "" {
			of(p)
		}
	})
}

package iot_test

import (
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"gopkg.in/yaml.v3"

	"noroshi/analyse/iot"
	"noroshi/content"
	"noroshi/fault"
	"noroshi/service"
)

func rules(t testing.TB) *iot.Rules {
	t.Helper()
	r, err := iot.Load(content.Devices())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// says is a host that shows one text at one port.
func says(on, text string) []service.Port {
	return []service.Port{{Address: netip.MustParseAddr("192.0.2.1"), Port: 80, Transport: "tcp", Answer: service.Answer{Service: "http", Evidence: map[string]string{on: text}}}}
}

// TestEveryRuleKnowsItsExamples reads the files as data: each rule has examples,
// and each example makes the device that its rule stands for, in each kind of
// text that the rule looks at.
func TestEveryRuleKnowsItsExamples(t *testing.T) {
	r := rules(t)
	entries, err := os.ReadDir("../../content/devices")
	if err != nil {
		t.Fatal(err)
	}
	makers, examples := 0, 0
	for _, e := range entries {
		b, err := os.ReadFile("../../content/devices/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			Makers map[string]struct {
				Rules []struct {
					ID, Type string
					On       []string
					Examples []struct{ Text, Model, Firmware string }
				}
			}
		}
		if err := yaml.Unmarshal(b, &file); err != nil {
			t.Fatal(err)
		}
		for key, m := range file.Makers {
			makers++
			for _, rule := range m.Rules {
				if len(rule.Examples) == 0 {
					t.Errorf("%s has no example", rule.ID)
				}
				for _, x := range rule.Examples {
					examples++
					for _, on := range rule.On {
						all := r.Devices(says(on, x.Text))
						if len(all) != 1 {
							t.Errorf("%s: %s %q makes %d devices: %+v", rule.ID, on, x.Text, len(all), all)
							continue
						}
						d := all[0]
						want := key
						if key == "any" {
							want = ""
						}
						if d.Maker != want || string(d.Kind) != rule.Type || !strings.EqualFold(d.Model, x.Model) || d.Firmware != x.Firmware {
							t.Errorf("%s: %s %q makes %+v", rule.ID, on, x.Text, d)
						}
					}
				}
			}
		}
	}
	if makers < 40 || examples < 60 {
		t.Errorf("only %d makers and %d examples were read", makers, examples)
	}
	t.Logf("%d makers, %d examples", makers, examples)
}

// TestOrdinaryServersAreNoDevices: whoever runs a web server is not told to
// replace a router.
func TestOrdinaryServersAreNoDevices(t *testing.T) {
	r := rules(t)
	for on, texts := range map[string][]string{
		"http_header.server":  {"nginx/1.22.1", "Apache/2.4.62 (Debian)", "Microsoft-IIS/10.0", "lighttpd/1.4.69", "cloudflare", "Caddy", "gunicorn", "Jetty(9.4.z)", "openresty", "LiteSpeed"},
		"http_header.wwwauth": {`Basic realm="Restricted"`, `Basic realm="Login"`, `Basic realm="Private"`, `Bearer realm="api"`},
		"html_title":          {"Welcome to nginx!", "Apache2 Debian Default Page: It works", "株式会社サンプル", "Sign in", "Login", "Art of the router table", "HPの作り方 - ホームページ", "Broadcast news", "IIS Windows Server"},
		"ssh.banner":          {"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3", "SSH-2.0-dropbear_2022.83", "SSH-2.0-Go"},
		"ftp.banner":          {"(vsFTPd 3.0.3)", "ProFTPD Server (Debian) [192.0.2.1]", "Microsoft FTP Service", "Welcome to Pure-FTPd [privsep] [TLS]"},
		"x509.subject":        {"CN=www.example.jp", "CN=*.example.jp,O=Example K.K.,L=Minato-ku,ST=Tokyo,C=JP"},
	} {
		for _, text := range texts {
			if d := r.Devices(says(on, text)); len(d) != 0 {
				t.Errorf("%s %q is taken for %+v", on, text, d)
			}
		}
	}
}

func TestWhatIsWrongInAFileIsRefusedWithItsName(t *testing.T) {
	for text, want := range map[string]string{
		"makers: {mk: {name: X, name_ja: X, rules: [{id: x-1, type: toaster, on: [html_title], has: x, confidence: 5}]}}": `x.yaml: rule x-1: "toaster" is no type`,
		"makers: {mk: {name: X, name_ja: X, rules: [{id: x-1, type: nas, on: [html_title], match: '(', confidence: 5}]}}": "the pattern cannot be used",
		"makers: {mk: {name: X, name_ja: X, rules: [{id: x-1, type: nas, on: [html_title], has: X, confidence: 5}]}}":     "small letters",
		"makers: {mk: {name: X, rules: []}}":                             "lacks a name",
		"makers: {mk: {name: X, name_ja: X, vulnerable: [{id: CVE-1}]}}": "weakness CVE-1: it is named by its CVE",
		"makers: {mk: {name: X, name_ja: X, vulnerable: [{id: CVE-2024-1111, models: A, fixed: new, level: high, title: t, title_ja: t, reference: 'https://e.jp'}]}}":            `"new" is no version`,
		"exposed: [{id: e-1, level: high, title: t, title_ja: t, fix: f, fix_ja: f}]":                                                                                             "it says of nothing",
		"exposed: [{id: e-1, ports: [23], level: high, title: t, title_ja: t, fix: f, fix_ja: f}, {id: e-1, ports: [23], level: high, title: t, title_ja: t, fix: f, fix_ja: f}]": "stands twice",
		"devices: []": "field devices not found",
	} {
		_, err := iot.Load(fstest.MapFS{"x.yaml": {Data: []byte(text)}})
		if fault.KindOf(err) != fault.Invalid || !strings.Contains(fault.PublicOf(err), want) {
			t.Errorf("%s\n  is answered %v", text, err)
		}
	}
}

func FuzzRules(f *testing.F) {
	f.Add([]byte("makers: {mk: {name: X, name_ja: X, rules: [{id: x-1, type: nas, on: [html_title], has: x, match: '(?P<model>x+)', confidence: 5}]}}"), "xxx")
	f.Add([]byte("exposed: [{id: e-1, ports: [80], alone: true, level: high, title: t, title_ja: t, fix: f, fix_ja: f}]"), "a")
	f.Fuzz(func(t *testing.T, b []byte, text string) {
		r, err := iot.Load(fstest.MapFS{"x.yaml": {Data: b}})
		if err != nil {
			if fault.PublicOf(err) == "" {
				t.Error("refused without a word")
			}
			return
		}
		for _, j := range r.Judge(says("html_title", text)) {
			for _, w := range j.Weaknesses {
				if w.Title == "" || w.TitleJA == "" || w.Fix == "" || w.FixJA == "" || w.Level.Rank() == 0 {
					t.Errorf("a weakness says too little: %+v", w)
				}
			}
		}
	})
}

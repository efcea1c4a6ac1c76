package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"noroshi/fault"
)

func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "noroshi.yml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestDefaultsFileAndEnvironment(t *testing.T) {
	c, err := Load("", nil)
	if err != nil || c.Hub.Console != "127.0.0.1:7080" {
		t.Fatalf("the defaults: %+v, %v", c.Hub, err)
	}
	c, err = Load(write(t, "hub:\n  console: 127.0.0.1:1\n  rules: [a]\n"), []string{"NOROSHI_HUB_CONSOLE=127.0.0.1:2", "NOROSHI_RESOLVER_LISTEN=a:1,b:2", "PATH=x"})
	if err != nil || c.Hub.Console != "127.0.0.1:2" || c.Hub.Rules[0] != "a" || c.Resolver.Listen[1] != "b:2" || c.Hub.Bus == "" {
		t.Errorf("file and environment: %+v, %v", c, err)
	}
}

func TestErrorsNamePlaceAndRemedy(t *testing.T) {
	for name, c := range map[string]struct {
		yaml string
		env  []string
		says []string
	}{
		"unknown key":      {"hub:\n  consol: x\n", nil, []string{"line 2", `"consol"`, "hub.console"}},
		"wrong type":       {"spool:\n  max_mib: many\n", nil, []string{"line 2"}},
		"not yaml":         {"hub: [\n", nil, []string{"line"}},
		"no address":       {"hub:\n  bus: here\n", nil, []string{"hub.bus", "host:port"}},
		"no time":          {"hub:\n  node_certificate_life: 90\n", nil, []string{"hub.node_certificate_life", "2160h"}},
		"open console":     {"hub:\n  console: 0.0.0.0:7080\n", nil, []string{"hub.console", "console_tls"}},
		"unknown variable": {"", []string{"NOROSHI_HUB_CONSOL=x"}, []string{"NOROSHI_HUB_CONSOL"}},
		"no port":          {"metrics: 9464\n", nil, []string{"metrics", "host:port"}},
		"readable notice":  {"hub:\n  notice_url: http://check.example.jp\n", nil, []string{"hub.notice_url", "https"}},
		"late brake":       {"disk:\n  brake_mib: 100\n", nil, []string{"disk.brake_mib", "384"}},
		"large reserve":    {"disk:\n  reserve_mib: 2000\n", nil, []string{"disk.reserve_mib"}},
		"over the whole":   {"disk:\n  warn_percent: 101\n", nil, []string{"disk", "90"}},
		"two centres":      {"hub:\n  organisations: [{slug: a}, {slug: b}]\n", nil, []string{"one organisation without parent"}},
		"orphan":           {"hub:\n  organisations: [{slug: a}, {slug: b, parent: c}]\n", nil, []string{"[1]", `"c"`}},
	} {
		_, err := Load(write(t, c.yaml), c.env)
		if k := fault.KindOf(err); k != fault.Invalid {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, s := range c.says {
			if !strings.Contains(fault.PublicOf(err), s) {
				t.Errorf("%s says %q, without %q", name, fault.PublicOf(err), s)
			}
		}
	}
}

func TestDumpHidesSecretsAndReadsAgain(t *testing.T) {
	c := Default()
	c.Hub.Ledger = "postgres://u:secret@h/d"
	b, err := c.Dump()
	if err != nil || strings.Contains(string(b), "secret@") {
		t.Errorf("%s, %v", b, err)
	}
	if err := Parse("dump", b, &Config{}); err != nil {
		t.Error(err)
	}
	for _, k := range c.Keys() {
		if strings.Contains(k.Value, "secret@") || k.Doc == "" {
			t.Errorf("%+v", k)
		}
	}
}

// TestMailIsRefusedThatWouldBeRead says which key is wrong before anything is sent.
func TestMailIsRefusedThatWouldBeRead(t *testing.T) {
	good := Mail{Relay: "mail.example.jp:587", TLS: "starttls", From: "a@example.jp", Contact: "b@example.jp", PerMinute: 1, Zone: "UTC", User: "u", PasswordFile: "f"}
	if err := good.check(); err != nil {
		t.Fatal(err)
	}
	for place, spoil := range map[string]func(*Mail){
		"relay": func(m *Mail) { m.Relay = "mail.example.jp" }, "tls": func(m *Mail) { m.TLS = "none" }, "user": func(m *Mail) { m.TLS, m.Relay = "none", "127.0.0.1:25" },
		"password_file": func(m *Mail) { m.PasswordFile = "" }, "from": func(m *Mail) { m.Contact = "" }, "hour": func(m *Mail) { m.Hour = 24 }, "zone": func(m *Mail) { m.Zone = "Tokyo" }, "per_minute": func(m *Mail) { m.PerMinute = 0 },
	} {
		m := good
		spoil(&m)
		if err := m.check(); err == nil || !strings.Contains(err.Error(), "hub.mail."+place) {
			t.Errorf("%s: %v", place, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	b, _ := Default().Dump()
	f.Add(b)
	f.Add([]byte("a: &a [*a]\n"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		c := Default()
		_ = Parse("f", b, &c)
	})
}

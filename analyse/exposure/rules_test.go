package exposure

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"noroshi/content"
	"noroshi/fault"
	"noroshi/service"
)

var judged = time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)

// examples are a port for each rule, as far as the rule looks at it; the rules
// that stand behind a comma find it, too.
var examples = map[string]string{
	"exposed-redis": `"service":"redis"`, "exposed-memcached": `"service":"memcached"`, "exposed-mysql": `"service":"mysql"`, "exposed-postgresql": `"service":"postgresql"`,
	"exposed-mqtt": `"service":"mqtt"`, "exposed-ldap": `"service":"ldap"`, "exposed-smb": `"service":"smb","smb":{"dialect":"3.0.2","signing_required":true}`, "exposed-rdp": `"service":"rdp"`, "exposed-vnc": `"service":"vnc"`,
	"exposed-snmp": `"service":"snmp"`, "exposed-rsync": `"service":"rsync"`, "exposed-ssdp": `"service":"ssdp"`,
	"exposed-amqp": `"service":"amqp"`, "exposed-nats": `"service":"nats"`, "exposed-beanstalk": `"service":"beanstalk"`, "exposed-gearman": `"service":"gearman"`,
	"exposed-munin": `"service":"munin"`, "exposed-clamd": `"service":"clamd"`, "exposed-gpsd": `"service":"gpsd"`,
	"exposed-mongodb": `"service":"mongodb"`, "mongodb-without-login,exposed-mongodb": `"service":"mongodb","evidence":{"mongodb.databases":"listed to everybody"}`,
	"exposed-mssql": `"service":"mssql"`, "exposed-portmap": `"service":"portmap"`, "exposed-netbios": `"service":"netbios-ns"`, "exposed-mdns": `"service":"mdns"`, "exposed-ipmi": `"service":"ipmi"`,
	"exposed-cldap": `"service":"cldap"`, "exposed-small-services": `"service":"chargen"`,
	"redis-without-login,exposed-redis": `"service":"redis","evidence":{"redis.info":"7.0.15"}`, "memcached-udp,exposed-memcached": `"service":"memcached","transport":"udp"`,
	"vnc-without-password,exposed-vnc": `"service":"vnc","evidence":{"rfb.security":"None, VNC password"}`, ",,,,,,exposed-vnc": `"service":"vnc","evidence":{"rfb.security":"VeNCrypt"}`,
	"ftp-anonymous,cleartext-login-mail": `"service":"ftp","evidence":{"ftp.banner":"Anonymous FTP of example.jp"}`,
	"dns-open-resolver":                  `"service":"dns","evidence":{"dns.recursion":"for everybody"}`, ",,,,,,": `"service":"dns"`,
	"ntp-mode-6": `"service":"ntp","evidence":{"ntp.readvar":"version=4"}`, "ntp-monlist": `"service":"ntp","evidence":{"ntp.monlist":"answered"}`, ",,,,,,,": `"service":"ntp"`,
	"rdp-without-nla,exposed-rdp": `"service":"rdp","evidence":{"rdp.nla":"optional"}`, "exposed-rdp,": `"service":"rdp","evidence":{"rdp.nla":"required"}`,
	"smb1,exposed-smb":                 `"service":"smb","smb":{"dialect":"3.0.2","smb1":true,"signing_required":true}`,
	"exposed-page":                     `"service":"https","tls":{"versions":["TLS 1.3"],"not_after":"2027-01-01T00:00:00Z"},"http":{"status":404,"exposed":[{"path":"/version","name":"Docker"}]}`,
	"smb-signing-optional,exposed-smb": `"service":"smb","smb":{"dialect":"3.0.2"}`,
	"cleartext-telnet":                 `"service":"telnet"`, "cleartext-login-mail": `"service":"imap"`,
	"cleartext-login-page,no-https": `"service":"http","http":{"status":200,"login":true}`,
	"exposed-admin-page":            `"service":"https","tls":{"versions":["TLS 1.3"],"not_after":"2027-01-01T00:00:00Z"},"http":{"status":401,"login":true,"title":"phpMyAdmin 5"}`,
	"directory-listing":             `"service":"https","tls":{"versions":["TLS 1.3"],"not_after":"2027-01-01T00:00:00Z"},"http":{"status":403,"directory_listing":true}`,
	"no-https":                      `"service":"http","http":{"status":204}`,
	"missing-hsts":                  page("Content-Security-Policy", "X-Content-Type-Options"),
	"missing-csp":                   page("Strict-Transport-Security", "X-Content-Type-Options"),
	"missing-nosniff":               page("Strict-Transport-Security", "Content-Security-Policy"),
	"tls-old-version":               `"service":"tls","tls":{"versions":["TLS 1.2","TLS 1.1"],"not_after":"2027-01-01T00:00:00Z"}`,
	"tls-weak-cipher":               `"service":"tls","tls":{"versions":["TLS 1.2"],"ciphers":{"TLS 1.2":["TLS_RSA_WITH_3DES_EDE_CBC_SHA"]},"not_after":"2027-01-01T00:00:00Z"}`,
	"certificate-expired":           `"service":"tls","tls":{"versions":["TLS 1.3"],"not_after":"2026-04-30T23:59:59Z"}`,
	"certificate-expires-soon":      `"service":"tls","tls":{"versions":["TLS 1.3"],"not_after":"2026-05-14T00:00:00Z"}`,
	"certificate-weak":              `"service":"tls","tls":{"versions":["TLS 1.3"],"not_after":"2027-01-01T00:00:00Z","weak":["RSA key under 2048 bits"]}`,
	"certificate-self-signed":       `"service":"tls","tls":{"versions":["TLS 1.3"],"not_after":"2027-01-01T00:00:00Z","weak":["signed by itself"]}`,
	"certificate-not-yet-valid":     `"service":"tls","tls":{"versions":["TLS 1.3"],"not_before":"2026-05-01T00:00:01Z","not_after":"2027-01-01T00:00:00Z","trust":"trusted"}`,
	"certificate-long-lived":        `"service":"tls","tls":{"versions":["TLS 1.3"],"not_before":"2026-04-01T00:00:00Z","not_after":"2027-05-05T00:00:01Z"}`,
	"certificate-wrong-name":        `"service":"tls","tls":{"versions":["TLS 1.3"],"not_after":"2027-01-01T00:00:00Z","names":["a.example.jp"],"named":[{"name":"b.example.jp"},{"name":"c.example.jp"}]}`,
	"certificate-unknown-issuer":    `"service":"tls","tls":{"versions":["TLS 1.3"],"not_after":"2027-01-01T00:00:00Z","trust":"unknown_issuer"}`,
	"certificate-incomplete-chain":  `"service":"tls","tls":{"versions":["TLS 1.3"],"not_after":"2027-01-01T00:00:00Z","trust":"incomplete_chain"}`,
	"certificate-issuer-expired":    `"service":"tls","tls":{"versions":["TLS 1.3"],"not_after":"2027-01-01T00:00:00Z","trust":"issuer_expired"}`,
	"certificate-unfit":             `"service":"tls","tls":{"versions":["TLS 1.3"],"not_after":"2027-01-01T00:00:00Z","trust":"unfit"}`,
	",,,,,":                         `"service":"tls","tls":{"versions":["TLS 1.3"],"not_before":"2026-04-01T00:00:00Z","not_after":"2027-05-05T00:00:00Z","trust":"trusted","named":[{"name":"b.example.jp"},{"name":"c.example.jp","fits":true}]}`,
	"ssh-old-kex":                   `"service":"ssh","ssh":{"kex":["curve25519-sha256","diffie-hellman-group1-sha1"]}`,
	"ssh-old-cipher":                `"service":"ssh","ssh":{"kex":["curve25519-sha256"],"ciphers":["aes256-gcm@openssh.com","3des-cbc"]}`,
	"":                              `"service":"ssh","ssh":{"kex":["sntrup761x25519-sha512@openssh.com"],"ciphers":["aes256-gcm@openssh.com"]}`,
	",,":                            `"service":"imap","tls":{"versions":["TLS 1.3"],"not_after":"2027-01-01T00:00:00Z"}`,
	",":                             `"service":"http","http":{"status":301,"location":"https://example.jp/"}`,
	",,,":                           page("Strict-Transport-Security", "Content-Security-Policy", "X-Content-Type-Options"),
	",,,,":                          `"service":"https","tls":{"versions":["TLS 1.3"],"not_after":"2026-05-16T00:00:00Z"},"http":{"status":404,"title":"Administrative law"}`,
}

// page is a page that a browser gets over HTTPS, with these headers.
func page(headers ...string) string {
	var list []string
	for _, h := range headers {
		list = append(list, fmt.Sprintf("%q:\"x\"", h))
	}
	return `"service":"https","tls":{"versions":["TLS 1.2","TLS 1.3"],"ciphers":{"TLS 1.3":["TLS_AES_128_GCM_SHA256"]},"not_after":"2027-01-01T00:00:00Z"},"http":{"status":200,"headers":{` + strings.Join(list, ",") + `}}`
}

func TestEveryRuleFindsItsExampleAndNoOther(t *testing.T) {
	rules, err := LoadRules(content.Exposure())
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for names, text := range examples {
		p, err := service.Decode([]byte(`{"address":"192.0.2.1","port":1,"transport":"tcp",` + text + `}`))
		if err != nil {
			t.Fatal(err)
		}
		want := slices.Sorted(strings.SplitSeq(strings.Trim(names, ","), ","))
		if want[0] == "" {
			want = nil
		}
		var got []string
		for _, w := range rules.judge(p, judged) {
			got = append(got, w.Name)
			found[w.Name] = true
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s has %v, not %v", text, got, want)
		}
	}
	for _, r := range rules.list {
		if !found[r.Name] {
			t.Errorf("%s has no example", r.Name)
		}
	}
}

func TestRulesThatCannotBeMeantAreRefused(t *testing.T) {
	const sound = "- {name: a, check: tls, level: low, title: T, title_ja: あ, fix: F, fix_ja: い, when: {service: [x]}}\n"
	for text, want := range map[string]string{
		sound + sound: "used twice", strings.Replace(sound, "tls", "luck", 1): "no check", strings.Replace(sound, "low", "dire", 1): "level",
		strings.Replace(sound, "service: [x]", "", 1): "everything", strings.Replace(sound, "service: [x]", "fact: [blue]", 1): "no fact",
		strings.Replace(sound, "service: [x]", "title: '('", 1): "missing closing", strings.Replace(sound, "title_ja: あ", "titel_ja: あ", 1): "titel_ja",
	} {
		_, err := LoadRules(fstest.MapFS{"rules.yaml": {Data: []byte(text)}, "products.yaml": {Data: []byte("[]")}})
		if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want it to say %q", text, err, want)
		}
	}
}

func TestTheInventorySaysWhyAPortIsNotReady(t *testing.T) {
	sum := Readiness{Kinds: map[string]int{}, Versions: map[string]int{}, Groups: map[string]int{}, Reasons: map[string]int{}, Keys: map[string]int{}}
	for _, p := range []service.Answer{
		{TLS: &service.TLS{Versions: []string{"TLS 1.2"}, Groups: []string{"X25519"}, Signature: "SHA256-RSA", KeyBits: 2048, NotAfter: judged.AddDate(0, 0, 7)}},
		{TLS: &service.TLS{Versions: []string{"TLS 1.2", "TLS 1.3"}, Groups: []string{"X25519"}, Signature: "ECDSA-SHA256", KeyBits: 256, NotAfter: judged.AddDate(1, 0, 0)}},
		{TLS: &service.TLS{Versions: []string{"TLS 1.3"}, Groups: []string{"X25519MLKEM768"}, PostQuantum: true}},
		{SSH: &service.SSH{Kex: []string{"mlkem768x25519-sha256"}, PostQuantum: true}}, {SSH: &service.SSH{Kex: []string{"curve25519-sha256"}}},
	} {
		c := of(service.Port{Answer: p})
		if c.Why == "" || c.WhyJA == "" {
			t.Errorf("%+v says not why", c)
		}
		sum.add(c, judged)
	}
	if sum.Ports != 5 || sum.Ready != 2 || sum.Versions["TLS 1.3"] != 2 || sum.Kinds["ssh"] != 2 || sum.Groups["X25519"] != 2 || sum.Keys["SHA256-RSA 2048"] != 1 || sum.Ending != 1 || len(sum.Reasons) != 3 {
		t.Errorf("%+v", sum)
	}
}

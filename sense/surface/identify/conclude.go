package identify

import (
	"cmp"
	"regexp"
	"strings"

	"noroshi/service"
)

// claim takes product and version from a field that the protocol has for them.
func (a *asking) claim(protocol, product, version string) {
	a.s.Service = protocol
	a.s.Product, a.s.Version = service.Text(product), service.Text(version)
}

// kinds are the texts that fingerprints are asked about, the most telling first.
var kinds = []string{"ssh.banner", "smtp.banner", "ftp.banner", "imap4.banner", "pop3.banner", "mysql.banners", "mysql.error", "dns.versionbind", "nntp.banner",
	"ntp.readvar", "sip_header.server", "sip_header.user_agent", "stun.software", "snmp.enterprise", "rdp.security", "ssdp.server", "telnet.banner", "http_header.server", "http_header.wwwauth", "http_header.x-powered-by", "http_header.cookie", "html_title", "favicon.md5", "x509.subject", "x509.issuer"}

// alias names the kind whose fingerprints know texts of another kind, too.
var alias = map[string]string{"ssdp.server": "http_header.server"}

// conclude asks the fingerprints about every text, and the protocols' own fields
// where no fingerprint knows.
func (a *asking) conclude() {
	s := &a.s
	for _, kind := range kinds {
		text, ok := s.Evidence[kind]
		if !ok {
			continue
		}
		m := a.match(kind, text)
		if s.Product == "" {
			// What speaks of the product first speaks of its version, too: a version of
			// one and a product of another would be an invention.
			s.Product, s.Version, s.Vendor = service.Text(m["service.product"]), service.Text(m["service.version"]), service.Text(m["service.vendor"])
			s.CPE = service.Text(m["service.cpe23"])
			if s.Product == "" {
				s.Product, s.Version = fromField(kind, text)
			}
		} else if v := service.Text(m["service.version"]); m["service.product"] == s.Product && strings.HasPrefix(v, s.Version+".") {
			s.Version, s.CPE = v, service.Text(m["service.cpe23"]) // the same, said more exactly
		}
		if s.Vendor == "" && m["service.product"] == s.Product {
			s.Vendor = service.Text(m["service.vendor"])
		}
		if s.OS == "" {
			s.OS = join(m["os.vendor"], m["os.product"], m["os.version"])
		}
		if s.Hardware == "" {
			s.Hardware, s.Firmware = join(m["hw.vendor"], m["hw.product"], m["hw.model"]), service.Text(m["hw.version"])
		}
	}
	if s.HTTP != nil {
		for _, x := range s.HTTP.Exposed {
			if s.Product == "" && x.Product != "" {
				s.Vendor, s.Product = x.Vendor, x.Product
			}
			if s.Version == "" && x.Product == s.Product {
				s.Version = x.Version
			}
		}
	}
	for _, kind := range kinds {
		if s.Package == "" && s.Version != "" {
			s.Package = packageVersion(s.Version, s.Evidence[kind])
		}
	}
}

func join(parts ...string) string {
	var all []string
	for _, p := range parts {
		if p = service.Text(p); p != "" && (len(all) == 0 || !strings.Contains(all[len(all)-1], p)) {
			all = append(all, p)
		}
	}
	return strings.Join(all, " ")
}

// match asks the fingerprints, when there are any.
func (a *asking) match(kind, text string) map[string]string {
	if a.Fingerprints == nil {
		return nil
	}
	return a.Fingerprints.Match(cmp.Or(alias[kind], kind), text)
}

var token = regexp.MustCompile(`^([A-Za-z][\w.-]{1,40})[/_ ](\d[\w.+~-]{0,40})(?: |$)`)

// fromField reads the fields that SSH (RFC 4253) and HTTP (RFC 9110) have for
// product and version, and MySQL's.
func fromField(kind, text string) (product, version string) {
	switch kind {
	case "ssh.banner", "http_header.server":
		if m := token.FindStringSubmatch(text); m != nil {
			return m[1], m[2]
		}
	case "mysql.banners":
		number, rest, _ := strings.Cut(text, "-")
		if strings.HasPrefix(rest, "MariaDB") {
			return "MariaDB", number
		}
		return "MySQL", number
	}
	return "", ""
}

var (
	// Debian-2+deb12u10 after OpenSSH's version, -MariaDB-0+deb12u1 in MariaDB's
	revision = regexp.MustCompile(`(?:Debian|Ubuntu|MariaDB)-(\d[0-9A-Za-z.+~]*(?:deb|ubuntu)?[0-9A-Za-z.+~]*)`)
	// 9.18.49-1~deb12u1-Debian, whole in one word
	inWord = regexp.MustCompile(`\d[0-9A-Za-z.+~]*-\d[0-9A-Za-z.+~]*(?:deb\d+u\d+|ubuntu\d[\d.]*)`)
)

// packageVersion is the version of the distribution's package, when the text
// says it: a Debian version is compared with its suffix or not at all, because
// the suffix tells which faults were mended without a new version.
func packageVersion(version, text string) string {
	if w := inWord.FindString(text); strings.HasPrefix(w, version) {
		return w
	}
	at := strings.Index(text, version)
	if at < 0 {
		return ""
	}
	if m := revision.FindStringSubmatch(text[at+len(version):]); m != nil {
		return version + "-" + m[1]
	}
	return ""
}

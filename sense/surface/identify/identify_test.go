package identify

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"noroshi/service"
)

// serve answers each connection by f, and asks the engine what it is. The engine
// believes to speak to the port given, whatever the real one is.
func serve(t *testing.T, port uint16, f func(net.Conn)) service.Answer {
	t.Helper()
	return serveTo(t, &Engine{Contact: "lab@example.jp\r\nX-Evil: 1"}, port, f)
}

func serveTo(t *testing.T, e *Engine, port uint16, f func(net.Conn)) (s service.Answer) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		at := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)
		dial := func(_ context.Context, network string, to netip.AddrPort) (net.Conn, error) {
			if network != "tcp" || to != at {
				t.Errorf("it dials %s %s", network, to)
			}
			here, there := connection(at, false)
			go func() {
				f(there)
				_ = there.Close()
			}()
			return here, nil
		}
		s = e.Identify(t.Context(), dial, at)
	})
	return s
}

// talk says first, and then answers each line that begins with a key.
func talk(first string, answers map[string]string) func(net.Conn) {
	return func(c net.Conn) {
		_, _ = io.WriteString(c, first)
		for lines := bufio.NewScanner(c); lines.Scan(); {
			for k, v := range answers {
				if strings.HasPrefix(lines.Text(), k) {
					_, _ = io.WriteString(c, v)
				}
			}
		}
	}
}

func kexInit(kex string) []byte {
	b := append([]byte{msgKexInit}, make([]byte, 16)...)
	for _, l := range []string{kex, "ssh-ed25519", "c2s", "aes256-gcm@openssh.com", "c2s", "hmac-sha2-256", "none", "none", "", ""} {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(l))), l...)
	}
	b = append(b, make([]byte, 5+4)...)
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(len(b)+1)), 4), b...)
}

func TestServicesAreWhatTheySay(t *testing.T) {
	mysql := append([]byte{10}, "5.5.5-10.11.19-MariaDB-0+deb12u1\x00rest of the greeting"...)
	for name, c := range map[string]struct {
		port                        uint16
		serve                       func(net.Conn)
		service, product, version   string
		pkg, evidence, evidenceText string
	}{
		"ssh": {2222, talk("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10\r\n", map[string]string{"SSH-2.0": string(kexInit("mlkem768x25519-sha256,curve25519-sha256"))}),
			"ssh", "OpenSSH", "9.2p1", "9.2p1-2+deb12u10", "ssh.banner", "OpenSSH_9.2p1 Debian-2+deb12u10"},
		"mysql": {3306, talk(string(append([]byte{byte(len(mysql)), 0, 0, 0}, mysql...)), nil),
			"mysql", "MariaDB", "10.11.19", "10.11.19-0+deb12u1", "mysql.banners", "10.11.19-MariaDB-0+deb12u1"},
		"smtp":                        {25, talk("220 mail.example.jp ESMTP Exim 4.96\r\n", map[string]string{"EHLO": "250-mail.example.jp\r\n250 HELP\r\n"}), "smtp", "", "", "", "smtp.banner", "mail.example.jp ESMTP Exim 4.96"},
		"ftp":                         {21, talk("220 (vsFTPd 3.0.3)\r\n", nil), "ftp", "", "", "", "ftp.banner", "(vsFTPd 3.0.3)"},
		"imap":                        {143, talk("* OK [CAPABILITY IMAP4rev1] Dovecot (Debian) ready.\r\n", map[string]string{"a CAP": "* CAPABILITY IMAP4rev1\r\na OK done\r\n"}), "imap", "", "", "", "imap4.banner", "[CAPABILITY IMAP4rev1] Dovecot (Debian) ready."},
		"pop3":                        {110, talk("+OK Dovecot (Debian) ready.\r\n", map[string]string{"CAPA": "+OK\r\nUIDL\r\n.\r\n"}), "pop3", "", "", "", "pop3.banner", "Dovecot (Debian) ready."},
		"redis":                       {6379, talk("", map[string]string{"INFO": "", "server": "$50\r\n# Server\r\nredis_version:7.0.15\r\nhz:10\r\n\r\n"}), "redis", "Redis", "7.0.15", "", "redis.info", "7.0.15"},
		"redis that wants a password": {6379, talk("", map[string]string{"server": "-NOAUTH Authentication required.\r\n"}), "redis", "Redis", "", "", "redis.error", "-NOAUTH Authentication required."},
		"memcached":                   {11211, talk("", map[string]string{"version": "VERSION 1.6.18\r\n"}), "memcached", "memcached", "1.6.18", "", "memcached.version", "1.6.18"},
		"http": {80, talk("", map[string]string{"GET / ": "HTTP/1.1 302 Found\r\nServer: nginx/1.22.1\r\nLocation: http://169.254.169.254/\r\nContent-Length: 58\r\n\r\n<title>Router &amp; login\u202e</title><input type='password'>", "GET /f": "HTTP/1.1 404 No\r\n\r\n"}),
			"http", "nginx", "1.22.1", "", "html_title", "Router & login"},
		"telnet":     {23, talk("\xff\xfd\x18\xff\xfb\x01login: \r\n", nil), "telnet", "", "", "", "telnet.banner", "login:"},
		"postgresql": {5432, func(c net.Conn) { _, _ = io.ReadFull(c, make([]byte, 8)); _, _ = c.Write([]byte("N")) }, "postgresql", "PostgreSQL", "", "", "postgresql.ssl", "N"},
		"mqtt": {1883, func(c net.Conn) {
			_, _ = io.ReadFull(c, make([]byte, 14))
			_, _ = c.Write([]byte{0x20, 2, 0, 0})
			_, _ = io.ReadFull(c, make([]byte, 26))
			_, _ = c.Write(append([]byte{0x30, 45, 0, 19}, "$SYS/broker/versionmosquitto version 2.0.11"...))
		}, "mqtt", "mosquitto", "2.0.11", "", "mqtt.version", "mosquitto version 2.0.11"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, c.port, c.serve)
			if s.Service != c.service || s.Product != c.product || s.Version != c.version || s.Package != c.pkg || s.Evidence[c.evidence] != c.evidenceText {
				t.Errorf("said %+v", s)
			}
			if name == "ssh" && (s.SSH == nil || !s.SSH.PostQuantum || !slices.Equal(s.SSH.Ciphers, []string{"aes256-gcm@openssh.com"})) {
				t.Errorf("its cryptography is %+v", s.SSH)
			}
			if name == "http" && (s.HTTP == nil || s.HTTP.Location != "http://169.254.169.254/" || !s.HTTP.Login) {
				t.Errorf("its page is %+v", s.HTTP)
			}
		})
	}
}

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "gw.example.jp"}, DNSNames: []string{"gw.example.jp"}, NotBefore: time.Unix(1_700_000_000, 0), NotAfter: time.Unix(1_760_000_000, 0)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestTheInventoryOfTLS(t *testing.T) {
	for name, c := range map[string]struct {
		config           *tls.Config
		versions, groups []string
	}{
		"new": {&tls.Config{CurvePreferences: []tls.CurveID{tls.X25519MLKEM768, tls.X25519}}, []string{"TLS 1.2", "TLS 1.3"}, []string{"X25519MLKEM768", "X25519"}},
		"old": {&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS12}, []string{"TLS 1.0", "TLS 1.1", "TLS 1.2"}, []string{"X25519"}},
	} {
		t.Run(name, func(t *testing.T) {
			c.config.Certificates = []tls.Certificate{certificate(t)}
			s := serve(t, 443, func(conn net.Conn) {
				tc := tls.Server(conn, c.config)
				if req, err := http.ReadRequest(bufio.NewReader(tc)); err == nil && req.UserAgent() == "noroshi-surface (authorised scan; contact: lab@example.jpX-Evil: 1)" {
					_, _ = io.WriteString(tc, "HTTP/1.1 200 OK\r\nServer: lighttpd/1.4.69\r\nContent-Length: 0\r\n\r\n")
				}
			})
			if s.TLS == nil || s.Service != "https" || s.Product != "lighttpd" {
				t.Fatalf("said %+v", s)
			}
			if !slices.Equal(s.TLS.Versions, c.versions) || !slices.Equal(s.TLS.Groups, c.groups) || s.TLS.PostQuantum != (name == "new") {
				t.Errorf("its inventory is %+v", s.TLS)
			}
			if s.TLS.Subject != "CN=gw.example.jp" || s.TLS.NotAfter.Unix() != 1_760_000_000 || !slices.Contains(s.TLS.Weak, "signed by itself") || slices.Contains(s.TLS.Weak, "TLS 1.0") != (name == "old") {
				t.Errorf("its certificate is %+v", s.TLS)
			}
		})
	}
}

// TestHostileServersTakeLittle counts what servers that never stop can make us
// read.
func TestHostileServersTakeLittle(t *testing.T) {
	flood := bytes.Repeat([]byte("220 x\xff\x00"), 1<<10)
	for name, first := range map[string]string{
		"endless banner":  "\x01",
		"endless line":    "220 ",
		"endless headers": "HTTP/1.1 200 OK\r\n",
		"endless body":    "HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n",
		"bomb":            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, 80, func(c net.Conn) {
				_, _ = c.Read(make([]byte, 1024))
				_, _ = io.WriteString(c, first)
				for {
					if _, err := c.Write(flood); err != nil {
						return
					}
				}
			})
			for k, v := range s.Evidence {
				if len([]rune(v)) > 512 {
					t.Errorf("%s is %d characters long", k, len(v))
				}
			}
			if n := len(fmt.Sprintf("%+v", s)); n > 1<<13 {
				t.Errorf("%d bytes were kept", n)
			}
		})
	}
}

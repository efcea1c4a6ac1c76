package identify

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// TestEverySuiteIsListed asks a server of crypto/tls, whose suites are known.
func TestEverySuiteIsListed(t *testing.T) {
	config := &tls.Config{Certificates: []tls.Certificate{certificate(t)}, MinVersion: tls.VersionTLS10,
		CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_RC4_128_SHA}}
	s := serve(t, 443, func(c net.Conn) { _ = tls.Server(c, config).Handshake() })
	if s.TLS == nil {
		t.Fatalf("said %+v", s)
	}
	for version, want := range map[string][]string{
		"TLS 1.0": {"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA"},
		"TLS 1.2": {"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA"},
		"TLS 1.3": {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"},
	} {
		if got := slices.Sorted(slices.Values(s.TLS.Ciphers[version])); !slices.Equal(got, want) {
			t.Errorf("%s: %v; want %v", version, got, want)
		}
	}
	for _, w := range []string{"TLS 1.0", "TLS 1.1", "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA", "signed by itself"} {
		if !slices.Contains(s.TLS.Weak, w) {
			t.Errorf("its weaknesses are %v; want %s among them", s.TLS.Weak, w)
		}
	}
}

// chosen is a ServerHello.
func chosen(version, suite uint16) []byte {
	body := append(binary.BigEndian.AppendUint16(nil, version), make([]byte, 33)...)
	body = append(binary.BigEndian.AppendUint16(body, suite), 0)
	shake := append([]byte{helloOfServer, 0, 0, byte(len(body))}, body...)
	return append([]byte{recordShake, 3, 0, 0, byte(len(shake))}, shake...)
}

// TestOldAndLyingServersOfTLS begins handshakes with servers that crypto/tls
// would not talk to, and counts how often they are asked.
func TestOldAndLyingServersOfTLS(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(hello []byte) []byte
		taken  []string
		asked  int32
	}{
		"SSL 3.0": {func(b []byte) []byte {
			// It takes 3DES when it is offered, and nothing newer.
			if b[9] == 3 && b[10] == 0 && strings.Contains(string(b), "\x00\x0a") {
				return chosen(ssl30, 0x000a)
			}
			return []byte{21, 3, 0, 0, 2, 2, 40}
		}, []string{"TLS_RSA_WITH_3DES_EDE_CBC_SHA"}, 2},
		"one that takes what was not offered": {func([]byte) []byte { return chosen(ssl30, 0xfefe) }, nil, 1},
		"one that takes the same always":      {func([]byte) []byte { return chosen(ssl30, 0x000a) }, []string{"TLS_RSA_WITH_3DES_EDE_CBC_SHA"}, 2},
		"one of another version":              {func([]byte) []byte { return chosen(tls.VersionTLS10, 0x000a) }, nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			var taken []string
			synctest.Test(t, func(*testing.T) {
				taken = enumerate(func() (net.Conn, error) {
					asked.Add(1)
					here, there := net.Pipe()
					go func() {
						b := make([]byte, 4096)
						if n, err := there.Read(b); err == nil {
							_, _ = there.Write(c.answer(b[:n]))
						}
						_ = there.Close()
					}()
					return here, nil
				}, ssl30)
			})
			if !slices.Equal(taken, c.taken) || asked.Load() != c.asked {
				t.Errorf("%v after %d questions; want %v after %d", taken, asked.Load(), c.taken, c.asked)
			}
		})
	}
}

// TestTheInventoryBehindSTARTTLS asks a mail server that has had enough at every
// third connection.
func TestTheInventoryBehindSTARTTLS(t *testing.T) {
	config := &tls.Config{Certificates: []tls.Certificate{certificate(t)}, MinVersion: tls.VersionTLS13}
	var n atomic.Int32
	s := serve(t, 25, func(c net.Conn) {
		if n.Add(1)%3 == 0 {
			_, _ = io.WriteString(c, "421 too many connections\r\n")
			return
		}
		_, _ = io.WriteString(c, "220 mail.example.jp ESMTP\r\n")
		for lines := bufio.NewReader(c); ; {
			switch l, err := lines.ReadString('\n'); {
			case err != nil:
				return
			case l == "STARTTLS\r\n":
				_, _ = io.WriteString(c, "220 go on\r\n")
				_ = tls.Server(c, config).Handshake()
				return
			default:
				_, _ = io.WriteString(c, "250-mail.example.jp\r\n250 STARTTLS\r\n")
			}
		}
	})
	if s.Service != "smtp" || s.TLS == nil || len(s.TLS.Ciphers["TLS 1.3"]) != 3 || len(s.TLS.Ciphers) != 1 || len(s.TLS.Groups) != 7 {
		t.Errorf("said %+v, %+v", s, s.TLS)
	}
}

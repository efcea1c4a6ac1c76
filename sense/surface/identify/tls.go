package identify

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"net"
	"strings"
	"time"
)

// TLS is how a port is protected, and by which certificate.
type TLS struct {
	Versions    []string  `json:"versions"`
	Ciphers     []string  `json:"ciphers"` // what was agreed on, by version
	Groups      []string  `json:"groups,omitempty"`
	PostQuantum bool      `json:"post_quantum"` // a group against which a quantum computer does not help
	Subject     string    `json:"subject,omitempty"`
	Issuer      string    `json:"issuer,omitempty"`
	Names       []string  `json:"names,omitempty"`
	NotBefore   time.Time `json:"not_before,omitzero"`
	NotAfter    time.Time `json:"not_after,omitzero"`
	Chain       []string  `json:"chain,omitempty"` // the subjects, the server's own first
	Signature   string    `json:"signature,omitempty"`
	KeyBits     int       `json:"key_bits,omitempty"`
	Weak        []string  `json:"weak,omitempty"`
}

var (
	versions = []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13}
	groups   = []tls.CurveID{tls.X25519MLKEM768, tls.SecP256r1MLKEM768, tls.SecP384r1MLKEM1024, tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}
)

// overTLS asks for TLS, takes its inventory, and asks inside it what the port is.
func (a *asking) overTLS() bool {
	state, ok := a.handshake(&tls.Config{})
	if !ok {
		return false
	}
	a.s.Service = "tls"
	a.s.TLS = describe(state)
	a.tellCertificate()
	a.inventory()
	inside := func() (net.Conn, error) {
		c, err := a.connect()
		if err != nil {
			return nil, err
		}
		return tls.Client(c, settings(&tls.Config{})), nil
	}
	switch a.to.Port() {
	case 465, 993, 995: // there the server speaks first
		if c, err := inside(); err == nil {
			if first := converse(c, nil, line, perAnswer); len(first) > 0 {
				a.speaksFirst(c, first)
			}
			_ = c.Close() // What it said is read.
		}
	default:
		a.pages("https", inside)
	}
	return true
}

// settings of a client that looks at a certificate without trusting it: what is
// wrong with it is what is asked.
func settings(c *tls.Config) *tls.Config {
	c.InsecureSkipVerify = true
	if c.MinVersion == 0 {
		c.MinVersion = tls.VersionTLS10
	}
	if c.CipherSuites == nil {
		for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
			c.CipherSuites = append(c.CipherSuites, s.ID)
		}
	}
	return c
}

func (a *asking) handshake(c *tls.Config) (tls.ConnectionState, bool) {
	conn, err := a.connect()
	if err != nil {
		return tls.ConnectionState{}, false
	}
	defer func() { _ = conn.Close() }() // Nothing more is said.
	return shake(a.ctx, conn, c)
}

func shake(ctx context.Context, conn net.Conn, c *tls.Config) (tls.ConnectionState, bool) {
	ctx, cancel := context.WithTimeout(ctx, perAnswer)
	defer cancel()
	t := tls.Client(conn, settings(c))
	err := t.HandshakeContext(ctx)
	return t.ConnectionState(), err == nil
}

// inventory tries each version, and each group of TLS 1.3, one at a time.
func (a *asking) inventory() {
	t := a.s.TLS
	t.Versions, t.Ciphers = nil, nil
	modern := false
	for _, v := range versions {
		if st, ok := a.handshake(&tls.Config{MinVersion: v, MaxVersion: v}); ok {
			t.Versions = append(t.Versions, tls.VersionName(v))
			t.Ciphers = append(t.Ciphers, tls.CipherSuiteName(st.CipherSuite))
			modern = modern || v == tls.VersionTLS13
			if v < tls.VersionTLS12 {
				t.Weak = append(t.Weak, tls.VersionName(v))
			}
		}
	}
	if !modern {
		return
	}
	t.Groups = nil
	for _, g := range groups {
		if _, ok := a.handshake(&tls.Config{MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{g}}); ok {
			t.Groups = append(t.Groups, g.String())
			t.PostQuantum = t.PostQuantum || strings.Contains(g.String(), "MLKEM")
		}
	}
}

// startTLS goes over to TLS on a connection whose server offers to.
func (a *asking) startTLS(c net.Conn, offered []byte, say, agreed string) {
	word := strings.TrimSpace(say[strings.LastIndexByte(strings.TrimSpace(say), ' ')+1:])
	if a.s.TLS != nil || !bytes.Contains(bytes.ToUpper(offered), []byte(word)) {
		return
	}
	if b := converse(c, []byte(say), line, perAnswer); bytes.HasPrefix(b, []byte(agreed)) {
		a.certificate(c)
	}
}

// certificate agrees on TLS once, on a connection that has come to it.
func (a *asking) certificate(c net.Conn) {
	if st, ok := shake(a.ctx, c, &tls.Config{}); ok {
		a.s.TLS = describe(st)
		a.tellCertificate()
	}
}

func describe(st tls.ConnectionState) *TLS {
	t := &TLS{Versions: []string{tls.VersionName(st.Version)}, Ciphers: []string{tls.CipherSuiteName(st.CipherSuite)}}
	if st.CurveID != 0 {
		t.Groups = []string{st.CurveID.String()}
		t.PostQuantum = strings.Contains(st.CurveID.String(), "MLKEM")
	}
	for i, c := range st.PeerCertificates[:min(len(st.PeerCertificates), 10)] {
		t.Chain = append(t.Chain, clean(c.Subject.String()))
		if i == 0 {
			t.own(c)
		}
	}
	return t
}

// own describes the server's own certificate.
func (t *TLS) own(c *x509.Certificate) {
	t.Subject, t.Issuer = clean(c.Subject.String()), clean(c.Issuer.String())
	for _, n := range c.DNSNames[:min(len(c.DNSNames), 100)] {
		t.Names = append(t.Names, clean(n))
	}
	t.NotBefore, t.NotAfter, t.Signature = c.NotBefore.UTC(), c.NotAfter.UTC(), c.SignatureAlgorithm.String()
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		if t.KeyBits = k.N.BitLen(); t.KeyBits < 2048 {
			t.Weak = append(t.Weak, "RSA key under 2048 bits")
		}
	case *ecdsa.PublicKey:
		t.KeyBits = k.Curve.Params().BitSize
	}
	switch c.SignatureAlgorithm {
	case x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1:
		t.Weak = append(t.Weak, "signature by "+c.SignatureAlgorithm.String())
	}
	if bytes.Equal(c.RawIssuer, c.RawSubject) {
		t.Weak = append(t.Weak, "signed by itself")
	}
}

// tellCertificate gives the names in the certificate to the fingerprints.
func (a *asking) tellCertificate() {
	a.tell("x509.subject", a.s.TLS.Subject)
	a.tell("x509.issuer", a.s.TLS.Issuer)
}

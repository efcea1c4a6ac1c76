package identify

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"noroshi/service"
)

var (
	versions = []uint16{ssl30, tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13}
	groups   = []tls.CurveID{tls.X25519MLKEM768, tls.SecP256r1MLKEM768, tls.SecP384r1MLKEM1024, tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}
)

// overTLS asks for TLS, takes its inventory, and asks inside it what the port is.
func (a *asking) overTLS() bool {
	if !a.secure(a.connect) {
		return false
	}
	a.s.Service = "tls"
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

// secure takes the inventory of a port whose connections come to TLS by connect.
func (a *asking) secure(connect func() (net.Conn, error)) bool {
	connect = a.patiently(connect)
	st, ok := a.shake(connect, &tls.Config{})
	if !ok {
		return false
	}
	if own := st.PeerCertificates; len(own) > 0 { // What the server itself is, the one without a name tells.
		a.tell("x509.subject", own[0].Subject.String())
		a.tell("x509.issuer", own[0].Issuer.String())
	}
	a.s.TLS = a.certified(connect, st)
	inventory(a.s.TLS, connect, func(c *tls.Config) bool { _, ok := a.shake(connect, c); return ok })
	return true
}

// patience is how often a connection is tried that does not come about: many
// servers allow a few at a time, and need a moment to forget the last ones.
const patience = 4

// patiently is a connect that waits for a server which has enough for now.
func (a *asking) patiently(connect func() (net.Conn, error)) func() (net.Conn, error) {
	return func() (c net.Conn, err error) {
		pause := 100 * time.Millisecond
		for range patience {
			if c, err = connect(); err == nil || !errors.Is(err, errNoTLS) && !errors.Is(err, syscall.ECONNREFUSED) {
				return c, err
			}
			select {
			case <-time.After(pause):
				pause *= 2
			case <-a.ctx.Done():
				return nil, a.ctx.Err()
			}
		}
		return nil, err
	}
}

func (a *asking) shake(connect func() (net.Conn, error), c *tls.Config) (tls.ConnectionState, bool) {
	conn, err := connect()
	if err != nil {
		return tls.ConnectionState{}, false
	}
	defer func() { _ = conn.Close() }() // Nothing more is said.
	ctx, cancel := context.WithTimeout(a.ctx, perAnswer)
	defer cancel()
	t := tls.Client(conn, settings(c))
	err = t.HandshakeContext(ctx)
	return t.ConnectionState(), err == nil
}

// inventory tries each version with all its suites, without the one that was
// taken the last time, until none is; and each group of TLS 1.3.
func inventory(t *service.TLS, connect func() (net.Conn, error), shakes func(*tls.Config) bool) {
	t.Versions, t.Ciphers = nil, map[string][]string{}
	for _, v := range versions {
		taken := enumerate(connect, v)
		if len(taken) == 0 {
			continue
		}
		name := tls.VersionName(v)
		t.Versions, t.Ciphers[name] = append(t.Versions, name), taken
		if v < tls.VersionTLS12 {
			weak(t, name)
		}
		for _, s := range taken {
			if isBroken(s) {
				weak(t, s)
			}
		}
	}
	if t.Ciphers[tls.VersionName(tls.VersionTLS13)] == nil {
		return
	}
	t.Groups = nil
	for _, g := range groups {
		if shakes(&tls.Config{MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{g}}) {
			t.Groups = append(t.Groups, g.String())
			t.PostQuantum = t.PostQuantum || strings.Contains(g.String(), "MLKEM")
		}
	}
}

// weak takes note of a weakness, once.
func weak(t *service.TLS, what string) {
	if !slices.Contains(t.Weak, what) {
		t.Weak = append(t.Weak, what)
	}
}

func enumerate(connect func() (net.Conn, error), version uint16) (taken []string) {
	for left := offered(version); len(left) > 0; {
		c, err := connect()
		if err != nil {
			break
		}
		id, ok := choose(c, version, left)
		_ = c.Close() // The choice was all.
		at := slices.Index(left, id)
		if !ok || at < 0 { // It takes none of them, or one that was not offered.
			break
		}
		left = slices.Delete(left, at, at+1)
		taken = append(taken, suiteName(id))
	}
	return taken
}

// step is something said on the way to TLS, and how the answer begins when the
// way goes on.
type step struct {
	say    string
	enough func([]byte) bool
	agreed string
}

// startTLS takes the inventory of a server that offers to go over to TLS; each
// connection takes the steps anew.
func (a *asking) startTLS(offered []byte, word string, steps ...step) {
	if a.s.TLS != nil || !bytes.Contains(bytes.ToUpper(offered), []byte(word)) {
		return
	}
	a.secure(func() (net.Conn, error) {
		c, err := a.connect()
		if err != nil {
			return nil, err
		}
		for _, s := range steps {
			if b := converse(c, []byte(s.say), s.enough, perAnswer); !bytes.HasPrefix(b, []byte(s.agreed)) {
				return nil, errors.Join(errNoTLS, c.Close())
			}
		}
		return c, nil
	})
}

var errNoTLS = errors.New("the server did not go over to TLS")

func (a *asking) describe(st tls.ConnectionState) *service.TLS {
	t := &service.TLS{Trust: a.trust(st.PeerCertificates, time.Now())}
	if st.CurveID != 0 {
		t.Groups = []string{st.CurveID.String()}
		t.PostQuantum = strings.Contains(st.CurveID.String(), "MLKEM")
	}
	for i, c := range st.PeerCertificates[:min(len(st.PeerCertificates), 10)] {
		t.Chain = append(t.Chain, service.Text(c.Subject.String()))
		if i == 0 {
			own(t, c)
		}
		if isWeak(c.SignatureAlgorithm) && (i == 0 || !isOwnIssuer(c)) { // Nobody looks at a root's.
			weak(t, "signature by "+c.SignatureAlgorithm.String())
		}
	}
	if len(st.PeerCertificates) > 0 && isOwnIssuer(st.PeerCertificates[0]) && t.Trust != trusted {
		weak(t, "signed by itself")
	}
	return t
}

// own describes the server's own certificate.
func own(t *service.TLS, c *x509.Certificate) {
	t.Subject, t.Issuer = service.Text(c.Subject.String()), service.Text(c.Issuer.String())
	for _, n := range c.DNSNames[:min(len(c.DNSNames), 100)] {
		t.Names = append(t.Names, service.Text(n))
	}
	t.NotBefore, t.NotAfter, t.Signature = c.NotBefore.UTC(), c.NotAfter.UTC(), c.SignatureAlgorithm.String()
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		if t.KeyBits = k.N.BitLen(); t.KeyBits < 2048 {
			weak(t, "RSA key under 2048 bits")
		}
	case *ecdsa.PublicKey:
		if t.KeyBits = k.Curve.Params().BitSize; t.KeyBits < 224 {
			weak(t, "elliptic curve under 224 bits")
		}
	}
}

// Package identitytest makes the certificates that an attacker would try, for
// the tests of every port that nodes reach: the attacker has stolen what the
// hub's folder of keys holds, and still must not be let in. Only tests import it.
package identitytest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"noroshi/identity/join"
)

// Journal is a log that is read while it is written.
type Journal struct {
	mu sync.Mutex
	b  strings.Builder
}

// Write implements io.Writer.
func (j *Journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

// From returns what was written after the first n bytes.
func (j *Journal) From(n int) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()[n:]
}

// String is all of it.
func (j *Journal) String() string { return j.From(0) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Key makes a key as nodes have it.
func Key(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return k
}

// Request asks to certify a key, in PEM.
func Request(t testing.TB, key crypto.Signer) string {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	must(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

// Pair puts a key and its certificate in PEM together.
func Pair(t testing.TB, key crypto.Signer, certPEM string) tls.Certificate {
	t.Helper()
	leaf, err := join.ParseCert([]byte(certPEM))
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
}

// Shows is a client that believes the authority kept in dir, and shows a
// certificate whether the server asks for such a one or not; nil shows none.
func Shows(t testing.TB, dir string, c *tls.Certificate) *tls.Config {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(thief{t, dir}.authority())
	cfg := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: pool, ServerName: "127.0.0.1"}
	if c != nil {
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c, nil }
	}
	return cfg
}

// Attempt is one way to try to be let in.
type Attempt struct {
	Name   string
	Config *tls.Config
	// Handshake tells that TLS itself refuses it; the others have a certificate of
	// the authority, for a key that no node has.
	Handshake bool
	Says      string // what the log says of it
}

// Attempts are those of somebody who has the authority's folder dir, in which
// the hub's own certificates have been made, and knows the node good.
func Attempts(t testing.TB, dir string, good tls.Certificate, now time.Time) []Attempt {
	t.Helper()
	th := thief{t, dir}
	expired, early, hub, between := template(good, now), template(good, now), template(good, now), template(good, now)
	expired.NotAfter, early.NotBefore = now.Add(-time.Second), now.Add(time.Minute)
	hub.Subject = pkix.Name{CommonName: "Noroshi hub", OrganizationalUnit: []string{"hub"}}
	between.IsCA, between.BasicConstraintsValid, between.KeyUsage = true, true, x509.KeyUsageCertSign
	otherKey, betweenKey := Key(t), Key(t)
	other := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: th.authority().Subject, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	inner := th.forge(between, betweenKey)
	deep := sign(t, template(good, now), inner.Leaf, Key(t), betweenKey)
	deep.Certificate = append(deep.Certificate, inner.Certificate[0])
	huge := th.forge(template(good, now), Key(t))
	for range 600 { // More than a handshake may hold.
		huge.Certificate = append(huge.Certificate, inner.Certificate[0])
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	must(t, err)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	old := Shows(t, dir, &good)
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	shows := func(c tls.Certificate) *tls.Config { return Shows(t, dir, &c) }
	return []Attempt{
		{"another authority, the right names", shows(sign(t, template(good, now), other, Key(t), otherKey)), true, "unknown authority"},
		{"expired", shows(th.forge(expired, Key(t))), true, "expired"},
		{"not yet valid", shows(th.forge(early, Key(t))), true, "not yet valid"},
		{"the hub's own certificate", shows(th.own("server")), true, "incompatible key usage"},
		{"an authority in between", shows(deep), true, "too many intermediates"},
		{"a huge chain", shows(huge), true, "TLS handshake error"},
		{"a good one without its key", shows(tls.Certificate{Certificate: good.Certificate, PrivateKey: Key(t), Leaf: good.Leaf}), true, "TLS handshake error"},
		{"TLS 1.2", old, true, "unsupported versions"},
		{"the hub's certificate for other hubs", shows(th.own("cluster")), true, "a hub's certificate is not a node's"},
		{"one for hubs, freshly forged", shows(th.forge(withServer(hub), Key(t))), true, "a hub's certificate is not a node's"},
		{"our authority, an unknown key", shows(th.forge(template(good, now), Key(t))), false, "belongs to no node"},
		{"curve P-384", shows(th.forge(template(good, now), p384)), false, "belongs to no node"},
		{"RSA", shows(th.forge(template(good, now), rsaKey)), false, "belongs to no node"},
	}
}

func withServer(c *x509.Certificate) *x509.Certificate {
	c.ExtKeyUsage = append(c.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	return c
}

// template is a certificate as the authority would write it for a node.
func template(like tls.Certificate, now time.Time) *x509.Certificate {
	return &x509.Certificate{SerialNumber: big.NewInt(7), Subject: like.Leaf.Subject, NotBefore: now.Add(-time.Minute), NotAfter: now.Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
}

// thief has the folder of the authority's keys.
type thief struct {
	t   testing.TB
	dir string
}

func (x thief) file(name string) []byte {
	x.t.Helper()
	b, err := os.ReadFile(filepath.Join(x.dir, name))
	must(x.t, err)
	return b
}

func (x thief) authority() *x509.Certificate {
	x.t.Helper()
	c, err := join.ParseCert(x.file("ca.pem"))
	must(x.t, err)
	return c
}

func (x thief) own(name string) tls.Certificate {
	x.t.Helper()
	c, err := tls.X509KeyPair(x.file(name+".pem"), x.file(name+".key"))
	must(x.t, err)
	return c
}

func (x thief) forge(tmpl *x509.Certificate, key crypto.Signer) tls.Certificate {
	x.t.Helper()
	by, err := join.ParseKey(x.file("ca.key"))
	must(x.t, err)
	return sign(x.t, tmpl, x.authority(), key, by)
}

func sign(t testing.TB, tmpl, parent *x509.Certificate, key, by crypto.Signer) tls.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key.Public(), by)
	must(t, err)
	leaf, err := x509.ParseCertificate(der)
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

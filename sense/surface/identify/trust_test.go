package identify

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"testing"
	"time"

	"noroshi/service"
)

// issued is a certificate with its key.
type issued struct {
	*x509.Certificate
	key *ecdsa.PrivateKey
}

// authority signs certificates for as long as it says; nil signs itself.
func (by *issued) issue(t *testing.T, name string, change func(*x509.Certificate)) *issued {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	c := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-48 * time.Hour), NotAfter: now.Add(1000 * time.Hour)}
	change(c)
	parent, signer := c, key
	if by != nil {
		parent, signer = by.Certificate, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &issued{made, key}
}

func isCA(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
}

func server(names ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.DNSNames, c.ExtKeyUsage = names, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
}

func TestWhatAChainIsWorth(t *testing.T) {
	var nobody *issued
	root := nobody.issue(t, "root", isCA)
	middle := root.issue(t, "middle", isCA)
	old := root.issue(t, "old", func(c *x509.Certificate) { isCA(c); c.NotAfter = time.Now().Add(-time.Hour) })
	stranger := nobody.issue(t, "stranger", isCA)
	www := middle.issue(t, "www", server("www.example.jp"))
	claims := middle.issue(t, "www", func(c *x509.Certificate) {
		server("www.example.jp")(c)
		oid, err := x509.OIDFromASN1OID(public[2])
		if err != nil {
			t.Fatal(err)
		}
		c.Policies, c.PolicyIdentifiers = []x509.OID{oid}, []asn1.ObjectIdentifier{public[2]}
	})
	ended := middle.issue(t, "www", func(c *x509.Certificate) {
		server("www.example.jp")(c)
		c.NotBefore, c.NotAfter = time.Now().Add(-24*time.Hour), time.Now().Add(-time.Hour)
	})
	later := middle.issue(t, "www", func(c *x509.Certificate) { server("www.example.jp")(c); c.NotBefore = time.Now().Add(time.Hour) })
	client := middle.issue(t, "www", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
	alone := nobody.issue(t, "alone", server("alone.example.jp"))
	byStranger := stranger.issue(t, "www", server("www.example.jp"))
	roots := x509.NewCertPool()
	roots.AddCert(root.Certificate)
	own := x509.NewCertPool()
	own.AddCert(alone.Certificate)
	for _, c := range []struct {
		what  string
		roots *x509.CertPool
		want  string
		chain []*issued
	}{
		{"a whole chain", roots, trusted, []*issued{www, middle}},
		{"with the root", roots, trusted, []*issued{www, middle, root}},
		{"in another order", roots, trusted, []*issued{www, root, middle}},
		{"without its issuer, which nobody said to be public", roots, unknownIssuer, []*issued{www}},
		{"without its issuer, of a public authority", roots, incompleteChain, []*issued{claims}},
		{"of a stranger who is there, of a public authority", roots, incompleteChain, []*issued{claims, stranger}},
		{"that ended is judged as of then", roots, trusted, []*issued{ended, middle}},
		{"that has not begun is judged as of then", roots, trusted, []*issued{later, middle}},
		{"whose issuer has ended", roots, issuerExpired, []*issued{old.issue(t, "www", func(c *x509.Certificate) { server("www.example.jp")(c); c.NotBefore = old.NotBefore }), old}},
		{"of a client", roots, unfit, []*issued{client, middle}},
		{"of a stranger", roots, unknownIssuer, []*issued{byStranger, stranger}},
		{"signed by itself", roots, selfSigned, []*issued{alone}},
		{"signed by itself, and trusted", own, trusted, []*issued{alone}},
		{"signed by itself, without roots", nil, selfSigned, []*issued{alone}},
		{"without roots", nil, "", []*issued{www, middle}},
		{"nothing", roots, "", nil},
	} {
		var chain []*x509.Certificate
		for _, x := range c.chain {
			chain = append(chain, x.Certificate)
		}
		if got := (&Engine{Roots: c.roots}).trust(chain, time.Now()); got != c.want {
			t.Errorf("%s: %q; want %q", c.what, got, c.want)
		}
	}
}

// TestTheNamesOfAnAddressAreAskedFor asks a server that shows one certificate to
// who names it, and another to who does not.
func TestTheNamesOfAnAddressAreAskedFor(t *testing.T) {
	var nobody *issued
	root := nobody.issue(t, "root", isCA)
	pair := func(x *issued) *tls.Certificate {
		return &tls.Certificate{Certificate: [][]byte{x.Raw}, PrivateKey: x.key}
	}
	www, other := pair(root.issue(t, "www", server("www.example.jp"))), pair(nobody.issue(t, "default", server("default.invalid")))
	byAddress := pair(nobody.issue(t, "default", func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.ParseIP("127.0.0.1")} }))
	roots := x509.NewCertPool()
	roots.AddCert(root.Certificate)
	for what, c := range map[string]struct {
		otherwise      *tls.Certificate
		known          []string
		subject, trust string
		named          []service.Named
	}{
		"no name is known":        {other, nil, "CN=default", selfSigned, nil},
		"one is served":           {other, []string{"old.example.jp", "www.example.jp"}, "CN=www", trusted, []service.Named{{Name: "old.example.jp", Fits: false}, {Name: "www.example.jp", Fits: true}}},
		"none is served":          {other, []string{"old.example.jp"}, "CN=default", selfSigned, []service.Named{{Name: "old.example.jp", Fits: false}}},
		"it says its own address": {byAddress, []string{"old.example.jp"}, "CN=default", selfSigned, []service.Named{{Name: "old.example.jp", Fits: false}, {Name: "127.0.0.1", Fits: true}}},
		"a name is refused":       {nil, []string{"old.example.jp", "www.example.jp"}, "CN=www", trusted, []service.Named{{Name: "www.example.jp", Fits: true}}},
	} {
		t.Run(what, func(t *testing.T) {
			config := &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
				switch {
				case h.ServerName == "www.example.jp":
					return www, nil
				case c.otherwise == nil && h.ServerName != "":
					return nil, net.ErrClosed
				case c.otherwise == nil:
					return other, nil
				}
				return c.otherwise, nil
			}}
			e := &Engine{Roots: roots, Names: func(a netip.Addr) []string {
				if a != netip.MustParseAddr("127.0.0.1") {
					t.Errorf("it asks for the names of %s", a)
				}
				return c.known
			}}
			s := serveTo(t, e, 443, func(conn net.Conn) {
				_, _ = http.ReadRequest(bufio.NewReader(tls.Server(conn, config)))
			})
			if s.TLS == nil || s.TLS.Subject != c.subject || s.TLS.Trust != c.trust || !slices.Equal(s.TLS.Named, c.named) || len(s.TLS.Versions) != 2 {
				t.Errorf("said %+v", s.TLS)
			}
			if s.Evidence["x509.subject"] != "CN=default" {
				t.Errorf("the server calls itself %s", s.Evidence["x509.subject"])
			}
		})
	}
}

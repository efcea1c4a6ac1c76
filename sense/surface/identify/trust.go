package identify

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"net"
	"slices"
	"time"

	"noroshi/service"
)

// What a chain of certificates is worth to somebody who trusts the roots that the
// engine has. Its own time is not judged here: that is seen from its dates.
const (
	trusted         = "trusted"
	selfSigned      = "self_signed"
	unknownIssuer   = "unknown_issuer"
	incompleteChain = "incomplete_chain" // it claims to be a public authority's, and what leads there was not sent
	issuerExpired   = "issuer_expired"
	weakSignature   = "weak_signature" // somewhere on the way to the root
	unfit           = "unfit"          // a root knows it, but not as a server's
)

// maxNamed is how many names of an address are asked for, each by a connection.
const maxNamed = 8

// public are the policies under which public authorities certify servers
// (CA/Browser Forum, Baseline Requirements 7.1.6.1).
var public = []asn1.ObjectIdentifier{{2, 23, 140, 1, 1}, {2, 23, 140, 1, 2, 1}, {2, 23, 140, 1, 2, 2}, {2, 23, 140, 1, 2, 3}}

// trust says what a chain is worth, as it was sent; "" when there are no roots to
// judge it by.
func (e *Engine) trust(chain []*x509.Certificate, now time.Time) string {
	if len(chain) == 0 {
		return ""
	}
	own := chain[0]
	o := x509.VerifyOptions{Roots: e.Roots, Intermediates: x509.NewCertPool(), CurrentTime: now}
	for _, c := range chain[1:] {
		o.Intermediates.AddCert(c)
	}
	if now.After(own.NotAfter) {
		o.CurrentTime = own.NotAfter
	} else if now.Before(own.NotBefore) {
		o.CurrentTime = own.NotBefore
	}
	verify := func() error { _, err := own.Verify(o); return err }
	var err error
	if e.Roots != nil {
		if err = verify(); err == nil {
			return trusted
		}
	}
	o.CurrentTime = own.NotBefore
	var nobody x509.UnknownAuthorityError
	switch {
	case isOwnIssuer(own):
		return selfSigned
	case e.Roots == nil:
		return ""
	case verify() == nil: // It was trusted when it was made.
		return issuerExpired
	case slices.ContainsFunc(chain, func(c *x509.Certificate) bool { return !isOwnIssuer(c) && isWeak(c.SignatureAlgorithm) }):
		return weakSignature
	case !errors.As(err, &nobody):
		return unfit
	case !isOwnIssuer(top(chain)) && slices.ContainsFunc(own.PolicyIdentifiers, func(id asn1.ObjectIdentifier) bool { return slices.ContainsFunc(public, id.Equal) }):
		return incompleteChain
	}
	return unknownIssuer
}

// top is as far as a chain leads from the server's own certificate, whatever else
// was sent, and in whatever order.
func top(chain []*x509.Certificate) *x509.Certificate {
	c := chain[0]
	for range chain {
		i := slices.IndexFunc(chain, func(x *x509.Certificate) bool { return x != c && bytes.Equal(x.RawSubject, c.RawIssuer) })
		if i < 0 || isOwnIssuer(c) {
			break
		}
		c = chain[i]
	}
	return c
}

func isOwnIssuer(c *x509.Certificate) bool { return bytes.Equal(c.RawIssuer, c.RawSubject) }

func isWeak(a x509.SignatureAlgorithm) bool {
	return slices.Contains([]x509.SignatureAlgorithm{x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1}, a)
}

// certified describes the certificate that clients are shown. Those of an address
// that is known by names ask for a name, and are often shown another one than who
// comes by the address; the first that fits, and best one that is trusted, counts.
func (a *asking) certified(connect func() (net.Conn, error), st tls.ConnectionState) *service.TLS {
	t := a.describe(st)
	if a.Names == nil {
		return t
	}
	names := a.Names(a.to.Addr())
	var named []service.Named
	for _, name := range names[:min(len(names), maxNamed)] {
		by, ok := a.shake(connect, &tls.Config{ServerName: name})
		if !ok || len(by.PeerCertificates) == 0 {
			continue // It proves nothing: many refuse names that they do not serve.
		}
		fits := by.PeerCertificates[0].VerifyHostname(name) == nil
		named = append(named, service.Named{Name: service.Text(name), Fits: fits})
		if x := a.describe(by); fits && (!hasFit(t.Named) || t.Trust != trusted && x.Trust == trusted) {
			t = x
		}
		t.Named = named
	}
	// Who comes by the address, and is shown one for it, is not deceived.
	if own := st.PeerCertificates; len(named) > 0 && !hasFit(named) && len(own) > 0 && own[0].VerifyHostname(a.to.Addr().String()) == nil {
		t.Named = append(named, service.Named{Name: a.to.Addr().String(), Fits: true})
	}
	return t
}

func hasFit(list []service.Named) bool {
	return slices.ContainsFunc(list, func(n service.Named) bool { return n.Fits })
}

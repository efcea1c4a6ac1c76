// Package join is a node's side of its identity: it redeems a one-time token
// for a certificate, keeps key and certificate in a folder, and loads them
// again. It links no ledger, so that an edge opens no database. The hub's side
// is package identity, which shares the token, the messages and the file
// formats here.
package join

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"noroshi/fault"
	"noroshi/ident"
)

// Request is what a node posts to the hub's /enrol.
type Request struct {
	Secret string `json:"secret"`
	Name   string `json:"name"` // the machine's name, for people
	CSR    string `json:"csr"`  // PEM
}

// MaxRequest bounds a request, MaxEnrolment an answer, in bytes.
const (
	MaxRequest   = 64 << 10
	MaxEnrolment = 64 << 10
)

// Enrolment is the hub's answer, and with the key what a node keeps.
type Enrolment struct {
	Node     ident.ID  `json:"node"`
	Org      ident.ID  `json:"org"`
	Role     string    `json:"role"`
	Name     string    `json:"name"`
	Cert     string    `json:"cert"`     // PEM
	CA       string    `json:"ca"`       // PEM
	Bus      string    `json:"bus"`      // host:port
	FeedKey  []byte    `json:"feed_key"` // Ed25519, verifies the frames of feeds
	Feeds    []string  `json:"feeds"`
	NotAfter time.Time `json:"not_after"`
}

const timeout = 15 * time.Second

// Join redeems a token as the node name and keeps the result in dir, in place
// of what was there. When it fails, what was there stays.
func Join(ctx context.Context, token, name, dir string) (*Credentials, error) {
	const op = "join"
	t, err := ParseToken(token)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}}, key)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	e, err := redeem(ctx, t, Request{Secret: t.Secret, Name: name, CSR: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr}))})
	if err != nil {
		return nil, err
	}
	k, err := KeyPEM(key)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	mine := kept{Enrolment: *e, Key: string(k)}
	c, err := credentials(mine)
	if err != nil {
		return nil, fault.As(fault.Invalid, op, err, "the hub's answer cannot be used")
	}
	if subtle.ConstantTimeCompare([]byte(SPKI(c.ca)), []byte(t.CA)) != 1 {
		return nil, fault.New(fault.Invalid, op, "the hub names another authority than the token's")
	}
	return c, keep(dir, mine)
}

// redeem posts the request to the hub.
func redeem(ctx context.Context, t Token, r Request) (*Enrolment, error) {
	const op = "join.redeem"
	body, err := json.Marshal(r)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	client := &http.Client{
		Timeout:   timeout,
		Transport: &http.Transport{TLSClientConfig: pinned(t), DisableKeepAlives: true},
		// The secret goes to the token's hub and nowhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.enrolURL(), bytes.NewReader(body))
	if err != nil {
		return nil, fault.As(fault.Invalid, op, err, "the token's hub address cannot be used")
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return nil, fault.As(fault.Unavailable, op, err, "the hub at %s cannot be reached, or is another one than the token's", t.Hub)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, MaxEnrolment))
	if err != nil {
		return nil, fault.As(fault.Unavailable, op, err, "the hub's answer broke off")
	}
	if resp.StatusCode != http.StatusOK {
		return nil, refused(resp.StatusCode, b)
	}
	e := new(Enrolment)
	if err := json.Unmarshal(b, e); err != nil {
		return nil, fault.As(fault.Invalid, op, err, "the hub's answer cannot be read")
	}
	return e, nil
}

// refused turns the hub's problem (RFC 9457) back into an error.
func refused(code int, body []byte) error {
	var p struct {
		Detail string `json:"detail"`
	}
	_ = json.Unmarshal(body, &p) // Without a detail the status speaks.
	kind := fault.Denied
	switch {
	case code >= 500, code == http.StatusTooManyRequests:
		kind = fault.Unavailable
	case code != http.StatusForbidden:
		kind = fault.Invalid
	}
	return fault.New(kind, "join.redeem", "the hub refused the token: %s (%d)", p.Detail, code)
}

// pinned believes the hub whose authority has the token's fingerprint: the
// machine's own roots say nothing here.
func pinned(t Token) *tls.Config {
	// The connection's state names no server when it is known by its address.
	host, _, _ := net.SplitHostPort(t.Hub) // ParseToken has made sure of the form.
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true, // The check below is stricter than the machine's roots.
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) < 2 {
				return errors.New("the hub shows no authority")
			}
			ca := s.PeerCertificates[len(s.PeerCertificates)-1]
			if subtle.ConstantTimeCompare([]byte(SPKI(ca)), []byte(t.CA)) != 1 {
				return errors.New("the hub's authority is not the token's")
			}
			pool := x509.NewCertPool()
			pool.AddCert(ca)
			_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: pool, DNSName: host})
			return err
		},
	}
}

// Package join is a node's side of its identity: it redeems a one-time token
// for a certificate, keeps key and certificate in a folder, loads them again,
// and renews the certificate before it ends. It links no ledger, so that an edge opens no database. The hub's side
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
	Peer   string `json:"-"`    // from where it came, as the hub saw it
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
	Enrol    string    `json:"enrol"`    // host:port, where the certificate is renewed
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
	key, csr, err := newKey(name)
	if err != nil {
		return nil, err
	}
	e := new(Enrolment)
	client := &http.Client{Timeout: timeout, Transport: &http.Transport{TLSClientConfig: pinned(t), DisableKeepAlives: true}, CheckRedirect: stay}
	if err := post(ctx, client, t.enrolURL(), Request{Secret: t.Secret, Name: name, CSR: csr}, e); err != nil {
		return nil, err
	}
	mine := kept{Enrolment: *e, Key: key}
	c, err := credentials(mine, dir)
	if err != nil {
		return nil, fault.As(fault.Invalid, op, err, "the hub's answer cannot be used")
	}
	if subtle.ConstantTimeCompare([]byte(SPKI(c.ca)), []byte(t.CA)) != 1 {
		return nil, fault.New(fault.Invalid, op, "the hub names another authority than the token's")
	}
	return c, keep(dir, mine)
}

// newKey makes a node's key and the request to certify it, both in PEM.
func newKey(name string) (key, csr string, err error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", fault.Wrap("join.key", err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}}, k)
	if err != nil {
		return "", "", fault.Wrap("join.key", err)
	}
	p, err := KeyPEM(k)
	return string(p), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})), fault.Wrap("join.key", err)
}

// stay follows no redirection: what a node shows goes to its hub and nowhere else.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// post asks the hub.
func post(ctx context.Context, client *http.Client, url string, in any, out *Enrolment) error {
	const op = "join.post"
	body, err := json.Marshal(in)
	if err != nil {
		return fault.Wrap(op, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return fault.As(fault.Invalid, op, err, "the hub's address cannot be used")
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return fault.As(fault.Unavailable, op, err, "the hub at %s cannot be reached, is another one than the one that this node belongs to, or refuses its certificate", req.URL.Host)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, MaxEnrolment))
	if err != nil {
		return fault.As(fault.Unavailable, op, err, "the hub's answer broke off")
	}
	if resp.StatusCode != http.StatusOK {
		return refused(resp.StatusCode, b)
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fault.As(fault.Invalid, op, err, "the hub's answer cannot be read")
	}
	return nil
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
	case code != http.StatusForbidden && code != http.StatusUnauthorized:
		kind = fault.Invalid
	}
	return fault.New(kind, "join.post", "the hub refused: %s (%d)", p.Detail, code)
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

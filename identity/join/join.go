// Package join is a node's side of its identity: it redeems a one-time token
// for a certificate, keeps key and certificate in a folder, and loads them
// again. It links no ledger, so that an edge opens no database. The hub's side
// is package identity, which shares the types here.
package join

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
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
	"os"
	"path/filepath"
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

// MaxRequest bounds a request, MaxEnrolment an answer.
const (
	MaxRequest   = 16 << 10
	MaxEnrolment = 64 << 10
)

// Enrolment is the hub's answer, and with the key what a node keeps.
type Enrolment struct {
	Node     ident.ID  `json:"node"`
	Org      ident.ID  `json:"org"`
	Role     string    `json:"role"`
	Name     string    `json:"name"`
	Cert     string    `json:"cert"` // PEM
	CA       string    `json:"ca"`   // PEM
	Bus      string    `json:"bus"`  // host:port
	FeedKey  []byte    `json:"feed_key"`
	Feeds    []string  `json:"feeds"`
	NotAfter time.Time `json:"not_after"`
	OrgSlug  string    `json:"org_slug"`
}

// Credentials are a node's identity, ready for use.
type Credentials struct {
	Enrolment
	Key     *ecdsa.PrivateKey
	feedKey ed25519.PublicKey
}

const (
	keyName  = "node.key"
	fileName = "enrolment.json"
)

// Join redeems a token and keeps the result in dir.
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
	if err := keep(dir, key, e); err != nil {
		return nil, fault.As(fault.Internal, op, err, "the node's identity cannot be kept in %s", dir)
	}
	return Load(dir)
}

// redeem posts the request to the hub, whose authority must have the token's
// fingerprint: the machine's own roots say nothing here.
func redeem(ctx context.Context, t Token, r Request) (*Enrolment, error) {
	const op = "join.redeem"
	body, err := json.Marshal(r)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	client := &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{TLSClientConfig: pinned(t), DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+t.Hub+"/enrol", bytes.NewReader(body))
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
		var p struct{ Detail string }
		_ = json.Unmarshal(b, &p)
		return nil, fault.New(fault.Denied, op, "the hub refused the token: %s (%d)", p.Detail, resp.StatusCode)
	}
	e := new(Enrolment)
	if err := json.Unmarshal(b, e); err != nil {
		return nil, fault.As(fault.Invalid, op, err, "the hub's answer cannot be read")
	}
	return e, nil
}

func pinned(t Token) *tls.Config {
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
			_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: pool, DNSName: s.ServerName})
			return err
		},
	}
}

func keep(dir string, key *ecdsa.PrivateKey, e *Enrolment) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	k, err := KeyPEM(key)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, keyName), k, 0o600); err != nil {
		return err
	}
	b, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, fileName), b, 0o600)
}

// Load reads the identity kept in dir; NotFound when there is none.
func Load(dir string) (*Credentials, error) {
	const op = "join.load"
	b, err := os.ReadFile(filepath.Join(dir, fileName))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fault.New(fault.NotFound, op, "this node has not joined yet; 'noroshi hub enrol' on the hub makes a token")
	}
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	c := &Credentials{}
	if err := json.Unmarshal(b, &c.Enrolment); err != nil {
		return nil, fault.As(fault.Invalid, op, err, "the identity in %s cannot be read; join again with a new token", dir)
	}
	k, err := os.ReadFile(filepath.Join(dir, keyName))
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	signer, err := ParseKey(k)
	if err != nil {
		return nil, fault.As(fault.Invalid, op, err, "the key in %s cannot be read; join again with a new token", dir)
	}
	var ok bool
	if c.Key, ok = signer.(*ecdsa.PrivateKey); !ok || len(c.Enrolment.FeedKey) != ed25519.PublicKeySize {
		return nil, fault.New(fault.Invalid, op, "the identity in %s is damaged; join again with a new token", dir)
	}
	c.feedKey = ed25519.PublicKey(c.Enrolment.FeedKey)
	return c, nil
}

// FeedKey verifies the frames of feeds.
func (c *Credentials) FeedKey() ed25519.PublicKey { return c.feedKey }

// TLS is the node's side of the connection to the bus.
func (c *Credentials) TLS() (*tls.Config, error) {
	block, _ := pem.Decode([]byte(c.Cert))
	ca, err := ParseCert([]byte(c.CA))
	if block == nil || err != nil {
		return nil, fault.New(fault.Invalid, "join.tls", "the node's certificate is damaged; join again with a new token")
	}
	host, _, err := net.SplitHostPort(c.Bus)
	if err != nil {
		return nil, fault.As(fault.Invalid, "join.tls", err, "the hub's address is damaged; join again with a new token")
	}
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	return &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: pool, ServerName: host,
		Certificates: []tls.Certificate{{Certificate: [][]byte{block.Bytes}, PrivateKey: c.Key}}}, nil
}

package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"noroshi/fault"
	"noroshi/ident"
	"noroshi/identity/join"
)

// Lives of certificates.
const (
	caLife     = 10 * 365 * 24 * time.Hour
	serverLife = 90 * 24 * time.Hour // made anew at each start
	nodeLife   = 365 * 24 * time.Hour
)

// CA is the platform's certificate authority and the key that signs feeds.
type CA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	feed ed25519.PrivateKey
	now  func() time.Time
}

// OpenCA opens the authority kept in dir, or makes it there.
func OpenCA(dir string, now func() time.Time) (*CA, error) {
	const op = "identity.ca"
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.Wrap(op, err)
	}
	ca := &CA{now: now}
	key, err := keyFile(filepath.Join(dir, "ca.key"), func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) })
	if err != nil {
		return nil, fault.As(fault.Internal, op, err, "the authority's key in %s cannot be used", dir)
	}
	feed, err := keyFile(filepath.Join(dir, "feed.key"), func() (crypto.Signer, error) { _, k, err := ed25519.GenerateKey(rand.Reader); return k, err })
	if err != nil {
		return nil, fault.As(fault.Internal, op, err, "the feed's key in %s cannot be used", dir)
	}
	var ok1, ok2 bool
	ca.key, ok1 = key.(*ecdsa.PrivateKey)
	ca.feed, ok2 = feed.(ed25519.PrivateKey)
	if !ok1 || !ok2 {
		return nil, fault.New(fault.Internal, op, "the keys in %s are of another kind than expected", dir)
	}
	path := filepath.Join(dir, "ca.pem")
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if b, err = ca.selfSign(); err == nil {
			err = os.WriteFile(path, b, 0o600)
		}
	}
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	if ca.cert, err = join.ParseCert(b); err != nil {
		return nil, fault.As(fault.Internal, op, err, "the authority's certificate %s cannot be read", path)
	}
	return ca, nil
}

func (ca *CA) selfSign() ([]byte, error) {
	t := ca.template("Noroshi authority", caLife)
	t.IsCA, t.BasicConstraintsValid, t.MaxPathLenZero = true, true, true
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(rand.Reader, t, t, &ca.key.PublicKey, ca.key)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), err
}

func (ca *CA) template(name string, life time.Duration) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	now := ca.now()
	// An hour back: a node's clock may be behind.
	return &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(life)}
}

func (ca *CA) sign(t *x509.Certificate, pub any) ([]byte, error) {
	t.KeyUsage = x509.KeyUsageDigitalSignature
	return x509.CreateCertificate(rand.Reader, t, ca.cert, pub, ca.key)
}

// PEM is the authority's certificate.
func (ca *CA) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw})
}

// Fingerprint is the SHA-256 of the authority's public key, which enrolment
// tokens carry.
func (ca *CA) Fingerprint() string { return join.SPKI(ca.cert) }

// FeedKey signs the frames of feeds.
func (ca *CA) FeedKey() ed25519.PrivateKey { return ca.feed }

// issueNode signs a node's key.
func (ca *CA) issueNode(csr *x509.CertificateRequest, node, org ident.ID) (*x509.Certificate, error) {
	t := ca.template(string(node), nodeLife)
	t.Subject.Organization = []string{string(org)}
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	der, err := ca.sign(t, csr.PublicKey)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// Server makes the hub's TLS configuration for the given host names and
// addresses. With nodes, clients must show a certificate of this authority.
func (ca *CA) Server(hosts []string, nodes bool) (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fault.Wrap("identity.server", err)
	}
	t := ca.template("Noroshi hub", serverLife)
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, h := range append(hosts, "localhost", "127.0.0.1", "::1") {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else if h != "" {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	der, err := ca.sign(t, &key.PublicKey)
	if err != nil {
		return nil, fault.Wrap("identity.server", err)
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{{Certificate: [][]byte{der, ca.cert.Raw}, PrivateKey: key}}}
	if nodes {
		cfg.ClientAuth = tls.RequireAndVerifyClientCert
		cfg.ClientCAs = x509.NewCertPool()
		cfg.ClientCAs.AddCert(ca.cert)
	}
	return cfg, nil
}

// keyFile reads a key, or makes and keeps one for this user alone.
func keyFile(path string, generate func() (crypto.Signer, error)) (crypto.Signer, error) {
	b, err := os.ReadFile(path)
	if err == nil {
		return join.ParseKey(b)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	k, err := generate()
	if err != nil {
		return nil, err
	}
	p, err := join.KeyPEM(k)
	if err != nil {
		return nil, err
	}
	return k, os.WriteFile(path, p, 0o600)
}

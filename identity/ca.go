package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"time"

	"noroshi/fault"
	"noroshi/ident"
	"noroshi/identity/join"
)

// caLife is how long the authority's certificate lasts. When a third of that is
// left, one of the same key follows: nodes know the authority by its key, and
// get the new certificate when they renew theirs, long before the old one ends.
const caLife = 10 * 365 * 24 * time.Hour

// CA is the platform's certificate authority and the key that signs feeds. Its
// folder is the platform's most secret one.
//
// Several hubs of one platform have the same ca.key, feed.key and ca.pem; the
// other files are each hub's own.
type CA struct {
	dir  string
	key  *ecdsa.PrivateKey
	feed ed25519.PrivateKey
	now  func() time.Time

	mu   sync.Mutex
	cert *x509.Certificate // ask present

	server, cluster *ownCert
}

// OpenCA opens the authority kept in dir, or makes it there.
func OpenCA(dir string, now func() time.Time) (*CA, error) {
	const op = "identity.ca"
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.Wrap(op, err)
	}
	ca := &CA{dir: dir, now: now}
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
	if ca.cert, err = ca.read(); err != nil {
		return nil, fault.As(fault.Internal, op, err, "the authority's certificate %s cannot be read, or belongs to another key", ca.path())
	}
	ca.server = &ownCert{ca: ca, name: "server", usage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	ca.cluster = &ownCert{ca: ca, name: "cluster", unit: hubUnit, usage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	return ca, nil
}

func (ca *CA) path() string { return filepath.Join(ca.dir, "ca.pem") }

// read returns the certificate that is kept, or makes the first.
func (ca *CA) read() (*x509.Certificate, error) {
	b, err := os.ReadFile(ca.path())
	if errors.Is(err, fs.ErrNotExist) {
		return ca.selfSign()
	}
	if err != nil {
		return nil, err
	}
	cert, err := join.ParseCert(b)
	if err == nil && !ca.key.PublicKey.Equal(cert.PublicKey) {
		err = errors.New("it belongs to another key")
	}
	return cert, err
}

// present is the authority's certificate, which is renewed here when it is time.
// One that cannot be renewed serves to its end.
func (ca *CA) present() *x509.Certificate {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	if ca.cert.NotAfter.Sub(ca.now()) < caLife/3 {
		if next, err := ca.selfSign(); err == nil {
			ca.cert = next
		}
	}
	return ca.cert
}

// pool is whom to believe: what this authority has signed.
func (ca *CA) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(ca.present())
	return p
}

// selfSign makes a certificate of the authority's key and keeps it.
func (ca *CA) selfSign() (*x509.Certificate, error) {
	t, err := ca.template("Noroshi authority", ca.now().Add(caLife))
	if err != nil {
		return nil, err
	}
	t.IsCA, t.BasicConstraintsValid, t.MaxPathLenZero = true, true, true
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(rand.Reader, t, t, &ca.key.PublicKey, ca.key)
	if err != nil {
		return nil, err
	}
	if err := join.Keep(ca.path(), join.CertPEM(der)); err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func (ca *CA) template(name string, notAfter time.Time) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	// An hour back: a node's clock may be behind. Less where the life is short,
	// for two thirds of it are not to be over at the start.
	now := ca.now()
	return &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-min(time.Hour, notAfter.Sub(now)/24)), NotAfter: notAfter}, nil
}

func (ca *CA) sign(t *x509.Certificate, pub any) (*x509.Certificate, error) {
	t.KeyUsage = x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, t, ca.present(), pub, ca.key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// PEM is the authority's certificate.
func (ca *CA) PEM() []byte { return join.CertPEM(ca.present().Raw) }

// Fingerprint is the SHA-256 of the authority's public key, which enrolment
// tokens carry.
func (ca *CA) Fingerprint() string { return join.SPKI(ca.present()) }

// FeedKey signs the frames of feeds.
func (ca *CA) FeedKey() ed25519.PrivateKey { return ca.feed }

// FeedPublicKey verifies them.
func (ca *CA) FeedPublicKey() ed25519.PublicKey {
	return ed25519.PublicKey(ca.feed[ed25519.PrivateKeySize-ed25519.PublicKeySize:])
}

// IssueNode signs the key of a certificate request (PEM). Whatever else the
// request says is not believed: the names are the hub's.
func (ca *CA) IssueNode(csrPEM string, node, org ident.ID, role string, notAfter time.Time) (*x509.Certificate, error) {
	csr, err := parseCSR(csrPEM)
	if err != nil {
		return nil, err
	}
	t, err := ca.template(string(node), notAfter)
	if err != nil {
		return nil, fault.Wrap("identity.issue", err)
	}
	t.Subject.Organization, t.Subject.OrganizationalUnit = []string{string(org)}, []string{role}
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	cert, err := ca.sign(t, csr.PublicKey)
	return cert, fault.Wrap("identity.issue", err)
}

// parseCSR reads a certificate request and checks that its sender has the key.
func parseCSR(s string) (*x509.CertificateRequest, error) {
	const op = "identity.csr"
	block, rest := pem.Decode([]byte(s))
	if block == nil || block.Type != "CERTIFICATE REQUEST" || len(rest) != 0 {
		return nil, fault.New(fault.Invalid, op, "the certificate request is not one block of PEM")
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, fault.As(fault.Invalid, op, err, "the certificate request cannot be read")
	}
	switch k := csr.PublicKey.(type) {
	case ed25519.PublicKey:
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return nil, fault.New(fault.Invalid, op, "the request's key is not on the curve P-256")
		}
	default:
		return nil, fault.New(fault.Invalid, op, "the request's key is neither ECDSA P-256 nor Ed25519")
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, fault.As(fault.Invalid, op, err, "the certificate request is not signed by its key")
	}
	return csr, nil
}

// keyFile reads a key, or makes and keeps one for this user alone. A key that
// others on the machine could have read is not used.
func keyFile(path string, generate func() (crypto.Signer, error)) (crypto.Signer, error) {
	info, err := os.Stat(path)
	if err == nil {
		if info.Mode().Perm()&0o077 != 0 {
			return nil, fmt.Errorf("%s has the rights %s: others may have read it", path, info.Mode())
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
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
	return k, join.Keep(path, p)
}

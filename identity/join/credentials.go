package join

import (
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"

	"noroshi/fault"
)

// Credentials are a node's identity, ready for use. The certificate changes
// while the node runs; the names stay.
type Credentials struct {
	Enrolment
	dir  string // where they are kept
	ca   *x509.Certificate
	host string // of the bus
	cert atomic.Pointer[tls.Certificate]
	// renewal is why the last try to renew failed.
	renewal atomic.Pointer[string]
}

// kept is the one file that is a node's identity: whole, or not there.
type kept struct {
	Enrolment
	Key string `json:"key"` // PEM
}

const (
	fileName = "node.json"
	maxFile  = 256 << 10
)

// Load reads the identity kept in dir; NotFound when there is none.
func Load(dir string) (*Credentials, error) {
	const op = "join.load"
	path := filepath.Join(dir, fileName)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, op, "this node has not joined yet; 'noroshi hub enrol' on the hub makes a token")
	}
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	// Windows tells no rights here; the folder's own list of them holds there.
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 || info.Size() > maxFile {
		return nil, fault.New(fault.Invalid, op, "%s is not this user's alone, or is not what was kept; join again with a new token", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	c, err := decode(b, dir)
	if err != nil {
		return nil, fault.As(fault.Invalid, op, err, "the identity in %s is damaged; join again with a new token", path)
	}
	return c, nil
}

func decode(b []byte, dir string) (*Credentials, error) {
	var k kept
	if err := json.Unmarshal(b, &k); err != nil {
		return nil, err
	}
	return credentials(k, dir)
}

// credentials checks that the parts belong together.
func credentials(k kept, dir string) (*Credentials, error) {
	c := &Credentials{Enrolment: k.Enrolment, dir: dir}
	cert, err := tls.X509KeyPair([]byte(k.Cert), []byte(k.Key))
	if err != nil {
		return nil, err
	}
	c.cert.Store(&cert)
	if c.ca, err = ParseCert([]byte(k.CA)); err != nil {
		return nil, err
	}
	if err := cert.Leaf.CheckSignatureFrom(c.ca); err != nil {
		return nil, err
	}
	if len(k.FeedKey) != ed25519.PublicKeySize {
		return nil, errors.New("the feed's key has another length")
	}
	if k.Node == "" || k.Org == "" || cert.Leaf.Subject.CommonName != string(k.Node) {
		return nil, errors.New("the certificate is another node's")
	}
	c.host, _, err = net.SplitHostPort(k.Bus)
	return c, err
}

func keep(dir string, k kept) error {
	b, err := json.MarshalIndent(k, "", "  ")
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err == nil {
		err = Keep(filepath.Join(dir, fileName), b)
	}
	if err != nil {
		return fault.As(fault.Internal, "join.keep", err, "the node's identity cannot be kept in %s", dir)
	}
	return nil
}

// FeedKey verifies the frames of feeds.
func (c *Credentials) FeedKey() ed25519.PublicKey { return ed25519.PublicKey(c.Enrolment.FeedKey) }

// Leaf is the present certificate.
func (c *Credentials) Leaf() *x509.Certificate { return c.cert.Load().Leaf }

// TLS is the node's side of the connection to the bus. Every handshake shows the
// certificate that is the present one then.
func (c *Credentials) TLS() *tls.Config { return c.tls(c.host) }

func (c *Credentials) tls(host string) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(c.ca)
	return &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: pool, ServerName: host,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c.cert.Load(), nil }}
}

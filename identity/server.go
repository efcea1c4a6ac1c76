package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"noroshi/fault"
	"noroshi/identity/join"
)

// serverLife is how long the hub's own certificate lasts. It is renewed, while
// the hub runs, when a third of that is left.
const serverLife = 90 * 24 * time.Hour

// ServerTLS is the hub's side of a connection from anybody: enrolment, the
// console. Hosts are the names and addresses under which the hub is reached;
// the machine's own loopback is always among them.
func (ca *CA) ServerTLS(hosts []string) (*tls.Config, error) {
	if err := ca.server.serve(hosts); err != nil {
		return nil, fault.As(fault.Internal, "identity.server", err, "the hub's certificate cannot be made")
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, GetCertificate: ca.server.get}, nil
}

// NodeTLS is the hub's side of a connection from a node, which must show a
// certificate of this authority. Whether the node is still welcome, Nodes.Admit
// tells.
func (ca *CA) NodeTLS(hosts []string) (*tls.Config, error) {
	cfg, err := ca.ServerTLS(hosts)
	if err != nil {
		return nil, err
	}
	cfg.ClientAuth = tls.RequireAndVerifyClientCert
	cfg.ClientCAs = x509.NewCertPool()
	cfg.ClientCAs.AddCert(ca.cert)
	return cfg, nil
}

// serverCert is the hub's own certificate, kept beside the authority so that it
// stays the same when the hub restarts.
type serverCert struct {
	ca  *CA
	dir string

	mu    sync.Mutex
	hosts []string
	key   crypto.Signer
	cert  *tls.Certificate
}

// serve makes the certificate good for more hosts.
func (s *serverCert) serve(hosts []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range append(slices.Clone(hosts), "localhost", "127.0.0.1", "::1") {
		if h != "" && !slices.Contains(s.hosts, h) {
			s.hosts = append(s.hosts, h)
		}
	}
	if s.key == nil {
		key, err := keyFile(filepath.Join(s.dir, "server.key"), func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) })
		if err != nil {
			return err
		}
		s.key = key
		if b, err := os.ReadFile(s.path()); err == nil {
			if cert, err := join.ParseCert(b); err == nil {
				s.use(cert)
			}
		}
	}
	return s.renew()
}

func (s *serverCert) path() string { return filepath.Join(s.dir, "server.pem") }

// get answers a client's hello.
func (s *serverCert) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.renew()
	if s.cert != nil && s.ca.now().Before(s.cert.Leaf.NotAfter) {
		return s.cert, nil // One that could not be renewed serves to its end.
	}
	return s.cert, err
}

// renew makes a new certificate when the present one will not do.
func (s *serverCert) renew() error {
	if s.good() {
		return nil
	}
	t, err := s.ca.template("Noroshi hub", s.ca.now().Add(serverLife))
	if err != nil {
		return err
	}
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, h := range s.hosts {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	cert, err := s.ca.sign(t, s.key.Public())
	if err != nil {
		return err
	}
	if err := join.Keep(s.path(), join.CertPEM(cert.Raw)); err != nil {
		return err
	}
	s.use(cert)
	return nil
}

// use shows the authority too: a node that joins knows its fingerprint only.
func (s *serverCert) use(cert *x509.Certificate) {
	s.cert = &tls.Certificate{Certificate: [][]byte{cert.Raw, s.ca.cert.Raw}, PrivateKey: s.key, Leaf: cert}
}

func (s *serverCert) good() bool {
	if s.cert == nil {
		return false
	}
	leaf := s.cert.Leaf
	if leaf.CheckSignatureFrom(s.ca.cert) != nil || leaf.NotAfter.Sub(s.ca.now()) < serverLife/3 {
		return false
	}
	if k, ok := s.key.Public().(*ecdsa.PublicKey); !ok || !k.Equal(leaf.PublicKey) {
		return false
	}
	return !slices.ContainsFunc(s.hosts, func(h string) bool { return leaf.VerifyHostname(h) != nil })
}

package identity

import (
	"bytes"
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

// serverLife is how long the hub's own certificates last. They are renewed, while
// the hub runs, when a third of that is left.
const serverLife = 90 * 24 * time.Hour

// ServerTLS is the hub's side of a connection from anybody, such as the console.
// Hosts are the names and addresses under which the hub is reached; the
// machine's own loopback is always among them.
func (ca *CA) ServerTLS(hosts []string) (*tls.Config, error) {
	if err := ca.server.serve(hosts); err != nil {
		return nil, fault.As(fault.Internal, "identity.server", err, "the hub's certificate cannot be made")
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return ca.server.get() }}, nil
}

// EnrolTLS is the hub's side of enrolment: who joins has no certificate yet, and
// who renews shows the present one.
func (ca *CA) EnrolTLS(hosts []string) (*tls.Config, error) {
	cfg, err := ca.ServerTLS(hosts)
	if err != nil {
		return nil, err
	}
	cfg.VerifyConnection = noHub
	return ca.verifying(cfg, tls.VerifyClientCertIfGiven), nil
}

// NodeTLS is the hub's side of a connection from a node, which must show a
// certificate of this authority. Whether the node is still welcome, Nodes.Admit
// tells.
func (ca *CA) NodeTLS(hosts []string) (*tls.Config, error) {
	cfg, err := ca.ServerTLS(hosts)
	if err != nil {
		return nil, err
	}
	cfg.VerifyConnection = noHub
	return ca.verifying(cfg, tls.RequireAndVerifyClientCert), nil
}

// verifying makes a server check the certificates of clients, against the
// authority's present certificate at every handshake. No session is resumed: a
// certificate that has ended since would be believed.
func (ca *CA) verifying(cfg *tls.Config, auth tls.ClientAuthType) *tls.Config {
	cfg.ClientAuth, cfg.ClientCAs, cfg.Time, cfg.SessionTicketsDisabled = auth, ca.pool(), ca.now, true
	base := cfg.Clone()
	cfg.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		c := base.Clone()
		c.ClientCAs = ca.pool()
		return c, nil
	}
	return cfg
}

// ownCert is a certificate of the hub itself, kept beside the authority so that
// it stays the same when the hub restarts.
type ownCert struct {
	ca    *CA
	dir   string // of its files; the authority's own when empty
	name  string // of its files
	unit  string // organisational unit
	usage []x509.ExtKeyUsage

	mu    sync.Mutex
	hosts []string
	key   crypto.Signer
	cert  *tls.Certificate
}

// serve makes the certificate good for more hosts.
func (s *ownCert) serve(hosts []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range append(slices.Clone(hosts), "localhost", "127.0.0.1", "::1") {
		if h != "" && !slices.Contains(s.hosts, h) {
			s.hosts = append(s.hosts, h)
		}
	}
	if s.key == nil {
		key, err := keyFile(s.path(".key"), func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) })
		if err != nil {
			return err
		}
		s.key = key
		if b, err := os.ReadFile(s.path(".pem")); err == nil {
			if cert, err := join.ParseCert(b); err == nil {
				s.use(cert)
			}
		}
	}
	return s.renew()
}

func (s *ownCert) path(kind string) string {
	dir := s.dir
	if dir == "" {
		dir = s.ca.dir
	}
	return filepath.Join(dir, s.name+kind)
}

// get is the certificate to show now.
func (s *ownCert) get() (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.renew()
	if s.cert != nil && s.ca.now().Before(s.cert.Leaf.NotAfter) {
		return s.cert, nil // One that could not be renewed serves to its end.
	}
	return s.cert, err
}

// renew makes a new certificate when the present one will not do.
func (s *ownCert) renew() error {
	if s.good() {
		return nil
	}
	t, err := s.ca.template("Noroshi hub", s.ca.now().Add(serverLife))
	if err != nil {
		return err
	}
	t.ExtKeyUsage = s.usage
	if s.unit != "" {
		t.Subject.OrganizationalUnit = []string{s.unit}
	}
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
	if err := join.Keep(s.path(".pem"), join.CertPEM(cert.Raw)); err != nil {
		return err
	}
	s.use(cert)
	return nil
}

// use shows the authority too: a node that joins knows its fingerprint only.
func (s *ownCert) use(cert *x509.Certificate) {
	s.cert = &tls.Certificate{Certificate: [][]byte{cert.Raw, s.ca.present().Raw}, PrivateKey: s.key, Leaf: cert}
}

func (s *ownCert) good() bool {
	if s.cert == nil {
		return false
	}
	leaf, authority := s.cert.Leaf, s.ca.present()
	if leaf.CheckSignatureFrom(authority) != nil || leaf.NotAfter.Sub(s.ca.now()) < serverLife/3 {
		return false
	}
	if k, ok := s.key.Public().(*ecdsa.PublicKey); !ok || !k.Equal(leaf.PublicKey) {
		return false
	}
	return bytes.Equal(s.cert.Certificate[1], authority.Raw) && !slices.ContainsFunc(s.hosts, func(h string) bool { return leaf.VerifyHostname(h) != nil })
}

// Authority is the name of the authority's certificate among the hub's own.
const Authority = "authority"

// Ending is one of the hub's own certificates.
type Ending struct {
	Name     string    `json:"name"` // authority, server, cluster
	NotAfter time.Time `json:"not_after"`
}

// Own lists the hub's own certificates that are in use, and renews those whose
// time has come.
func (ca *CA) Own() []Ending {
	list := []Ending{{Authority, ca.present().NotAfter}}
	for _, c := range []*ownCert{ca.server, ca.cluster} {
		c.mu.Lock()
		if c.cert != nil {
			_ = c.renew() // Its end says that it could not be.
			list = append(list, Ending{c.name, c.cert.Leaf.NotAfter})
		}
		c.mu.Unlock()
	}
	return list
}

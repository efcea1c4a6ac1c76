package identity

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"slices"

	"noroshi/fault"
	"noroshi/identity/join"
)

// hubUnit is the organisational unit in a hub's certificate. A node's is its
// role, which the hub writes: no node can have this one.
const hubUnit = "hub"

// ClusterTLS is either side of a connection between two hubs of the platform.
// Each must show a hub's certificate of this authority; a node's does not do.
// Hosts are the names and addresses under which the other hubs reach this one.
// The hub's certificate is renewed while it runs. The authority's is read at
// each handshake when this hub is called, and at the start when it calls: it has
// years left when it is renewed.
func (ca *CA) ClusterTLS(hosts []string) (*tls.Config, error) {
	if err := ca.cluster.serve(hosts); err != nil {
		return nil, fault.As(fault.Internal, "identity.cluster", err, "the hub's certificate for the other hubs cannot be made")
	}
	return ca.verifying(&tls.Config{MinVersion: tls.VersionTLS13, RootCAs: ca.pool(), VerifyConnection: hubsOnly,
		GetCertificate:       func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return ca.cluster.get() },
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return ca.cluster.get() },
	}, tls.RequireAndVerifyClientCert), nil
}

// IssueHub keeps in dir a hub's certificate for a server that is no hub of ours,
// such as a stock NATS server: NAME.key, NAME.pem and ca.pem. What is there and
// lasts stays; so it may be called again and again, and renews in time.
func (ca *CA) IssueHub(dir, name string, hosts []string) error {
	const op = "identity.issue"
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fault.As(fault.Unavailable, op, err, "the folder %s cannot be made", dir)
	}
	c := &ownCert{ca: ca, dir: dir, name: name, unit: hubUnit, usage: ca.cluster.usage}
	if err := c.serve(hosts); err != nil {
		return fault.As(fault.Unavailable, op, err, "the certificate cannot be made in %s: %v", dir, err)
	}
	return fault.Wrap(op, join.Keep(filepath.Join(dir, "ca.pem"), ca.PEM()))
}

// isHub tells whether a certificate, whose chain the handshake has verified, is
// a hub's.
func isHub(c *x509.Certificate) bool {
	return slices.Equal(c.Subject.OrganizationalUnit, []string{hubUnit}) &&
		slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageClientAuth) && slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
}

func hubsOnly(s tls.ConnectionState) error {
	if !isHub(s.PeerCertificates[0]) {
		return fault.New(fault.Denied, "identity.cluster", "the certificate of %s is not a hub's", s.PeerCertificates[0].Subject)
	}
	return nil
}

// noHub keeps a hub's certificate off the ports of nodes: whoever stole one is
// not to try there.
func noHub(s tls.ConnectionState) error {
	if len(s.PeerCertificates) > 0 && isHub(s.PeerCertificates[0]) {
		return fault.New(fault.Denied, "identity.bus", "a hub's certificate is not a node's")
	}
	return nil
}

package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"time"

	"noroshi/fault"
	"noroshi/identity/join"
)

// IssueHub writes a hub's certificate, its key and the authority's certificate
// into a folder, for a server that is part of the platform and not this program,
// such as one of an external NATS cluster. It lasts as long as the hub's own
// certificates; nobody renews it but who issues it again.
func (ca *CA) IssueHub(name string, hosts []string, dir string) (notAfter time.Time, err error) {
	const op = "identity.issue_hub"
	if name == "" || len(hosts) == 0 {
		return notAfter, fault.New(fault.Invalid, op, "a hub's certificate needs a name and the hosts under which it is reached")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return notAfter, fault.Wrap(op, err)
	}
	t, err := ca.template(name, ca.now().Add(serverLife))
	if err != nil {
		return notAfter, fault.Wrap(op, err)
	}
	t.Subject.OrganizationalUnit = []string{hubUnit}
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	cert, err := ca.sign(t, &key.PublicKey)
	if err != nil {
		return notAfter, fault.Wrap(op, err)
	}
	pem, err := join.KeyPEM(key)
	if err != nil {
		return notAfter, fault.Wrap(op, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return notAfter, fault.As(fault.Unavailable, op, err, "the folder %s cannot be made", dir)
	}
	for file, b := range map[string][]byte{"key.pem": pem, "cert.pem": join.CertPEM(cert.Raw), "ca.pem": ca.PEM()} {
		if err := join.Keep(filepath.Join(dir, file), b); err != nil {
			return notAfter, fault.As(fault.Unavailable, op, err, "%s cannot be written into %s", file, dir)
		}
	}
	return cert.NotAfter, nil
}

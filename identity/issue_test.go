package identity

import (
	"crypto/tls"
	"net"
	"path/filepath"
	"testing"
	"time"
)

// TestIssuedCertificateIsAHubs lets a server with an issued certificate and a hub
// shake hands, as an external bus does.
func TestIssuedCertificateIsAHubs(t *testing.T) {
	ca, err := OpenCA(t.TempDir(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "s1")
	if _, err := ca.IssueHub("s1", []string{"127.0.0.1", "bus.test"}, dir); err != nil {
		t.Fatal(err)
	}
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: ca.pool(), ClientAuth: tls.RequireAndVerifyClientCert})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	shaken := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			err = c.(*tls.Conn).Handshake()
		}
		shaken <- err
	}()
	cfg, err := ca.ClusterTLS([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	cfg.ServerName = "127.0.0.1"
	c := tls.Client(raw, cfg)
	defer func() { _ = c.Close() }()
	if err := c.Handshake(); err != nil {
		t.Error(err)
	}
	if err := <-shaken; err != nil {
		t.Error(err)
	}
	if _, err := ca.IssueHub("", nil, dir); err == nil {
		t.Error("a certificate for nobody was issued")
	}
}

package identity_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"noroshi/identity"
	"noroshi/identity/join"
	"noroshi/ledger/ledgertest"
)

func TestAuthorityAndServerStayTheSameOverARestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	c := &clock{t: time.Now()}
	first, err := identity.OpenCA(dir, c.now)
	must(t, err)
	leaf := served(t, first, "hub.example")
	again, err := identity.OpenCA(dir, c.now)
	must(t, err)
	if again.Fingerprint() != first.Fingerprint() || !again.FeedKey().Equal(first.FeedKey()) || !again.FeedPublicKey().Equal(first.FeedKey().Public()) {
		t.Error("the keys are others after a restart")
	}
	if !served(t, again, "hub.example").Equal(leaf) {
		t.Error("the hub's certificate is another one after a restart")
	}
	list, err := os.ReadDir(dir)
	must(t, err)
	if len(list) != 5 {
		t.Errorf("the folder holds %v", list)
	}
	for _, e := range list {
		info, err := e.Info()
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has the rights %s", e.Name(), info.Mode())
		}
	}
	must(t, os.Chmod(filepath.Join(dir, "ca.key"), 0o644))
	if _, err := identity.OpenCA(dir, c.now); err == nil {
		t.Error("a key that everybody could read is used")
	}
}

func TestServerCertificateFollowsTimeAndHosts(t *testing.T) {
	c := &clock{t: time.Now()}
	ca, err := identity.OpenCA(t.TempDir(), c.now)
	must(t, err)
	cfg, err := ca.ServerTLS([]string{"hub.example"})
	must(t, err)
	leaf := func() *x509.Certificate {
		got, err := cfg.GetCertificate(nil)
		must(t, err)
		return got.Leaf
	}
	first := leaf()
	c.add(59 * 24 * time.Hour)
	if !leaf().Equal(first) {
		t.Error("the certificate was renewed early")
	}
	c.add(2 * 24 * time.Hour)
	second := leaf()
	if second.Equal(first) || !second.NotAfter.After(c.now().Add(89*24*time.Hour)) {
		t.Error("the certificate was not renewed while the hub runs")
	}
	if _, err := ca.NodeTLS([]string{"other.example", "192.0.2.7", "::1"}); err != nil {
		t.Fatal(err)
	}
	for _, h := range []string{"hub.example", "other.example", "192.0.2.7", "127.0.0.1", "::1", "localhost"} {
		if err := leaf().VerifyHostname(h); err != nil {
			t.Error(err)
		}
	}
}

// TestOnlyNodesOfThisAuthorityPassTheHandshake tries the hub's bus side.
func TestOnlyNodesOfThisAuthorityPassTheHandshake(t *testing.T) {
	r, stranger := newRig(t, ledgertest.SQLite(t)), newRig(t, ledgertest.SQLite(t))
	enrolled := func(r *rig) *tls.Config {
		c, err := join.Join(t.Context(), r.token(t, r.a.ID), "host", t.TempDir())
		must(t, err)
		return c.TLS()
	}
	mine, foreign := enrolled(r), enrolled(stranger)
	foreign.RootCAs = mine.RootCAs // It believes the hub; the hub must not believe it.
	nobody := &tls.Config{RootCAs: mine.RootCAs, ServerName: "127.0.0.1"}
	old := mine.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	server, err := r.ca.NodeTLS(nil)
	must(t, err)
	for name, c := range map[string]struct {
		cfg  *tls.Config
		good bool
	}{"mine": {mine, true}, "foreign": {foreign, false}, "nobody": {nobody, false}, "TLS 1.2": {old, false}} {
		if err := handshake(t, server, c.cfg); (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
	}
	hub, err := server.GetCertificate(nil)
	must(t, err)
	if err := handshake(t, server, &tls.Config{RootCAs: mine.RootCAs, ServerName: "127.0.0.1", Certificates: []tls.Certificate{*hub}}); err == nil {
		t.Error("the hub's own certificate passes as a node's")
	}
}

// handshake returns what the server makes of the client.
func handshake(t *testing.T, server, client *tls.Config) error {
	t.Helper()
	err, _ := both(server, client)
	return err
}

// both returns what the server makes of the client, and the client of the server.
func both(server, client *tls.Config) (ofClient, ofServer error) {
	a, b := net.Pipe()
	defer func() { _, _ = a.Close(), b.Close() }()
	client = client.Clone()
	if client.Time == nil {
		client.Time = server.Time
	}
	done := make(chan error, 1)
	go func() {
		c := tls.Client(b, client)
		err := c.Handshake()
		if err == nil {
			_, _ = c.Read(make([]byte, 1)) // The server's refusal arrives after the client is done.
		}
		_ = c.Close()
		done <- err
	}()
	ofClient = tls.Server(a, server).Handshake()
	_ = a.Close()
	return ofClient, <-done
}

func served(t *testing.T, ca *identity.CA, host string) *x509.Certificate {
	t.Helper()
	cfg, err := ca.ServerTLS([]string{host})
	must(t, err)
	c, err := cfg.GetCertificate(nil)
	must(t, err)
	return c.Leaf
}

package identity_test

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"noroshi/identity"
	"noroshi/identity/join"
	"noroshi/ledger/ledgertest"
)

// sibling opens the authority of a second hub of the same platform: its operator
// has copied what the hubs share.
func sibling(t *testing.T, from string, now func() time.Time) *identity.CA {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"ca.key", "ca.pem", "feed.key"} {
		b, err := os.ReadFile(filepath.Join(from, name))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
	}
	ca, err := identity.OpenCA(dir, now)
	must(t, err)
	return ca
}

// calls makes a handshake as nats-server makes its routes: each side with its
// whole configuration, the caller with the name of whom it calls.
func calls(caller, called *tls.Config) (ofCaller, ofCalled error) {
	if caller.ServerName == "" {
		caller = named(caller, "127.0.0.1")
	}
	return both(called, caller)
}

func TestHubsTrustHubsOnly(t *testing.T) {
	r, stranger := newRig(t, ledgertest.SQLite(t)), newRig(t, ledgertest.SQLite(t))
	cluster := func(ca *identity.CA) *tls.Config {
		cfg, err := ca.ClusterTLS([]string{"hub.example"})
		must(t, err)
		return cfg
	}
	one, two, foreign := cluster(r.ca), cluster(sibling(t, r.dir, r.now)), cluster(stranger.ca)
	bus, err := r.ca.NodeTLS(nil)
	must(t, err)
	node := r.join(t, "host").TLS()
	nodeAsHub, err := node.GetClientCertificate(nil)
	must(t, err)
	plain, err := r.ca.ServerTLS(nil)
	must(t, err)
	server, err := plain.GetCertificate(nil)
	must(t, err)
	as := func(c *tls.Certificate) *tls.Config {
		cfg := one.Clone()
		cfg.GetConfigForClient, cfg.GetCertificate, cfg.GetClientCertificate, cfg.VerifyConnection = nil, nil, nil, nil
		cfg.Certificates = []tls.Certificate{*c}
		return cfg
	}
	old := one.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	gullible := foreign.Clone() // It believes this platform, which must not believe it.
	gullible.RootCAs = one.RootCAs
	for name, c := range map[string]struct {
		caller, called *tls.Config
		good           bool
	}{
		"hub calls hub":               {one, two, true},
		"and back":                    {two, one, true},
		"by its name":                 {named(one, "hub.example"), two, true},
		"by a name it has not":        {named(one, "other.example"), two, false},
		"a node calls":                {node, one, false},
		"a node calls as a hub would": {as(nodeAsHub), one, false},
		"a hub calls a node":          {one, as(nodeAsHub), false},
		"the enrolment's certificate": {as(server), one, false},
		"a hub calls the enrolment":   {one, as(server), false},
		"another platform's hub":      {gullible, one, false},
		"calls another platform's":    {one, foreign, false},
		"without a certificate":       {&tls.Config{RootCAs: one.RootCAs}, one, false},
		"TLS 1.2":                     {old, one, false},
		"a hub calls the nodes' port": {one, bus, false},
		"a node calls the bus's port": {node, bus, true},
	} {
		ofCaller, ofCalled := calls(c.caller, c.called)
		if good := ofCaller == nil && ofCalled == nil; good != c.good {
			t.Errorf("%s: the called says %v, the caller %v", name, ofCaller, ofCalled)
		}
	}
	_, refused := calls(one, as(server))
	if refused == nil || !strings.Contains(refused.Error(), "not a hub's") {
		t.Errorf("a hub that meets no hub says %v", refused)
	}
}

func named(cfg *tls.Config, host string) *tls.Config {
	cfg = cfg.Clone()
	cfg.ServerName = host
	return cfg
}

func TestHubsCertificateIsRenewedWhileItRuns(t *testing.T) {
	c := &clock{t: time.Now()}
	dir := t.TempDir()
	ca, err := identity.OpenCA(dir, c.now)
	must(t, err)
	one, err := ca.ClusterTLS(nil)
	must(t, err)
	two, err := sibling(t, dir, c.now).ClusterTLS(nil)
	must(t, err)
	shown := func() *x509.Certificate {
		a, err := one.GetCertificate(nil)
		must(t, err)
		b, err := one.GetClientCertificate(nil)
		must(t, err)
		if !a.Leaf.Equal(b.Leaf) {
			t.Error("a hub is another one when it calls")
		}
		return a.Leaf
	}
	first := shown()
	c.add(100 * 24 * time.Hour) // The first has ended.
	if second := shown(); second.Equal(first) || !second.NotAfter.After(c.now().Add(80*24*time.Hour)) {
		t.Errorf("after its end the hub shows one until %s", second.NotAfter)
	}
	if own := ca.Own(); len(own) != 2 || own[0].Name != "authority" || own[1].Name != "cluster" || !own[1].NotAfter.Equal(shown().NotAfter) {
		t.Errorf("the hub's own are %+v", own)
	}
	if ofCaller, ofCalled := calls(one, two); ofCaller != nil || ofCalled != nil {
		t.Errorf("afterwards: %v, %v", ofCaller, ofCalled)
	}
}

func TestAuthorityRenewsItsCertificateUnderTheSameKey(t *testing.T) {
	c := &clock{t: time.Now()}
	dir := t.TempDir()
	ca, err := identity.OpenCA(dir, c.now)
	must(t, err)
	bus, err := ca.NodeTLS(nil)
	must(t, err)
	before, fingerprint := ca.PEM(), ca.Fingerprint()
	year := 365 * 24 * time.Hour
	c.add(6 * year)
	if string(ca.PEM()) != string(before) {
		t.Error("the authority's certificate was renewed early")
	}
	c.add(5 * year) // The first has ended, and nobody restarted the hub.
	if string(ca.PEM()) == string(before) || ca.Fingerprint() != fingerprint {
		t.Error("the authority's certificate was not renewed, or has another key")
	}
	cert, err := ca.IssueNode(csr(t), "nod_x", "org_x", identity.Sensor, c.now().Add(life))
	must(t, err)
	cfg, err := bus.GetConfigForClient(nil)
	must(t, err)
	if _, err := cert.Verify(x509.VerifyOptions{Roots: cfg.ClientCAs, CurrentTime: c.now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Errorf("a node of afterwards at a bus of before: %v", err)
	}
	shown, err := bus.GetCertificate(nil)
	must(t, err)
	if string(join.CertPEM(shown.Certificate[1])) != string(ca.PEM()) {
		t.Error("the hub shows the authority's old certificate")
	}
	again, err := identity.OpenCA(dir, c.now)
	must(t, err)
	if string(again.PEM()) != string(ca.PEM()) {
		t.Error("after a restart the authority has another certificate")
	}
}

package cli_test

import (
	"bytes"
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"noroshi/cli"
	"noroshi/identity"
)

func run(t *testing.T, args ...string) (code int, out string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = cli.Main(t.Context(), args, strings.NewReader(""), &stdout, &stderr)
	return code, stdout.String() + stderr.String()
}

// TestHubIssueMakesAServersCertificate lets a hub and a server with the issued
// files shake hands as two hubs do.
func TestHubIssueMakesAServersCertificate(t *testing.T) {
	data, to := t.TempDir(), filepath.Join(t.TempDir(), "nats")
	issue := []string{"hub", "issue", "--data", data, "--name", "nats1", "--host", "nats1.test,192.0.2.1", "--to", to}
	if code, said := run(t, issue...); code == 0 || !strings.Contains(said, "no authority") {
		t.Fatalf("without an authority it ends with %d: %s", code, said)
	}
	ca, err := identity.OpenCA(filepath.Join(data, "identity"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if code, said := run(t, issue...); code != 0 {
		t.Fatal(said)
	}
	for _, f := range []string{"nats1.key", "nats1.pem", "ca.pem"} {
		if info, err := os.Stat(filepath.Join(to, f)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", f, info, err)
		}
	}
	cert, err := tls.LoadX509KeyPair(filepath.Join(to, "nats1.pem"), filepath.Join(to, "nats1.key"))
	if err != nil {
		t.Fatal(err)
	}
	hub, err := ca.ClusterTLS([]string{"hub1.test"})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"nats1.test", "192.0.2.1"} {
		client := hub.Clone()
		client.ServerName = name
		if err := shake(client, &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}}); err != nil {
			t.Errorf("a hub does not believe the server as %s: %v", name, err)
		}
	}
	before, _ := os.ReadFile(filepath.Join(to, "nats1.pem"))
	run(t, issue...)
	if after, _ := os.ReadFile(filepath.Join(to, "nats1.pem")); !bytes.Equal(before, after) {
		t.Error("a certificate that lasts is made anew")
	}
}

func TestHubCalloutPrintsBothHalves(t *testing.T) {
	code, said := run(t, "hub", "callout")
	if code != 0 || !strings.Contains(said, "callout_seed: SA") || !strings.Contains(said, "CALLOUT_ISSUER=A") {
		t.Errorf("it ends with %d: %s", code, said)
	}
}

// shake lets a client and a server shake hands over a pipe.
func shake(client, server *tls.Config) error {
	a, b := net.Pipe()
	defer func() { _ = a.Close() }()
	go func() {
		_ = tls.Server(b, server).Handshake() // The client says what was wrong.
		_ = b.Close()
	}()
	return tls.Client(a, client).Handshake()
}

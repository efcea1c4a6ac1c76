package bus_test

import (
	"context"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"crypto/tls"
	"crypto/x509"

	"noroshi/bus"
	"noroshi/fault"
	"noroshi/internal/peers"
)

// external is a cluster of three stock NATS servers with the configuration of
// deploy/nats, to which a hub connects.
func external(t *testing.T) *rig {
	t.Helper()
	r := &rig{pki: newPKI(t), cut: map[string]bool{}}
	seed, issuer, err := bus.NewCallout()
	if err != nil {
		t.Fatal(err)
	}
	own := r.files(t, "hub")
	routes, clients := "", make([]string, 3)
	ports := make([]string, 3)
	for i := range 3 {
		ports[i], clients[i] = peers.FreeAddr(t), peers.FreeAddr(t)
		routes += fmt.Sprintf(`"nats-route://route:sys-secret@%s", `, ports[i])
	}
	for i := range 3 {
		for k, v := range map[string]string{"NATS_NAME": fmt.Sprint("s", i), "NATS_LISTEN": clients[i], "NATS_CLUSTER": ports[i], "NATS_ROUTES": "[" + routes + "]",
			"NATS_STORE": t.TempDir(), "NATS_CERT": filepath.Join(own, "cert.pem"), "NATS_KEY": filepath.Join(own, "key.pem"), "NATS_CA": filepath.Join(own, "ca.pem"),
			"HUB_PASSWORD": "hub-secret", "SYSTEM_PASSWORD": "sys-secret", "CALLOUT_ISSUER": issuer} {
			t.Setenv(k, v)
		}
		peers.Start(t, peers.NATSServer(t), clients[i], func(ctx context.Context) error {
			c, err := new(net.Dialer).DialContext(ctx, "tcp", clients[i])
			if err == nil {
				_ = c.Close()
			}
			return err
		}, "-c", filepath.Join("..", "deploy", "nats", "nats.conf"))
	}
	e, err := bus.Connect(t.Context(), bus.ExternalConfig{URLs: []string{"tls://" + clients[1], "tls://" + clients[2]}, TLS: r.mutual("hub"),
		HubPassword: "hub-secret", SystemPassword: "sys-secret", CalloutSeed: seed}, r.deps())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	if r.hub, err = e.Hub(t.Context(), bus.Layout{Partitions: 1, Replicas: 3, MaxBytes: 64 << 20, Readers: []string{bus.ReaderHub}}); err != nil {
		t.Fatal(err)
	}
	r.addr, r.disconnect, r.connected = clients[0], e.Disconnect, e.Connected
	receive(t, r.hub, bus.DefaultQuota)
	return r
}

// files writes a certificate and its key as a stock server reads them.
func (p *pki) files(t *testing.T, name string) string {
	t.Helper()
	dir, c := t.TempDir(), p.issue(name)
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for file, b := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: c.Certificate[0]}, "key.pem": {Type: "PRIVATE KEY", Bytes: key}, "ca.pem": {Type: "CERTIFICATE", Bytes: p.ca.Raw}} {
		if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestAStockServerTakesNobodyWithoutTheHub shows that a certificate alone is not
// enough: what the hubs do not admit stays out.
func TestAStockServerTakesNobodyWithoutTheHub(t *testing.T) {
	r := external(t)
	c, err := bus.Dial(r.addr, bus.Node{Org: "org_a", ID: "nod_x", Name: "x"}, &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: r.pool, Certificates: []tls.Certificate{r.issue("stranger")}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	a := r.dial(t, "a1") // Whose connection comes later and is let in.
	if err := a.Publish(t.Context(), "one", []byte("one")); err != nil {
		t.Error(err)
	}
	if c.Connected() {
		t.Error("a node that no hub knows is connected")
	}
}

// TestStockServersTellWhoIsConnected counts over all servers, by what they say.
func TestStockServersTellWhoIsConnected(t *testing.T) {
	r := external(t)
	connected := func() int {
		n, err := r.connected(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := connected()
	a, b := r.dial(t, "a1"), r.dial(t, "b1")
	for _, c := range []*bus.Client{a, b} {
		waitFor(t, "the node is in", c.Connected)
	}
	if n := connected(); n != before+2 || before != 2 { // The hub has two lines.
		t.Errorf("with two nodes more there are %d connections, not %d", n, before+2)
	}
	a.Close()
	waitFor(t, "the node that left is not counted", func() bool { return connected() == before+1 })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if n, err := r.connected(ctx); fault.KindOf(err) != fault.Unavailable || n != 0 {
		t.Errorf("without an answer there are %d connections, %v", n, err)
	}
}

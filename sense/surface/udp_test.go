package surface

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"noroshi/sense/surface/identify"
	"noroshi/service"
)

// TestUDPPortsAreScannedThroughTheGate scans three addresses at one UDP port: one
// answers both questions of a name server, two are closed.
func TestUDPPortsAreScannedThroughTheGate(t *testing.T) {
	c, err := net.ListenPacket("udp4", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	go func() {
		b := make([]byte, 2048)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			if n > 20 && b[5] == 1 { // a question of DNS
				b[2] |= 0x80
				_, _ = c.WriteTo(b[:n], from)
			}
		}
	}()
	port := netip.MustParseAddrPort(c.LocalAddr().String()).Port()
	s := scope2([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/30")}, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/32")})
	s.Ports, s.UDPPorts = nil, []uint16{port}
	s.file = filepath.Join(t.TempDir(), "scope.yaml")
	if err := os.WriteFile(s.file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.digest = digest(nil)
	for name, engine := range map[string]*identify.Engine{"identified": {}, "ports only": nil} {
		var found []service.Port
		sum, err := Scan(t.Context(), s, Options{Mode: Connect, Identify: engine, Found: func(p service.Port) { found = append(found, p) }})
		if err != nil || sum.Ended != "done" || sum.Open != 1 || sum.Closed != 2 || sum.Probes != 4 || sum.Targets != 3 {
			t.Errorf("%s: %+v, %v", name, sum, err)
		}
		if len(found) != 1 || found[0].Transport != "udp" || found[0].Address != netip.MustParseAddr("127.0.0.2") || (found[0].Service == "dns") != (engine != nil) {
			t.Errorf("%s: found %+v", name, found)
		}
	}
}

package peers_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"noroshi/internal/peers"
)

// TestPeersAreOfTheProductsVersions compares both lists of modules.
func TestPeersAreOfTheProductsVersions(t *testing.T) {
	folder, err := peers.Folder()
	if err != nil {
		t.Fatal(err)
	}
	theirs, ours := versions(t, filepath.Join(folder, "go.mod")), versions(t, filepath.Join(folder, "..", "..", "..", "go.mod"))
	for _, m := range []string{"github.com/VictoriaMetrics/VictoriaLogs", "github.com/VictoriaMetrics/VictoriaMetrics", "github.com/nats-io/nats-server/v2"} {
		if theirs[m] == "" || theirs[m] != ours[m] {
			t.Errorf("%s is %q here and %q in the product", m, theirs[m], ours[m])
		}
	}
}

func versions(t *testing.T, path string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	v := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if w := strings.Fields(line); len(w) >= 2 && strings.HasPrefix(w[1], "v") {
			v[w[0]] = w[1]
		}
	}
	return v
}

func TestServersStartDieAndComeBack(t *testing.T) {
	logs := peers.StartVictoriaLogs(t, t.TempDir())
	logs.Kill()
	if c, err := net.Dial("tcp", logs.Addr); err == nil {
		_ = c.Close()
		t.Error("a killed server answers")
	}
	logs.Restart()
	addr := peers.FreeAddr(t)
	_, port, _ := net.SplitHostPort(addr)
	nats := peers.Start(t, peers.NATSServer(t), addr, peers.Listening(addr), "-a", "127.0.0.1", "-p", port)
	nats.Stop()
	logs.Stop()
}

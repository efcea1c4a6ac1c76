package e2e

import (
	"bufio"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"noroshi/ident"
	"noroshi/internal/peers"
)

// TestSeveralHubsLoseNothing starts a platform on nine machines and takes one
// part after the other away from it.
func TestSeveralHubsLoseNothing(t *testing.T) {
	c := newCluster(t, nil, joined)
	for _, e := range []string{"edge1", "edge2"} {
		c.names(e, map[string][]string{"hub.test": theHubs})
	}
	c.names("edge3", map[string][]string{"hub.test": {"hub1"}})
	c.node("edge1", "sensor", "a", "hub1")
	c.node("edge1", "resolver", "a", "hub2")
	c.node("edge2", "resolver", "b", "hub3")
	c.drill("when all is well", "hub1")
	c.drill("when all is well", "hub2")

	lead := c.leader("hub1")
	c.procs[lead].Kill()
	c.drill("without "+lead+", which led", other(lead))
	c.procs[lead].Restart()
	c.awaitHub(lead)

	c.procs["logs-a"].Kill()
	c.drill("without a store", "hub1")
	c.procs["logs-a"].Restart()

	c.procs["db"].Kill()
	waitFor(t, "PostgreSQL's children are gone", func() bool { return c.empty("db") })
	c.procs["db"].Restart()
	c.drill("after the ledger was away", "hub3")

	c.cut("hub2")
	c.drill("without hub2's network", "hub1")
	c.mend("hub2")
	waitFor(t, "hub2 is back", func() bool { return c.leader("hub2") == c.leader("hub1") })
	c.drill("with hub2 again", "hub2")

	c.node("edge3", "resolver", "b", "hub3")
	c.cutOff("hub3", c.nodes("hub3")["edge3-resolver"].ID, "edge3-resolver")
	c.sameEvents()
}

// TestSeveralHubsOnAnExternalBus is the same platform with three stock NATS
// servers, set up as deploy/nats says, in the place of the hubs' own.
func TestSeveralHubsOnAnExternalBus(t *testing.T) {
	servers := []string{"nats1", "nats2", "nats3"}
	c := newCluster(t, servers, func(c *cluster, _ string) string {
		if c.procs["nats1"] == nil {
			c.seed = c.natsServers(servers)
		}
		return fmt.Sprintf("  nats: {urls: ['tls://%s:4222', 'tls://%s:4222', 'tls://%s:4222'], nodes: 'nats.test:4222', hub_password: hub-secret, system_password: sys-secret, callout_seed: %s}\n",
			c.hosts["nats1"], c.hosts["nats2"], c.hosts["nats3"], c.seed)
	})
	for _, e := range []string{"edge1", "edge2"} {
		c.names(e, map[string][]string{"hub.test": theHubs, "nats.test": servers})
	}
	c.node("edge1", "sensor", "a", "hub1")
	c.node("edge1", "resolver", "a", "hub2")
	c.node("edge2", "resolver", "b", "hub3")
	c.drill("when all is well", "hub1")
	c.procs["nats1"].Kill()
	c.drill("without a server of the bus", "hub2")
	c.sameEvents()
}

// natsServers starts an external bus and returns the seed of its callout.
func (c *cluster) natsServers(servers []string) (seed string) {
	c.Helper()
	said, err := c.run(c.Context(), servers[0], c.program, "hub", "callout")
	must(c, err)
	value := func(key string) string {
		_, rest, _ := strings.Cut(said, key)
		return strings.Fields(rest)[0]
	}
	routes := ""
	for _, s := range servers {
		routes += fmt.Sprintf(`"nats-route://route:sys-secret@%s:6222", `, c.hosts[s])
	}
	conf, err := filepath.Abs(filepath.Join("..", "deploy", "nats", "nats.conf"))
	must(c, err)
	for _, s := range servers {
		dir := filepath.Join(c.dir, s)
		if out, err := c.run(c.Context(), s, c.program, "hub", "issue", "--data", c.data("authority"), "--name", s, "--host", c.hosts[s]+",nats.test", "--to", dir); err != nil {
			c.Fatal(err, out)
		}
		c.procs[s] = c.start(s, c.listening(s, "4222"), "env", "NATS_NAME="+s, "NATS_LISTEN="+c.hosts[s]+":4222", "NATS_CLUSTER="+c.hosts[s]+":6222", "NATS_ROUTES=["+routes+"]",
			"NATS_STORE="+filepath.Join(dir, "store"), "NATS_CERT="+filepath.Join(dir, s+".pem"), "NATS_KEY="+filepath.Join(dir, s+".key"), "NATS_CA="+filepath.Join(dir, "ca.pem"),
			"HUB_PASSWORD=hub-secret", "SYSTEM_PASSWORD=sys-secret", "CALLOUT_ISSUER="+value("CALLOUT_ISSUER="), peers.NATSServer(c), "-c", conf)
	}
	return value("callout_seed:")
}

// stored are the events of a store, and how often each is there.
func (c *cluster) stored(store string) map[string]int {
	c.Helper()
	resp, err := c.web(store).PostForm(fmt.Sprintf("http://%s:%s/select/logsql/query", c.hosts[store], vlPort), url.Values{"query": {`* | fields "metadata.uid"`}})
	must(c, err)
	defer func() { _ = resp.Body.Close() }()
	out := map[string]int{}
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		out[lines.Text()]++
	}
	return out
}

// cutOff cuts a node off at a hub to which it is not connected.
func (c *cluster) cutOff(hub string, id ident.ID, name string) {
	c.Helper()
	connected := func() bool {
		// The kernel lists the connections of the process's namespace; 01 is one that
		// is established, 1CFE the port of nodes.
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp", c.procs[name].PID()))
		must(c, err)
		for l := range strings.Lines(string(b)) {
			if f := strings.Fields(l); strings.HasSuffix(f[2], ":1CFE") && f[3] == "01" {
				return true
			}
		}
		return false
	}
	waitFor(c, name+" is connected", connected)
	began := time.Now()
	must(c, c.api(hub).Post(c.Context(), "/api/v1/nodes/"+string(id)+"/cut", map[string]any{"reason": "it was stolen"}, nil))
	waitFor(c, name+" is out", func() bool { return !connected() })
	c.Logf("%s is out %v after it was cut off at another hub", name, time.Since(began))
	for _, h := range theHubs {
		waitFor(c, h+" knows that it is cut off", func() bool { return c.state(h, name) == "cut" })
	}
}

// sameEvents ends the nodes and waits until both stores hold the same events,
// each once.
func (c *cluster) sameEvents() {
	c.Helper()
	for name, n := range c.nodes("hub1") {
		if n.State != "active" {
			continue
		}
		for _, d := range n.Limits {
			c.Logf("%s says: %s", name, d)
		}
		c.procs[name].Stop()
	}
	var a, b map[string]int
	defer func() {
		if c.Failed() {
			c.Logf("one store has %d events, the other %d; differences: %v %v", len(a), len(b), differences(a, b), differences(b, a))
		}
	}()
	waitFor(c, "the stores hold the same", func() bool {
		a, b = c.stored("logs-a"), c.stored("logs-b")
		return len(a) > 0 && maps.Equal(a, b)
	})
	for e, n := range a {
		if n != 1 {
			c.Errorf("%s is stored %d times", e, n)
		}
	}
	c.Logf("%d events, in both stores", len(a))
}

// differences are the events of a store that another has less often, at most ten.
func differences(a, b map[string]int) (list []string) {
	for e, n := range a {
		if b[e] < n && len(list) < 10 {
			list = append(list, fmt.Sprintf("%s: %d and %d", e, n, b[e]))
		}
	}
	return list
}

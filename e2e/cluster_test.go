package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"noroshi/api"
	"noroshi/api/operator"
	"noroshi/app"
	"noroshi/identity"
	"noroshi/internal/peers"
	"noroshi/org"
	"noroshi/status"
)

// cluster is a platform of several machines.
type cluster struct {
	*lan
	program string
	dir     string
	procs   map[string]*peers.Process // by host, or host/role for nodes
	orgs    map[string]org.Organisation
	seed    string // of an external bus's callout
}

var (
	theHubs   = []string{"hub1", "hub2", "hub3"}
	theStores = []string{"logs-a", "logs-b"}
)

const (
	pgPort, vlPort    = "5432", "9428"
	nodePort, hubPort = "7422", "7423"
)

// newCluster starts a platform: the ledger, two stores and three hubs, whose
// buses are as bus says for each, beside other hosts.
func newCluster(t *testing.T, hosts []string, bus func(c *cluster, hub string) string) *cluster {
	t.Helper()
	program, err := exec.LookPath("noroshi") // It is this test's own binary: see TestMain.
	must(t, err)
	c := &cluster{lan: newLAN(t, append([]string{"db", "logs-a", "logs-b", "hub1", "hub2", "hub3", "edge1", "edge2", "edge3"}, hosts...)...),
		program: program, dir: t.TempDir(), procs: map[string]*peers.Process{}, orgs: map[string]org.Organisation{}}
	c.postgres()
	for _, s := range theStores {
		c.procs[s] = c.start(s, c.listening(s, vlPort), peers.VictoriaLogs(t), "-httpListenAddr=:"+vlPort, "-storageDataPath="+filepath.Join(c.dir, s),
			"-retentionPeriod=30d", "-maxBackfillAge=30d", "-memory.allowedBytes=128MiB", "-delete.enable")
	}
	c.authority()
	for _, h := range theHubs {
		must(t, os.WriteFile(c.config(h), []byte(c.hubYAML(h)+bus(c, h)), 0o600))
		// Each waits for the others: they start side by side.
		c.procs[h] = c.start(h, func(context.Context) error { return nil }, program, "hub", "--config", c.config(h))
	}
	for _, h := range theHubs {
		c.awaitHub(h)
	}
	list, err := c.organisations("hub1")
	must(t, err)
	for _, o := range list {
		c.orgs[o.Slug] = o
	}
	return c
}

// postgres starts the ledger's server.
func (c *cluster) postgres() {
	c.Helper()
	bins, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(bins) == 0 {
		missing(c, "PostgreSQL is not installed; Debian's package postgresql has it")
	}
	bin := bins[len(bins)-1]
	dir, err := os.MkdirTemp("", "noroshi-pg-") // The user postgres cannot enter the test's own.
	must(c, err)
	c.Cleanup(func() { _ = os.RemoveAll(dir) })
	must(c, exec.Command("chown", "postgres:postgres", dir).Run())
	as := []string{"--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=KILL"}
	out, err := c.run(c.Context(), "db", "setpriv", append(as, filepath.Join(bin, "initdb"), "-D", filepath.Join(dir, "data"), "-U", "noroshi", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")...)
	if err != nil {
		c.Fatal(err, out)
	}
	hba := "host all all " + lanPrefix + "0/24 trust\n"
	must(c, os.WriteFile(filepath.Join(dir, "data", "pg_hba.conf"), []byte(hba), 0o644))
	c.procs["db"] = c.start("db", c.listening("db", pgPort), "setpriv", append(as, filepath.Join(bin, "postgres"), "-D", filepath.Join(dir, "data"), "-k", dir,
		"-c", "listen_addresses="+c.hosts["db"], "-c", "fsync=off", "-c", "max_connections=100", "-c", "shared_buffers=32MB")...)
	waitFor(c, "PostgreSQL takes a database", func() bool {
		_, err := c.run(c.Context(), "db", filepath.Join(bin, "createdb"), "-h", c.hosts["db"], "-U", "noroshi", "noroshi")
		return err == nil
	})
}

// authority makes the platform's, and copies it to every hub.
func (c *cluster) authority() {
	c.Helper()
	first := filepath.Join(c.data("authority"), "identity")
	_, err := identity.OpenCA(first, time.Now)
	must(c, err)
	for _, h := range theHubs {
		must(c, os.MkdirAll(filepath.Join(c.dir, h, "data", "identity"), 0o700))
		for _, f := range []string{"ca.key", "ca.pem", "feed.key"} {
			write(c.T, filepath.Join(c.dir, h, "data", "identity", f), read(c.T, filepath.Join(first, f)))
		}
	}
}

func (c *cluster) config(host string) string { return filepath.Join(c.dir, host+".yaml") }
func (c *cluster) data(host string) string   { return filepath.Join(c.dir, host, "data") }

func (c *cluster) hubYAML(h string) string {
	yaml := fmt.Sprintf(`data_dir: %s
log: {level: info}
hub:
  name: %s
  advertise: hub.test
  console: 127.0.0.1:7080
  enrol: %[3]s:7443
  bus: %[3]s:%[4]s
  ledger: postgres://noroshi@%[5]s:%[6]s/noroshi?sslmode=disable
  partitions: 2
  organisations:
  - {slug: centre, name: Centre, name_ja: 統括, kana: とうかつ, sector: centre}
  - {slug: a, name: A, name_ja: 甲, kana: こう, sector: health, parent: centre}
  - {slug: b, name: B, name_ja: 乙, kana: おつ, sector: local, parent: centre}
  stores:
`, c.data(h), h, c.hosts[h], nodePort, c.hosts["db"], pgPort)
	for _, s := range theStores {
		yaml += fmt.Sprintf("  - {name: %s, url: http://%s:%s, plain_http: true}\n", s, c.hosts[s], vlPort)
	}
	return yaml
}

// joined lets the hubs' buses be one.
func joined(c *cluster, hub string) string {
	var others []string
	for _, h := range theHubs {
		if h != hub {
			others = append(others, c.hosts[h]+":"+hubPort)
		}
	}
	return fmt.Sprintf("  cluster: {listen: '%s:%s', hubs: [%s]}\n", c.hosts[hub], hubPort, strings.Join(others, ", "))
}

func (c *cluster) api(hub string) operator.Client { return operator.Dial(app.Socket(c.data(hub))) }

func (c *cluster) organisations(hub string) ([]org.Organisation, error) {
	var list api.Items[org.Organisation]
	err := c.api(hub).Get(c.Context(), "/api/v1/organisations", &list)
	return list.Items, err
}

func (c *cluster) awaitHub(hub string) {
	c.Helper()
	waitFor(c, hub+" answers", func() bool {
		if _, err := os.Stat(fmt.Sprint("/proc/", c.procs[hub].PID())); err != nil {
			c.Fatal(hub, " ended")
		}
		_, err := c.organisations(hub)
		return err == nil
	})
}

// node lets a node join with a token of one hub and reach those that its host
// knows as hub.test.
func (c *cluster) node(host, role, slug, hub string) {
	c.Helper()
	var e api.Enrolment
	must(c, c.api(hub).Post(c.Context(), "/api/v1/enrol", map[string]any{"org": c.orgs[slug].ID, "role": role}, &e))
	_, token, _ := strings.Cut(e.Command, "--join ")
	name := host + "-" + role
	must(c, os.WriteFile(c.config(name), fmt.Appendf(nil, "data_dir: %s\nlog: {level: info}\nresolver:\n  listen: ['%s:53']\n  upstreams: ['127.0.0.1:9']\n  allow: [%s0/24]\n",
		c.data(host), c.hosts[host], lanPrefix), 0o600))
	// The kernel's tier needs the groups of processes, which a namespace hides.
	c.procs[name] = c.start(host, func(context.Context) error { return nil }, "sh", "-c", `mount -t cgroup2 none /sys/fs/cgroup; exec "$@"`, "sh",
		c.program, role, "--config", c.config(name), "--join", strings.TrimSpace(token), "--name", name)
	waitFor(c, name+" reports", func() bool { return c.state(hub, name) == "active" })
}

// nodes are those that a hub knows, by name; none while it cannot say.
func (c *cluster) nodes(hub string) map[string]api.Node {
	var list api.Items[api.Node]
	if c.api(hub).Get(c.Context(), "/api/v1/nodes", &list) != nil {
		return nil
	}
	out := map[string]api.Node{}
	for _, n := range list.Items {
		out[n.Name] = n
	}
	return out
}

func (c *cluster) state(hub, node string) string { return c.nodes(hub)[node].State }

// drill rehearses the whole line through a hub, once it has heard of every node.
func (c *cluster) drill(what, hub string) {
	c.Helper()
	waitFor(c, hub+" has heard of every node", func() bool {
		list := c.nodes(hub)
		for _, n := range list {
			if n.State == "away" {
				return false
			}
		}
		return len(list) > 0
	})
	out, err := c.run(c.Context(), hub, c.program, "drill", "--within", "2m", "--config", c.config(hub))
	if err != nil {
		c.Fatalf("%s, a drill through %s fails: %v\n%s", what, hub, err, out)
	}
	c.Logf("%s, through %s:\n%s", what, hub, out)
}

// leader is the hub that does what one does for all.
func (c *cluster) leader(asked string) (leads string) {
	c.Helper()
	waitFor(c, "a hub leads", func() bool {
		var s status.Status
		if c.api(asked).Get(c.Context(), "/api/v1/status", &s) != nil {
			return false
		}
		for _, p := range s.Parts {
			if p.Kind == status.KindTask && p.Name == "lead" {
				leads, _, _ = strings.Cut(p.Hub, "-")
			}
		}
		return leads != ""
	})
	return leads
}

// other is a hub that is not this one.
func other(hub string) string {
	for _, h := range theHubs {
		if h != hub {
			return h
		}
	}
	return ""
}

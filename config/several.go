package config

import (
	"fmt"
	"net"
	"regexp"
	"strings"

	"noroshi/fault"
)

// Cluster joins the buses of several hubs.
type Cluster struct {
	Listen string   `yaml:"listen" doc:"host:port for the other hubs (mutual TLS); empty means that this hub is alone"`
	Hubs   []string `yaml:"hubs" doc:"host:port of the other hubs"`
}

// NATS is an external cluster that carries the bus.
type NATS struct {
	URLs           []string `yaml:"urls" doc:"tls://host:port of the servers of an external NATS cluster, see deploy/nats; empty means the built-in bus"`
	Nodes          string   `yaml:"nodes" doc:"host:port by which nodes reach that cluster; empty means the first of the servers"`
	HubPassword    string   `yaml:"hub_password" doc:"of the user hub there" secret:"true"`
	SystemPassword string   `yaml:"system_password" doc:"of the user sys there" secret:"true"`
	CalloutSeed    string   `yaml:"callout_seed" doc:"of the key that signs who is admitted; 'noroshi hub callout' makes one" secret:"true"`
}

// Store is a VictoriaLogs of its own.
type Store struct {
	Name         string `yaml:"name" doc:"short, one for ever: how far it was fed is kept under it"`
	URL          string `yaml:"url" doc:"http(s)://host:port of a single node, or of a cluster's vlinsert"`
	Select       string `yaml:"select" doc:"of a cluster's vlselect"`
	Hold         string `yaml:"hold" doc:"for a cluster: how long rows are held before they count as durable, such as 12s"`
	CAFile       string `yaml:"ca_file" doc:"who signs its certificate; empty means the system's list"`
	TokenFile    string `yaml:"token_file" doc:"file of a bearer token"`
	User         string `yaml:"user" doc:"of basic authentication"`
	PasswordFile string `yaml:"password_file" doc:"file of its password"`
	PlainHTTP    bool   `yaml:"plain_http" doc:"allow http:// to another machine"`
}

// Several tells that this hub is one of several, which share one ledger, one bus
// and the same event stores.
func (h Hub) Several() bool { return h.Cluster.Listen != "" || len(h.NATS.URLs) > 0 }

// Parts is in how many parts the organisations are judged.
func (h Hub) Parts() int {
	if !h.Several() {
		return 1
	}
	return h.Partitions
}

var shortName = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

// checkSeveral finds what can never work when one machine is outgrown.
func (h Hub) checkSeveral() error {
	bad := func(key, format string, args ...any) error {
		return fault.New(fault.Invalid, "config.check", format, args...).At("%s", key)
	}
	seen := map[string]bool{}
	for i, s := range h.Stores {
		if !shortName.MatchString(s.Name) || seen[s.Name] {
			return bad(fmt.Sprintf("hub.stores[%d].name", i), "the name %q is missing, used twice, or not of a-z, 0-9 and hyphens", s.Name)
		}
		seen[s.Name] = true
	}
	if h.Partitions < 1 || h.Partitions > 64 {
		return bad("hub.partitions", "%d is not between 1 and 64", h.Partitions)
	}
	if !h.Several() {
		return nil
	}
	for key, addr := range map[string]string{"hub.cluster.listen": h.Cluster.Listen, "hub.nats.nodes": h.NATS.Nodes} {
		if _, _, err := net.SplitHostPort(addr); addr != "" && err != nil {
			return bad(key, "%q is not of the form host:port", addr)
		}
	}
	switch {
	case h.Cluster.Listen != "" && len(h.NATS.URLs) > 0:
		return bad("hub.nats", "the bus is either joined with other hubs' (hub.cluster) or an external one (hub.nats), not both")
	case !strings.HasPrefix(h.Ledger, "postgres"):
		return bad("hub.ledger", "several hubs need one PostgreSQL ledger: postgres://…")
	case len(h.Stores) == 0:
		return bad("hub.stores", "several hubs need event stores that all of them reach")
	case h.Cluster.Listen != "" && !shortName.MatchString(h.Name):
		return bad("hub.name", "a hub of several needs a name of its own, of a-z, 0-9 and hyphens; it is %q", h.Name)
	case len(h.NATS.URLs) > 0 && (h.NATS.HubPassword == "" || h.NATS.SystemPassword == "" || h.NATS.CalloutSeed == ""):
		return bad("hub.nats", "an external bus needs hub_password, system_password and callout_seed")
	}
	return nil
}

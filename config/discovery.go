package config

import (
	"net"
	"net/netip"
	"strings"

	"noroshi/fault"
)

// Discovery is how the hub looks for what organisations have on the Internet.
type Discovery struct {
	Resolver  string   `yaml:"resolver" doc:"address:port of the resolver that is asked about organisations' names once a day; empty means that nobody is asked, and only passive DNS is read"`
	Queries   int      `yaml:"queries" doc:"how many questions one walk of one organisation may ask"`
	PerSecond int      `yaml:"queries_per_second" doc:"how many questions are asked per second, in all"`
	Transfers []string `yaml:"transfers" doc:"domain@host:port of zones whose owner allows that server to transfer them"`
}

// Servers are the servers of the transfers, by domain.
func (d Discovery) Servers() (map[string]string, error) {
	out := map[string]string{}
	for _, t := range d.Transfers {
		name, server, ok := strings.Cut(t, "@")
		host, port, err := net.SplitHostPort(server)
		if name = strings.TrimSuffix(strings.ToLower(name), "."); !ok || name == "" || err != nil || host == "" || port == "" {
			return nil, fault.New(fault.Invalid, "config.transfers", "%q is not of the form domain@host:port", t)
		}
		out[name] = server
	}
	return out, nil
}

func (d Discovery) check() error {
	bad := func(key, format string, args ...any) error {
		return fault.New(fault.Invalid, "config.check", format, args...).At("hub.discovery.%s", key)
	}
	if a, err := netip.ParseAddrPort(d.Resolver); d.Resolver != "" && (err != nil || a.Port() == 0) {
		return bad("resolver", "%q is not of the form address:port, such as 192.0.2.53:53", d.Resolver)
	}
	if d.Queries < 1 || d.Queries > 200_000 {
		return bad("queries", "%d is not between 1 and 200000", d.Queries)
	}
	if d.PerSecond < 1 || d.PerSecond > 1000 {
		return bad("queries_per_second", "%d is not between 1 and 1000", d.PerSecond)
	}
	if _, err := d.Servers(); err != nil {
		return bad("transfers", "%s", fault.PublicOf(err))
	}
	return nil
}

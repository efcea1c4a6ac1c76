package app

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"noroshi/bus"
	"noroshi/config"
	"noroshi/disk"
	"noroshi/fault"
	"noroshi/identity/join"
	"noroshi/oplog"
	"noroshi/sense/dns"
	"noroshi/sense/endpoint"
	"noroshi/sense/rollcall"
	"noroshi/sense/spool"
	"noroshi/share/edge"
)

// Roles of nodes.
const (
	RoleSensor   = "sensor"
	RoleResolver = "resolver"
)

// node is a sensor or a resolver.
type node struct {
	id     *join.Credentials
	line   *bus.Client
	spool  *spool.Spool
	sensor *endpoint.Sensor
	dns    *dns.Resolver
	set    *edge.Set
	brake  *disk.Brake
	seen   *observed
	began  time.Time
	log    *slog.Logger
	run    runner

	metricsAddr string
}

// place says where a node keeps itself, how it joins, and where it serves.
type place struct {
	dir    string
	token  string
	name   string
	listen []string
}

// wireNode builds a node in one straight line. A token makes its identity on the
// first start.
func wireNode(ctx context.Context, cfg config.Config, role string, at place, log *slog.Logger) (*node, error) {
	n := &node{began: time.Now(), log: log, seen: newObserved(), run: newRunner()}
	if err := n.wire(ctx, cfg, role, at); err != nil {
		return nil, errors.Join(err, n.run.stop())
	}
	return n, nil
}

func (n *node) wire(ctx context.Context, cfg config.Config, role string, at place) error {
	if err := n.identify(ctx, role, filepath.Join(at.dir, "identity"), at.token, at.name); err != nil {
		return err
	}
	n.log = n.log.With(oplog.Role, n.id.Role, oplog.Org, n.id.Org, oplog.Node, n.id.Node)
	var err error
	if n.line, err = bus.Dial(n.id.Bus, bus.Node{Org: n.id.Org, ID: n.id.Node, Name: n.id.Name}, n.id.TLS()); err != nil {
		return err
	}
	n.run.cleanup("line", func() error { n.line.Close(); return nil })
	if err := os.MkdirAll(at.dir, 0o700); err != nil {
		return fault.As(fault.Unavailable, "app.node", err, "the folder %s cannot be made", at.dir)
	}
	n.brake = newBrake(cfg.Disk, 0, at.dir)
	n.brake.OnChange = func(s disk.State) { sayDisk(n.log, s) }
	n.run.background("disk", n.brake.Run)
	n.run.background("certificate", n.renew)
	host, _ := os.Hostname() // An unnamed machine is told apart by its node.
	n.spool, err = spool.Open(spool.Config{Dir: filepath.Join(at.dir, "spool"), MaxBytes: int64(cfg.Spool.MaxMiB) << 20, Org: n.id.Org, Node: n.id.Node,
		Hostname: host, Product: role, Version: Version()},
		spool.Deps{Publisher: timedLine{n.line, n.seen}, Encode: bus.EncodeBatch, Log: n.log, Brake: n.brake.Closed})
	if err != nil {
		return err
	}
	n.run.cleanup("spool's files", n.spool.Close)
	n.run.background("spool", n.spool.Run)
	if role == RoleResolver {
		err = n.resolver(cfg.Resolver, filepath.Join(at.dir, "feeds"), at.listen)
	} else {
		err = n.endpoint(cfg.Sensor)
	}
	if err == nil {
		n.run.background("status", n.report)
		err = n.telemetry(cfg.Metrics)
	}
	return err
}

func (n *node) identify(ctx context.Context, role, dir, token, name string) (err error) {
	n.id, err = join.Load(dir)
	if fault.KindOf(err) == fault.NotFound && token != "" {
		n.id, err = join.Join(ctx, token, name, dir)
	}
	if err != nil {
		return err
	}
	if n.id.Role != role {
		return fault.New(fault.Invalid, "app.node", "this identity is a %s's, not a %s's", n.id.Role, role)
	}
	return nil
}

// policy lets the resolver ask the edge's set.
type policy struct{ *edge.Set }

func (p policy) Name(name string, now time.Time) (dns.Match, bool) {
	m, ok := p.Set.Name(name, now)
	return dns.Match(m), ok
}

func (p policy) Addr(a netip.Addr, now time.Time) (dns.Match, bool) {
	m, ok := p.Set.Addr(a, now)
	return dns.Match(m), ok
}

func (n *node) resolver(cfg config.Resolver, dir string, listen []string) error {
	f, err := edge.New(edge.Config{Dir: dir, Feeds: n.id.Feeds, Key: n.id.FeedKey()}, edge.Deps{Line: n.line, Now: time.Now, Log: n.log})
	if err != nil {
		return err
	}
	c, err := resolverConfig(cfg, listen)
	if err != nil {
		return err
	}
	n.set = f.Set()
	if n.dns, err = dns.New(c, dns.Deps{Policy: policy{f.Set()}, Emit: n.spool.Emit, Now: time.Now, Log: n.log}); err != nil {
		return err
	}
	if err := n.dns.Listen(); err != nil {
		return err
	}
	n.run.background("resolver", n.dns.Run)
	n.run.background("feeds", f.Run)
	return nil
}

func resolverConfig(cfg config.Resolver, listen []string) (dns.Config, error) {
	c := dns.Config{Listen: listen, Upstreams: cfg.Upstreams, CacheEntries: cfg.Cache, RatePerClient: cfg.PerClient}
	if len(c.Upstreams) == 0 {
		c.Upstreams = systemResolvers(listen)
	}
	for _, p := range cfg.Allow {
		x, err := netip.ParsePrefix(p)
		if err != nil {
			return c, fault.As(fault.Invalid, "app.resolver", err, "%q is not a prefix (resolver.allow)", p)
		}
		c.Allow = append(c.Allow, x)
	}
	for _, s := range []struct {
		text string
		to   *netip.Addr
	}{{cfg.Sinkhole4, &c.Sinkhole4}, {cfg.Sinkhole6, &c.Sinkhole6}} {
		if s.text == "" {
			continue
		}
		var err error
		if *s.to, err = netip.ParseAddr(s.text); err != nil {
			return c, fault.As(fault.Invalid, "app.resolver", err, "%q is not an address (resolver.sinkhole4, sinkhole6)", s.text)
		}
	}
	return c, nil
}

// systemResolvers are those of the machine, without ourselves.
func systemResolvers(own []string) []string {
	b, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		return nil // Then nothing is forwarded, and the answers say so.
	}
	var out []string
	for _, l := range strings.Split(string(b), "\n") {
		if f := strings.Fields(l); len(f) == 2 && f[0] == "nameserver" {
			if a := net.JoinHostPort(f[1], "53"); !slices.Contains(own, a) {
				out = append(out, a)
			}
		}
	}
	return out
}

func (n *node) endpoint(cfg config.Sensor) (err error) {
	n.sensor, err = endpoint.New(endpoint.Config{Tier: cfg.Tier, RingBytes: cfg.RingMiB << 20}, endpoint.Deps{Emit: n.spool.Emit, Log: n.log})
	if err != nil {
		return err
	}
	n.run.background("sensor", n.sensor.Run)
	return nil
}

// report tells the hub how the node is, at once when the line is there and then
// at every interval.
func (n *node) report(ctx context.Context) error {
	wait := 50 * time.Millisecond
	for {
		if n.line.Connected() && n.line.Status(n.state()) == nil {
			wait = rollcall.Interval
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

func (n *node) state() rollcall.Report {
	s := n.spool.Stats()
	r := rollcall.Report{Role: n.id.Role, Version: Version(), At: time.Now(), Started: n.began, Events: s.Emitted, Quarantined: s.Quarantined + s.Torn,
		Spooled: s.SpooledBytes, OldestMS: s.Oldest.Milliseconds()}
	r.BatchMS = float64(n.seen.lastPublish.Load()) / 1e6
	if n.brake.Closed() != nil {
		r.Limits = append(r.Limits, shortDisk)
	}
	if s.Problem != "" {
		r.Limits = append(r.Limits, s.Problem)
	}
	if p := n.id.Problem(); p != "" {
		r.Limits = append(r.Limits, p)
	}
	if n.sensor != nil {
		x := n.sensor.Stats() // It counts what the spool refused, too.
		r.Tier, r.Dropped, r.Malformed = x.Tier, x.Dropped, x.Unreadable
		r.Limits = append(r.Limits, x.Limits...)
	}
	if n.dns != nil {
		x := n.dns.Stats()
		r.Tier, r.Addr, r.Queries, r.Blocked, r.Malformed, r.Dropped = "resolver", n.dns.Addr().String(), x.Queries, x.Blocked+x.Sinkholed, x.Malformed, x.DroppedEvents
		r.Limits = append(r.Limits, "queries that go to another resolver are not seen")
	}
	return r
}

// Package app joins the parts of the program into its roles: the hub, a sensor,
// a resolver, or all of them in one process. Each role is wired in one straight
// line; clean-ups run in reverse order. Only this package and api see more than
// one stage. Package cli calls it.
package app

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"noroshi/access"
	"noroshi/config"
	"noroshi/fault"
)

// version is set by the build (-ldflags -X).
var version = ""

// Version names the build.
func Version() string {
	if version != "" {
		return version
	}
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" && b.Main.Version != "(devel)" {
		return b.Main.Version
	}
	return "dev"
}

// Hub is a running hub, as its callers see it.
type Hub struct{ h *hub }

// StartHub starts the hub role.
func StartHub(ctx context.Context, cfg config.Config, log *slog.Logger) (*Hub, error) {
	unlock, err := lock(cfg.DataDir)
	if err != nil {
		return nil, err
	}
	if err := whole(cfg.DataDir); err != nil {
		return nil, errors.Join(err, unlock())
	}
	h, err := wireHub(ctx, cfg, log)
	if err != nil {
		return nil, errors.Join(err, unlock())
	}
	h.run.cleanups = append([]cleanup{{"lock", unlock}}, h.run.cleanups...)
	return &Hub{h}, nil
}

// Link makes a one-time sign-in link to the console.
func (h *Hub) Link(ctx context.Context) (string, error) { return h.h.link(ctx) }

// Addresses are where the hub listens: the console, enrolment, the bus.
func (h *Hub) Addresses() (console, enrol, bus string) {
	return h.h.consoleAddr, h.h.enrolAddr, h.h.busAddr()
}

// Metrics is where the hub's metrics are, or "".
func (h *Hub) Metrics() string { return h.h.metricsAddr }

// Failed gets the reason when a part ends by itself.
func (h *Hub) Failed() <-chan error { return h.h.run.failed }

// Stop stops the hub.
func (h *Hub) Stop() error { return h.h.run.stop() }

// Node is a running sensor or resolver.
type Node struct{ n *node }

// StartNode starts a sensor or a resolver, joining with the token if it has not
// joined before.
func StartNode(ctx context.Context, cfg config.Config, role, token, name string, log *slog.Logger) (*Node, error) {
	n, err := wireNode(ctx, cfg, role, place{filepath.Join(cfg.DataDir, role), token, name, cfg.Resolver.Listen}, log)
	if err != nil {
		return nil, err
	}
	return &Node{n}, nil
}

// Describe says in a line what the node is and where it serves.
func (n *Node) Describe() string {
	s := string(n.n.id.Node) + " of " + string(n.n.id.Org)
	if n.n.dns != nil {
		return s + ", answering on " + n.n.dns.Addr().String()
	}
	return s + ", tier " + n.n.sensor.Stats().Tier
}

// Metrics is where the node's metrics are, or "".
func (n *Node) Metrics() string { return n.n.metricsAddr }

// Failed gets the reason when a part ends by itself.
func (n *Node) Failed() <-chan error { return n.n.run.failed }

// Stop stops the node.
func (n *Node) Stop() error { return n.n.run.stop() }

// All is the hub and the nodes of its organisations in one process. They meet
// on the bus all the same.
type All struct {
	*Hub
	nodes []*node
}

// StartAll starts everything that the configuration lists.
func StartAll(ctx context.Context, cfg config.Config, log *slog.Logger) (*All, error) {
	h, err := StartHub(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	a := &All{Hub: h}
	cfg.Metrics = "" // The hub's speak for the process; they count its nodes too.
	listen := cfg.Resolver.Listen
	for _, o := range cfg.Hub.Organisations {
		if gone, err := h.h.orgs.Gone(ctx, o.Slug); err != nil || gone {
			if err != nil {
				return nil, errors.Join(err, a.Stop())
			}
			continue
		}
		for _, role := range o.Nodes {
			at := place{dir: filepath.Join(cfg.DataDir, "nodes", o.Slug+"-"+role), name: o.Slug + "-" + role, listen: []string{"127.0.0.1:0"}}
			if role == RoleResolver && len(listen) > 0 {
				at.listen, listen = listen, nil // The first takes the configured port.
			}
			n, err := a.startNode(ctx, cfg, o.Slug, role, at, log)
			if fault.KindOf(err) == fault.Unavailable && role == RoleSensor {
				log.Warn("this machine is not sensed", "role", RoleSensor, "why", fault.PublicOf(err))
				continue
			}
			if err != nil {
				return nil, errors.Join(err, a.Stop())
			}
			a.nodes = append(a.nodes, n)
		}
	}
	return a, nil
}

// startNode lets a node join as any other does: with a token, over the network.
func (a *All) startNode(ctx context.Context, cfg config.Config, slug, role string, at place, log *slog.Logger) (*node, error) {
	if _, err := os.Stat(filepath.Join(at.dir, "identity")); errors.Is(err, os.ErrNotExist) {
		o, err := a.h.orgs.BySlug(ctx, slug)
		if err != nil {
			return nil, err
		}
		if at.token, _, err = a.h.nodes.NewToken(ctx, access.Hub(a.h.orgs.Current(), "up"), o.ID, role, 10*time.Minute); err != nil {
			return nil, err
		}
	}
	return wireNode(ctx, cfg, role, at, log)
}

// Resolvers are the addresses of the resolvers with their organisations' names.
func (a *All) Resolvers() (list []string) {
	for _, n := range a.nodes {
		if n.dns != nil {
			list = append(list, n.dns.Addr().String()+" ("+n.id.Name+")")
		}
	}
	return list
}

// Stop stops the nodes, then the hub.
func (a *All) Stop() error {
	var stops []func() error
	for _, n := range a.nodes {
		stops = append(stops, n.run.stop)
	}
	return errors.Join(together(stops), a.Hub.Stop())
}

// lock makes the data folder and sees to it that one hub works in it.
func lock(dir string) (func() error, error) {
	const op = "app.lock"
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.As(fault.Unavailable, op, err, "the data folder %s cannot be made; set data_dir to one that can", dir)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fault.As(fault.Unavailable, op, err, "the data folder %s cannot be written; set data_dir to one that can, or become its owner", dir)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fault.As(fault.Conflict, op, err, "another hub works in %s", dir), f.Close())
	}
	return f.Close, nil
}

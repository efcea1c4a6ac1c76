package kit

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"noroshi/identity/join"
)

// Resolver is a resolver that runs as a process of its own and keeps its port
// over a restart.
type Resolver struct {
	Process
	Addr string // where it answers, UDP and TCP
	ID   *join.Credentials
}

// StartResolver starts a resolver that joins with a token and asks one upstream,
// and waits until it listens.
func StartResolver(ctx context.Context, dir, token, addr, upstream string) (*Resolver, error) {
	bin, err := Binary()
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	config := filepath.Join(dir, "noroshi.yaml")
	if err == nil {
		err = os.WriteFile(config, fmt.Appendf(nil, "data_dir: %s\nlog: {level: warn}\nresolver:\n  listen: [%q]\n  upstreams: [%q]\n", filepath.Join(dir, "data"), addr, upstream), 0o600)
	}
	if err != nil {
		return nil, err
	}
	r := &Resolver{Process: Process{Dir: dir, path: bin, args: []string{"resolver", "--config", config, "--join", token, "--name", filepath.Base(dir)}}, Addr: addr}
	if err := r.Start(ctx); err != nil {
		return nil, err
	}
	r.ID, err = join.Load(filepath.Join(dir, "data", "resolver", "identity"))
	return r, err
}

// Launch starts the process again and does not wait.
func (r *Resolver) Launch() error { return r.start() }

// Start starts the process again and waits until it listens.
func (r *Resolver) Start(ctx context.Context) error {
	if err := r.start(); err != nil {
		return err
	}
	return r.await(ctx, func(context.Context) bool {
		c, err := net.DialTimeout("tcp", r.Addr, time.Second)
		if err != nil {
			return false
		}
		return c.Close() == nil
	})
}

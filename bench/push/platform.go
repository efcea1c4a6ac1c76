package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"noroshi/bench/kit"
	"noroshi/bus"
	"noroshi/identity"
	"noroshi/identity/join"
	"noroshi/org"
	"noroshi/sense/rollcall"
)

// platform is the hub and the nodes of everybody.
type platform struct {
	config
	hub     *kit.Hub
	orgs    []org.Organisation
	edges   []*node
	sensors []*sensor
	joined  time.Duration
	watch   atomic.Pointer[watch]
	mu      sync.Mutex
	stopped []func()
}

// hubConfig lists a centre and the organisations below it.
func hubConfig(orgs int) string {
	var b strings.Builder
	b.WriteString("  organisations:\n    - {slug: centre, name: Centre, sector: centre}\n")
	for n := range orgs {
		fmt.Fprintf(&b, "    - {slug: org-%03d, name: Organisation %d, sector: other, parent: centre}\n", n, n)
	}
	return b.String()
}

func start(ctx context.Context, c config) (_ *platform, err error) {
	p := &platform{config: c}
	defer func() {
		if err != nil {
			p.stop()
		}
	}()
	if p.hub, err = kit.StartHub(ctx, c.path("hub"), hubConfig(c.orgs)); err != nil {
		return nil, err
	}
	p.stopped = append(p.stopped, func() { _ = p.hub.Stop() })
	all, err := p.hub.Organisations(ctx)
	if err != nil {
		return nil, err
	}
	for _, o := range all {
		if o.Parent != "" {
			p.orgs = append(p.orgs, o)
		}
	}
	begin := time.Now()
	p.edges, p.sensors = make([]*node, c.edges), make([]*sensor, c.sensors+1)
	err = eachOf(c.edges+c.sensors+1, func(i int) (err error) {
		if i < c.edges {
			p.edges[i], err = p.newEdge(ctx, i)
			return err
		}
		p.sensors[i-c.edges], err = p.newSensor(ctx, i-c.edges)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := p.wait(ctx, func() string { return p.waiting() }); err != nil {
		return nil, err
	}
	p.joined = time.Since(begin)
	fmt.Printf("%d edges and %d sensors of %d organisations joined and are ready after %.1f s\n", c.edges, c.sensors+1, c.orgs, p.joined.Seconds())
	return p, nil
}

// waiting says who is not ready, and nothing when all are.
func (p *platform) waiting() string {
	ready, connected := 0, 0
	for _, e := range p.edges {
		if e.follower.Set().Ready() {
			ready++
		}
		if e.line.Connected() {
			connected++
		}
	}
	if ready == len(p.edges) {
		return ""
	}
	return fmt.Sprintf("of %d edges %d are connected and %d ready", len(p.edges), connected, ready)
}

// eachOf runs fn for 0 to n-1, eight at a time: the hub serves no more than
// sixteen that join at once.
func eachOf(n int, fn func(i int) error) error {
	var next atomic.Int64
	errs := make([]error, 8)
	var wg sync.WaitGroup
	for w := range errs {
		wg.Go(func() {
			for errs[w] == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				errs[w] = fn(i)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// identify joins with a token, as any node does.
func (p *platform) identify(ctx context.Context, o org.Organisation, role, name string) (*join.Credentials, error) {
	token, err := p.hub.Token(ctx, o.ID, role)
	if err != nil {
		return nil, err
	}
	return join.Join(ctx, token, name, p.path("nodes", name, "identity"))
}

// connect dials the hub and reports like a node does, until the stop.
func (p *platform) connect(id *join.Credentials) (*bus.Client, error) {
	line, err := bus.Dial(id.Bus, bus.Node{Org: id.Org, ID: id.Node, Name: id.Name}, id.TLS())
	if err != nil {
		return nil, err
	}
	began, end := time.Now(), make(chan struct{})
	go func() {
		tick := time.NewTicker(rollcall.Interval)
		defer tick.Stop()
		for {
			select {
			case <-end:
				return
			case <-tick.C:
			}
			_ = line.Status(rollcall.Report{Role: id.Role, Version: "bench", At: time.Now(), Started: began}) // Away shows at the hub.
		}
	}()
	p.later(func() { close(end); line.Close() })
	return line, nil
}

func (p *platform) later(fn func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = append(p.stopped, fn)
}

func (p *platform) stop() {
	for i := len(p.stopped) - 1; i >= 0; i-- {
		p.stopped[i]()
	}
	p.stopped = nil
}

// wait looks often until nothing is left to be said.
func (p *platform) wait(ctx context.Context, left func() string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		what := left()
		if what == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			said, _ := os.ReadFile(p.path("hub", "log"))
			return fmt.Errorf("%s; the hub says:\n%s", what, said[max(0, len(said)-2000):])
		case <-tick.C:
		}
	}
}

const (
	edgeRole   = identity.Resolver
	sensorRole = identity.Sensor
)

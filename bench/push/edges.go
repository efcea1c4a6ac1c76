package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"noroshi/bus"
	"noroshi/identity/join"
	"noroshi/share/edge"
	"noroshi/share/set"
)

// node is one edge: the real follower on a real line.
type node struct {
	p        *platform
	index    int
	id       *join.Credentials
	line     *tap
	follower *edge.Follower
	halt     func()
}

func (p *platform) newEdge(ctx context.Context, i int) (*node, error) {
	o := p.orgs[i%len(p.orgs)]
	e := &node{p: p, index: i}
	var err error
	if e.id, err = p.identify(ctx, o, edgeRole, fmt.Sprintf("edge-%04d", i)); err != nil {
		return nil, err
	}
	line, err := p.connect(e.id)
	if err != nil {
		return nil, err
	}
	e.line = &tap{Client: line, edge: e}
	p.later(func() { e.halt() })
	return e, e.start()
}

// start follows the feeds, with what the folder holds.
func (e *node) start() error {
	var err error
	e.follower, err = edge.New(edge.Config{Dir: e.p.path("nodes", e.id.Name, "feeds"), Feeds: e.id.Feeds, Key: e.id.FeedKey()},
		edge.Deps{Line: e.line, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = e.follower.Run(ctx) }() // An edge that ends early is missed by the rounds.
	e.halt = sync.OnceFunc(func() { cancel(); <-done })
	return nil
}

// tap is the edge's line; it reads along what the edge says that it enforces.
type tap struct {
	*bus.Client
	edge *node
}

func (t *tap) Ack(ctx context.Context, b []byte) error {
	var a set.Ack
	if w := t.edge.p.watch.Load(); w != nil && json.Unmarshal(b, &a) == nil {
		w.take(t.edge, a)
	}
	return t.Client.Ack(ctx, b)
}

// watch is one thing that every edge is to reach.
type watch struct {
	reached func(e *node, a set.Ack) bool
	mu      sync.Mutex
	at      map[int]time.Time // edge → when it enforced it
	want    int
	all     chan struct{} // closed when every edge did
}

func newWatch(want int, reached func(*node, set.Ack) bool) *watch {
	return &watch{reached: reached, at: map[int]time.Time{}, want: want, all: make(chan struct{})}
}

func (w *watch) take(e *node, a set.Ack) {
	if !w.reached(e, a) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, twice := w.at[e.index]; twice {
		return
	}
	w.at[e.index] = a.Enforced
	if len(w.at) == w.want {
		close(w.all)
	}
}

// wait waits until every edge reached it and returns when.
func (w *watch) wait(ctx context.Context, what string) ([]time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	select {
	case <-w.all:
	case <-ctx.Done():
		w.mu.Lock()
		defer w.mu.Unlock()
		return nil, fmt.Errorf("%s: %d of %d edges", what, len(w.at), w.want)
	}
	var out []time.Time
	for _, at := range w.at {
		out = append(out, at)
	}
	return out, nil
}

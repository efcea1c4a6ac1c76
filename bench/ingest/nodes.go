package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"noroshi/bench/kit"
	"noroshi/bus"
	"noroshi/identity/join"
)

// asked is a probe's name and when it was looked up.
type asked struct {
	name string
	at   time.Time
}

// node is one joined node with its line to the hub.
type node struct {
	line *bus.Client
	*traffic

	mu    sync.Mutex
	asked []asked // probes that go with the next batch
}

// follow puts the look-up of a probe's name, of this moment, among what is sent.
func (n *node) follow(name string, at time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = append(n.asked, asked{name, at})
}

// probes are the lines of what was asked since the last batch.
func (n *node) probes() ([][]byte, error) {
	n.mu.Lock()
	list := n.asked
	n.asked = nil
	n.mu.Unlock()
	var out [][]byte
	for _, a := range list {
		l, err := n.write(n.lookup(a.name, "192.0.2.9"))
		if err != nil {
			return nil, err
		}
		out = append(out, n.stamp(l, a.at))
	}
	return out, nil
}

// nodes joins count nodes, spread over the organisations below the centre.
func nodes(ctx context.Context, h *kit.Hub, count, known int) ([]*node, error) {
	orgs, err := h.Organisations(ctx)
	if err != nil {
		return nil, err
	}
	var out []*node
	for i := range count {
		o := orgs[1+i%(len(orgs)-1)]
		token, err := h.Token(ctx, o.ID, "sensor")
		if err != nil {
			return nil, err
		}
		c, err := join.Join(ctx, token, fmt.Sprintf("host-%d", i), filepath.Join(h.Dir, "nodes", fmt.Sprint(i)))
		if err != nil {
			return nil, err
		}
		line, err := bus.Dial(c.Bus, bus.Node{Org: c.Org, ID: c.Node, Name: c.Name}, c.TLS())
		if err != nil {
			return nil, err
		}
		t, err := newTraffic(c.Node, c.Org, uint64(i), known)
		if err != nil {
			return nil, err
		}
		out = append(out, &node{line: line, traffic: t})
	}
	return out, nil
}

// send publishes lines as a spool does: the same batch until the hub has it.
func (n *node) send(ctx context.Context, lines [][]byte) error {
	frame, err := bus.EncodeBatch(lines)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(frame)
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		if err = n.line.Publish(ctx, hex.EncodeToString(sum[:16]), frame); err == nil || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// flood sends batches of a size, as fast as the hub takes them, for some time, and
// counts what the hub acknowledged.
func flood(ctx context.Context, all []*node, last time.Duration, size int, taken *atomic.Int64) error {
	end := time.Now().Add(last)
	return each(all, func(n *node) error {
		for time.Now().Before(end) {
			if err := n.send(ctx, n.batch(size, time.Now())); err != nil {
				return err
			}
			taken.Add(int64(size))
		}
		return nil
	})
}

// linger is how long a spool waits for the events of a batch.
const linger = 10 * time.Millisecond

// pace sends at a rate, in events per second of all nodes together, until ctx
// ends. While a batch is on its way the next one fills, as in a spool.
func pace(ctx context.Context, all []*node, rate float64) error {
	return each(all, func(n *node) error {
		began, sent := time.Now(), 0
		tick := time.NewTicker(linger)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
			due := int(time.Since(began).Seconds()*rate/float64(len(all))) - sent
			if due <= 0 {
				continue
			}
			lines, err := n.probes()
			if err != nil {
				return err
			}
			lines = append(lines, n.batch(min(due, bus.MaxBatchEvents)-len(lines), time.Now())...)
			sent += len(lines)
			if err := n.send(ctx, lines); err != nil && ctx.Err() == nil {
				return err
			}
		}
	})
}

func each(all []*node, do func(*node) error) error {
	errs := make(chan error, len(all))
	for _, n := range all {
		go func() { errs <- do(n) }()
	}
	var first error
	for range all {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return first
}

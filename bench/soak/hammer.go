package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	wire "github.com/miekg/dns"

	"noroshi/bench/kit"
)

// wall is what one resolver has confirmed that it blocks.
type wall struct {
	mu    sync.Mutex
	names []string
	at    map[string]int
}

func newWall() *wall { return &wall{at: map[string]int{}} }

func (w *wall) add(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.at[name]; !ok {
		w.at[name] = len(w.names)
		w.names = append(w.names, name)
	}
}

func (w *wall) remove(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i, ok := w.at[name]
	if !ok {
		return
	}
	last := len(w.names) - 1
	w.names[i] = w.names[last]
	w.at[w.names[i]] = i
	w.names = w.names[:last]
	delete(w.at, name)
}

func (w *wall) has(name string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, ok := w.at[name]
	return ok
}

func (w *wall) any() (string, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.names) == 0 {
		return "", false
	}
	return w.names[rand.N(len(w.names))], true
}

// hammer asks a resolver for what it blocks, without a pause worth the name, also
// while it is away, so that its first moment is met. An answer counts only when
// the name was on the wall before and after.
func hammer(ctx context.Context, r *kit.Resolver, w *wall, bad func(string)) {
	for ctx.Err() == nil {
		name, ok := w.any()
		if !ok {
			rest(ctx, 20*time.Millisecond)
			continue
		}
		network, qtype := "udp", wire.TypeA
		if rand.N(8) == 0 {
			network = "tcp"
		}
		if rand.N(3) == 0 {
			qtype = wire.TypeAAAA
		}
		at := time.Now()
		switch said := kit.Ask(ctx, kit.Loopback, r.Addr, network, name, qtype); {
		case said == kit.Silent || said == kit.Blocked:
		case w.has(name):
			bad(fmt.Sprintf("%s: %s, %s over %s at %s: %s", r.Dir, name, wire.TypeToString[qtype], network, at.Format(time.StampMicro), said))
		}
		rest(ctx, 3*time.Millisecond)
	}
}

func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

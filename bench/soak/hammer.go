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

// What a resolver says of a name.
const (
	silent  = "silent"  // no answer, or SERVFAIL
	blocked = "blocked" // NXDOMAIN, with the reason
	through = "through" // what the upstream says
	strange = "strange"
)

// ask puts one question to a resolver.
func ask(ctx context.Context, addr, network, name string, qtype uint16) string {
	c := wire.Client{Net: network, Timeout: 500 * time.Millisecond}
	q := new(wire.Msg).SetQuestion(wire.Fqdn(name), qtype)
	q.SetEdns0(1232, false)
	m, _, err := c.ExchangeContext(ctx, q, addr)
	if err != nil || m.Rcode == wire.RcodeServerFailure {
		return silent
	}
	for _, rr := range m.Answer {
		switch rr := rr.(type) {
		case *wire.A:
			return through
		case *wire.AAAA:
			return through
		default:
			return fmt.Sprint(strange, ": ", rr)
		}
	}
	if m.Rcode == wire.RcodeNameError {
		return blocked
	}
	return fmt.Sprint(strange, ": ", wire.RcodeToString[m.Rcode])
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
		switch said := ask(ctx, r.Addr, network, name, qtype); {
		case said == silent || said == blocked:
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

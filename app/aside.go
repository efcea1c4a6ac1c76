package app

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"noroshi/ident"
	"noroshi/ledger/quarantine"
)

// aside takes what nodes sent beside their events and nobody can use, such as a
// garbled report. It comes from the bus's own reader, which must never wait for a
// disk, and as fast as a node likes: so it is written together, a few of each
// node, and what is over that is counted and not kept.
type aside struct {
	keep func(ctx context.Context, list []quarantine.Quarantined) error
	seen *observed
	log  *slog.Logger

	mu      sync.Mutex
	waiting []quarantine.Quarantined
	of      map[ident.ID]int // node → how many of them
}

const (
	writeAside = 100 * time.Millisecond
	maxOfNode  = 8   // between two writes
	maxAside   = 512 // of all nodes
)

func newAside(keep func(context.Context, []quarantine.Quarantined) error, seen *observed, log *slog.Logger) *aside {
	return &aside{keep: keep, seen: seen, log: log, of: map[ident.ID]int{}}
}

// put takes one piece. It does not wait.
func (a *aside) put(x quarantine.Quarantined) {
	a.log.Warn("input was put into quarantine", "role", "hub", "org", x.Org, "node", x.Node, "place", x.Place, "why", x.Reason)
	a.seen.refusedAt(x.Place)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.of[x.Node] >= maxOfNode || len(a.waiting) >= maxAside {
		a.seen.unkept.Add(1)
		return
	}
	a.of[x.Node]++
	a.waiting = append(a.waiting, x)
}

// run writes what waits until ctx ends, and the rest at the end.
func (a *aside) run(ctx context.Context) error {
	tick := time.NewTicker(writeAside)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			a.write(context.WithoutCancel(ctx))
			return nil
		case <-tick.C:
			a.write(ctx)
		}
	}
}

func (a *aside) write(ctx context.Context) {
	a.mu.Lock()
	list := a.waiting
	a.waiting = nil
	clear(a.of)
	a.mu.Unlock()
	if len(list) == 0 {
		return
	}
	if err := a.keep(ctx, list); err != nil {
		a.seen.unkept.Add(uint64(len(list)))
		a.log.Error("the quarantine cannot be written", "role", "hub", "pieces", len(list), "err", err)
	}
}

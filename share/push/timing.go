package push

import (
	"sync"
	"time"

	"noroshi/ident"
	"noroshi/share/set"
)

// timing follows changes along the two hops of sharing, for whoever watches how
// long they take. It is a view, not a record: what another hub decided, or what
// was on its way at a restart, is not in it.
type timing struct {
	mu      sync.Mutex
	decided map[ident.ID]time.Time
	pushed  map[string]pushed // by feed: the newest
	acked   map[string]uint64 // by feed and node: the newest frame that was counted
}

type pushed struct {
	seq uint64
	at  time.Time
}

// maxTimed bounds what is remembered of changes that never come to be pushed.
const maxTimed = 10_000

func newTiming() *timing {
	return &timing{decided: map[ident.ID]time.Time{}, pushed: map[string]pushed{}, acked: map[string]uint64{}}
}

// decide notes that a change of an indicator was written.
func (t *timing) decide(id ident.ID, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.decided) >= maxTimed {
		clear(t.decided)
	}
	t.decided[id] = at
}

// push returns how long the changes of a frame took from the decision. An
// indicator that stands in several feeds is counted in the first.
func (t *timing) push(f set.Frame) (took []time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range f.Changes {
		if at, ok := t.decided[c.ID]; ok {
			took = append(took, f.At.Sub(at))
			delete(t.decided, c.ID)
		}
	}
	t.pushed[f.Feed] = pushed{f.Seq, f.At}
	return took
}

// ack returns how long an edge took to confirm the newest frame, the first time
// that it does.
func (t *timing) ack(a arrival) (time.Duration, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := a.Feed + " " + string(a.node)
	p, ok := t.pushed[a.Feed]
	if !ok || a.Seq != p.seq || t.acked[key] >= a.Seq {
		return 0, false
	}
	t.acked[key] = a.Seq
	return a.at.Sub(p.at), true
}

// Hops of sharing, as OnHop names them.
const (
	HopPush        = "push"        // decided to pushed, t2 to t3
	HopAcknowledge = "acknowledge" // pushed to acknowledged, t3 to t6, per edge
)

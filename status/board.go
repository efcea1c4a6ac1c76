package status

import (
	"sync"
	"time"
)

// Board remembers since when each hop and part is in its state. One board serves
// all readers, so that everybody hears the same.
type Board struct {
	mu    sync.Mutex
	since map[string]entry
}

type entry struct {
	state State
	since time.Time
	used  time.Time
}

// NewBoard makes an empty board.
func NewBoard() *Board { return &Board{since: map[string]entry{}} }

// Post judges the whole from its hops and parts, and completes since when all of
// them are as they are. Nodes are no reason for a verdict: of many, some are
// always away, and the hops say when too many are.
func (b *Board) Post(s Status) Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	s.State = Fine
	worst := -1
	worse := func(state State, why, do Text) {
		if int(state) > worst && state > Fine {
			worst, s.State, s.Why, s.Do = int(state), state, why, do
		}
	}
	for i := range s.Parts { // First: a full disk is why a hop is stuck.
		p := &s.Parts[i]
		p.Since = b.stamp(p.Kind+" "+p.Name+" "+string(p.ID)+" "+p.Hub, p.State, s.AsOf)
		if p.Kind != KindNode {
			worse(p.State, p.Why, p.Do)
		}
	}
	for i := range s.Hops {
		h := &s.Hops[i]
		h.Since = b.stamp("hop "+h.Name, h.State, s.AsOf)
		worse(h.State, h.Why, h.Do)
	}
	if s.State == Fine {
		s.Why = Say("The line flows: nothing waits longer than it should.", "流れは正常です。長く待っているものはありません。")
	}
	s.Since = b.stamp("whole", s.State, s.AsOf)
	b.forget(s.AsOf)
	return s
}

func (b *Board) stamp(key string, state State, at time.Time) time.Time {
	e, ok := b.since[key]
	if !ok || e.state != state {
		e = entry{state: state, since: at}
	}
	e.used = at
	b.since[key] = e
	return e.since
}

// keepFor is how long a part that is gone is remembered.
const keepFor = time.Hour

func (b *Board) forget(now time.Time) {
	for k, e := range b.since {
		if now.Sub(e.used) > keepFor {
			delete(b.since, k)
		}
	}
}

// ForPart is what a reader may know who does not see the whole platform: how
// old and in which state each hop is, since that is how long their own events
// wait; but no amount, no part and no sentence in which others' traffic shows.
// Hops and parts of their own are put in by whoever made them.
func (s Status) ForPart() Status {
	s.Whole, s.Hub, s.Parts, s.Nodes = false, "", nil, Nodes{}
	hops := make([]Hop, len(s.Hops))
	for i, h := range s.Hops {
		hops[i] = Hop{Name: h.Name, State: h.State, Since: h.Since, OldestMS: h.OldestMS, Unit: h.Unit, Why: plain(h.State)}
	}
	s.Hops, s.Why, s.Do = hops, plain(s.State), Text{}
	return s
}

func plain(s State) Text {
	switch s {
	case Slow:
		return Say("It is slower than it should be; the centre sees why.", "通常より遅れています。理由は統括組織が確認できます。")
	case Stuck:
		return Say("It does not move; the centre sees why.", "止まっています。理由は統括組織が確認できます。")
	}
	return Say("It flows.", "流れています。")
}

package bus

import (
	"slices"
	"time"

	"noroshi/ident"
)

// Quota bounds what nodes and organisations may send. All are bytes of
// compressed batches; an event takes 40 to 100 of them.
type Quota struct {
	NodePerSecond int64 // 0 is no bound
	OrgPerSecond  int64 // 0 is no bound
	// Ahead is how much of all organisations together may wait to be judged
	// while others wait too. It is shared evenly among those that send, but each
	// may always have LeastAhead. So an organisation that floods fills its own
	// share and waits, and what another sends is judged soon.
	Ahead      int64
	LeastAhead int64
}

// DefaultQuota lets one node send about 30,000 events a second, and keeps what
// waits to be judged at about a second's work.
var DefaultQuota = Quota{NodePerSecond: 2 << 20, OrgPerSecond: 16 << 20, Ahead: 2 << 20, LeastAhead: 128 << 10}

// Bounds of what waits in memory to be taken.
const (
	maxOrgWaiting = 16 << 20
	maxAllWaiting = 256 << 20
	turn          = 64 << 10 // bytes that an organisation may add in one turn
	small         = 8 << 10  // of a batch that its node should rather have filled
)

// waiting is a batch that was not taken yet.
type waiting struct {
	Batch
	id    string
	since time.Time
	reply func(err error) // called once, without the queue's lock
}

func (w *waiting) size() int64 { return int64(len(w.Data)) }

// bucket lets a rate through, and a burst of one second of it.
type bucket struct {
	rate int64 // bytes a second; 0 is no bound
	have float64
	at   time.Time
}

// open tells whether something may pass; take takes it, and may leave a debt, so
// that a batch larger than a second's share passes too.
func (b *bucket) open(now time.Time) bool {
	if b.rate == 0 {
		return true
	}
	if b.at.IsZero() {
		b.have = float64(b.rate)
	} else {
		b.have = min(float64(b.rate), b.have+float64(b.rate)*now.Sub(b.at).Seconds())
	}
	b.at = now
	return b.have > 0
}

func (b *bucket) take(n int64) { b.have -= float64(n) }

// share is one organisation in the queue.
type share struct {
	waiting []*waiting
	queued  int64 // bytes of them
	ahead   int64 // bytes taken and not judged yet
	credit  int64 // of this turn
	rate    bucket
	nodes   map[ident.ID]*bucket
}

// queue holds batches that wait and picks them organisation by organisation, in
// turn (deficit round robin, Shreedhar and Varghese 1996). It is not safe for
// several goroutines; the receiver locks it.
type queue struct {
	quota Quota
	orgs  map[ident.ID]*share
	turns []ident.ID // organisations with something waiting
	bytes int64
	count int64 // batches
}

func newQueue(q Quota) *queue { return &queue{quota: q, orgs: map[ident.ID]*share{}} }

func (q *queue) share(o ident.ID) *share {
	s := q.orgs[o]
	if s == nil {
		s = &share{rate: bucket{rate: q.quota.OrgPerSecond}, nodes: map[ident.ID]*bucket{}}
		q.orgs[o] = s
	}
	return s
}

// add puts a batch behind the organisation's others. False means that too much
// waits already.
func (q *queue) add(w *waiting) bool {
	s := q.share(w.From.Org)
	if s.queued+w.size() > maxOrgWaiting || q.bytes+w.size() > maxAllWaiting {
		return false
	}
	if len(s.waiting) == 0 {
		q.turns = append(q.turns, w.From.Org)
	}
	s.waiting = append(s.waiting, w)
	s.queued += w.size()
	q.bytes += w.size()
	q.count++
	return true
}

// allowed is how much of one organisation may wait to be judged.
func (q *queue) allowed() int64 {
	active := int64(0)
	for _, s := range q.orgs {
		if s.ahead > 0 || len(s.waiting) > 0 {
			active++
		}
	}
	return max(q.quota.LeastAhead, q.quota.Ahead/max(active, 1))
}

// gathers is how much of a time what waits shall gather: all of it when batches
// are small. A node fills its next batch until the one before is acknowledged, so
// under load they become larger, and an event costs less on its whole way. After
// a rest nothing is left of the time, and what comes then goes at once.
func (q *queue) gathers(left time.Duration) time.Duration {
	if q.count == 0 || q.bytes >= bundleBytes || q.bytes >= small*q.count {
		return 0
	}
	return max(left, 0)
}

// pick takes what may go now, at most about limit bytes, and at least one batch
// when any may.
func (q *queue) pick(limit int64, now time.Time) (out []*waiting) {
	allowed, size := q.allowed(), int64(0)
	for idle := 0; idle < len(q.turns) && size < limit; {
		o := q.turns[0]
		s := q.orgs[o]
		q.turns = q.turns[1:]
		s.credit += turn
		idle++
		for size < limit {
			w, poor := q.next(s, allowed, now)
			if w != nil || poor {
				idle = 0 // The round goes on: it took something, or can soon afford it.
			}
			if w == nil {
				if !poor {
					s.credit = 0 // Who may not send saves nothing up.
				}
				break
			}
			out, size = append(out, w), size+w.size()
		}
		if len(s.waiting) > 0 {
			q.turns = append(q.turns, o)
		}
	}
	return out
}

// next takes an organisation's next batch, if its share and its rates allow
// one. Poor tells that one is allowed, but only in a later turn.
func (q *queue) next(s *share, allowed int64, now time.Time) (w *waiting, poor bool) {
	if s.ahead >= allowed || !s.rate.open(now) {
		return nil, false
	}
	for i, w := range s.waiting {
		node := s.nodes[w.From.ID]
		if node == nil {
			node = &bucket{rate: q.quota.NodePerSecond}
			s.nodes[w.From.ID] = node
		}
		if !node.open(now) {
			continue // Another node of the organisation may.
		}
		if w.size() > s.credit {
			return nil, true
		}
		s.waiting = slices.Delete(s.waiting, i, i+1)
		s.queued, q.bytes = s.queued-w.size(), q.bytes-w.size()
		q.count--
		s.credit -= w.size()
		s.ahead += w.size()
		s.rate.take(w.size())
		node.take(w.size())
		return w, false
	}
	return nil, false
}

// judged tells that so many bytes of an organisation do not wait any more.
func (q *queue) judged(o ident.ID, n int64) {
	s := q.share(o)
	s.ahead = max(0, s.ahead-n)
}

// overdue takes out what has waited since before a moment.
func (q *queue) overdue(before time.Time) (out []*waiting) {
	for o, s := range q.orgs {
		kept := s.waiting[:0]
		for _, w := range s.waiting {
			if w.since.Before(before) {
				out = append(out, w)
				s.queued, q.bytes = s.queued-w.size(), q.bytes-w.size()
				q.count--
			} else {
				kept = append(kept, w)
			}
		}
		clear(s.waiting[len(kept):])
		s.waiting = kept
		if len(kept) == 0 {
			q.turns = slices.DeleteFunc(q.turns, func(x ident.ID) bool { return x == o })
		}
	}
	return out
}

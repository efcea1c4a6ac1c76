package dns

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Stats counts since the resolver was made.
type Stats struct {
	Queries    uint64 // answered, of those allowed to ask
	Blocked    uint64
	Sinkholed  uint64
	CacheHits  uint64
	Stale      uint64 // answers that were once true, for want of better
	Refused    uint64 // strangers, those who ask too much, and what is not served
	Malformed  uint64 // packets that are no query
	Overloaded uint64 // packets dropped because too many were being answered
	Panics     uint64 // queries that broke on a fault of the program

	UpstreamErrors uint64 // attempts that gave no answer
	Foreign        uint64 // packets from an upstream that are not its answer: forgeries, or late
	DroppedEvents  uint64 // answers that were not written down

	P50, P99 time.Duration // of the time to answer, to about a fifth
}

type counters struct {
	queries, blocked, sinkholed, hits, stale, refused, malformed, overloaded, panics, upstreamErrors, foreign atomic.Uint64
	latency                                                                                                   histogram
}

// Stats returns the counters.
func (r *Resolver) Stats() Stats {
	c := &r.st
	s := Stats{Queries: c.queries.Load(), Blocked: c.blocked.Load(), Sinkholed: c.sinkholed.Load(), CacheHits: c.hits.Load(), Stale: c.stale.Load(),
		Refused: c.refused.Load(), Malformed: c.malformed.Load(), Overloaded: c.overloaded.Load(), Panics: c.panics.Load(),
		UpstreamErrors: c.upstreamErrors.Load(), Foreign: c.foreign.Load(), DroppedEvents: r.journal.dropped.Load()}
	s.P50, s.P99 = c.latency.quantile(0.5), c.latency.quantile(0.99)
	return s
}

// histogram counts durations in buckets, four to each doubling of a microsecond.
type histogram [128]atomic.Uint64

func (h *histogram) add(d time.Duration) {
	us := uint64(max(4, d.Microseconds()))
	n := bits.Len64(us) - 3 // The two bits behind the first choose the quarter.
	i := n*4 + int(us>>n&3)
	h[min(i, len(h)-1)].Add(1)
}

// quantile returns the upper bound of the bucket in which the quantile lies.
func (h *histogram) quantile(q float64) time.Duration {
	var total uint64
	for i := range h {
		total += h[i].Load()
	}
	want := uint64(q*float64(total)) + 1
	if total == 0 {
		return 0
	}
	for i := range h {
		if n := h[i].Load(); n >= want {
			return time.Duration(uint64(4+i%4+1)<<(i/4)) * time.Microsecond
		} else {
			want -= n
		}
	}
	return 0
}

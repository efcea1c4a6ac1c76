package spool

import "time"

// Stats is how the spool is. Counts are since it was opened.
type Stats struct {
	Emitted uint64 // events written down
	Refused uint64 // events that cannot be encoded
	Dropped uint64 // events that found no room
	Torn    uint64 // half-written records that a crash left, cut off
	Lost    uint64 // events in spoiled records, as far as they can be counted

	Sent     uint64 // batches handed to the bus, repetitions included
	Acked    uint64 // events that the bus has
	Failures uint64 // attempts that failed

	SpooledEvents int64
	SpooledBytes  int64         // of the disk
	Oldest        time.Duration // age of the oldest event that waits
	Quarantined   uint64        // segments and batches set aside
	Problem       string        // the newest failure, "" once it is over
}

type counters struct {
	emitted, refused, dropped, torn, lost uint64
	sent, acked, failures, quarantined    uint64
	pending                               int64
	oldest                                time.Time
	problem                               string
}

func (s *Spool) count(fn func(*counters)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fn(&s.c)
}

// Stats returns the counters.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.c
	st := Stats{Emitted: c.emitted, Refused: c.refused, Dropped: c.dropped, Torn: c.torn, Lost: c.lost,
		Sent: c.sent, Acked: c.acked, Failures: c.failures,
		SpooledEvents: c.pending, SpooledBytes: s.total - s.pos, Quarantined: c.quarantined, Problem: c.problem}
	if c.pending > 0 {
		st.Oldest = max(0, s.deps.Now().Sub(c.oldest))
	}
	return st
}

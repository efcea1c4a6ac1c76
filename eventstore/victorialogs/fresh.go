package victorialogs

import "time"

// What was appended may stay unseen by those who search for freshFor; under load
// longer, up to freshAtMost, so that showing it takes only a share of the time:
// many small parts would have to be merged.
const (
	freshFor    = 100 * time.Millisecond
	freshAtMost = 400 * time.Millisecond
	freshShare  = 20
)

// freshen makes what was appended visible to a reader. The engine alone would let
// a reader wait for a second; to flush as often without a reader would be work
// for nobody.
func (s *Store) freshen(now time.Time) {
	next := s.fresh.Load()
	if s.unseen.Load() && now.UnixMilli() >= next && s.fresh.CompareAndSwap(next, now.Add(freshAtMost).UnixMilli()) {
		s.unseen.Store(false) // Before the flush: what comes during it may not be seen by it.
		s.show()
		took := time.Since(now)
		s.fresh.Store(now.Add(min(max(freshFor, freshShare*took), freshAtMost)).UnixMilli())
	}
}

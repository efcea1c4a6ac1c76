package victorialogs

import "time"

// freshFor is how long what was appended may stay unseen by those who search.
const freshFor = 100 * time.Millisecond

// freshen makes what was appended visible to a reader, at most every freshFor.
// The engine alone would let a reader wait for a second; to flush as often
// without a reader would be work for nobody.
func (s *Store) freshen(now time.Time) {
	last := s.fresh.Load()
	if s.unseen.Load() && now.Sub(time.UnixMilli(last)) >= freshFor && s.fresh.CompareAndSwap(last, now.UnixMilli()) {
		s.unseen.Store(false) // Before the flush: what comes during it may not be seen by it.
		s.storage.DebugFlush()
	}
}

package victorialogs

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"noroshi/eventstore"
	"noroshi/eventstore/logsql"
)

const (
	// gatherBytes of names and values, some thousand rows, become a part together.
	// The engine by itself makes one of a few hundred, in which each stream has a
	// block of a few rows: writing forty columns for them, and merging that soon
	// after, cost more than anything else that is done to an event.
	gatherBytes = 6 << 20
	// maxBehind times as many may wait for the engine, which makes no part while
	// all its workers merge, and is given none while it writes to the disk what it
	// has. Appends wait for it beyond that only.
	maxBehind = 4
	// atOnce is how many rows are taken before it is looked whether they are enough.
	atOnce = 1000
)

// gathering holds rows that the engine does not have yet. Whoever looks for them,
// or wants them on the disk, has them handed over first.
type gathering struct {
	mu    sync.Mutex
	rows  *logstorage.LogRows
	days  map[int64]bool // of the rows, since 1970
	bytes int
	under []chan struct{} // what is being handed over, the oldest first; each is closed at its end
}

// gather adds rows to those that wait, and returns the ones that the engine can
// never take.
func (s *Store) gather(rows []eventstore.Row) (refused eventstore.RefusedRows) {
	g := &s.gathering
	g.mu.Lock()
	defer g.mu.Unlock()
	for from := 0; from < len(rows); from += atOnce {
		bad := g.fill(rows[from:min(from+atOnce, len(rows))], s.cfg.Retention)
		for i := range bad {
			bad[i].Index += from
		}
		refused = append(refused, bad...)
		if g.bytes >= gatherBytes {
			s.handOverLocked()
		}
	}
	return refused
}

func (g *gathering) fill(rows []eventstore.Row, retention time.Duration) eventstore.RefusedRows {
	if g.rows == nil {
		g.rows, g.days, g.bytes = logstorage.GetLogRows(logsql.StreamFields, nil, nil, nil, ""), map[int64]bool{}, 0
	}
	return logsql.Filler{
		Rows: g.rows, Retention: retention,
		Place: func(r eventstore.Row, fields []logstorage.Field) (logstorage.TenantID, []logstorage.Field) {
			for _, f := range fields {
				g.bytes += len(f.Name) + len(f.Value)
			}
			return logstorage.TenantID{AccountID: r.Tenant}, fields
		},
		Taken: func(r eventstore.Row) { g.days[r.Event.Time/day.Milliseconds()] = true },
	}.Fill(rows)
}

// handOver begins to give the engine what waits, and returns what has not ended
// of that.
func (s *Store) handOver() []chan struct{} {
	s.gathering.mu.Lock()
	defer s.gathering.mu.Unlock()
	s.handOverLocked()
	return slices.Clone(s.gathering.under)
}

func (s *Store) handOverLocked() {
	g := &s.gathering
	if g.rows == nil || g.rows.RowsCount() == 0 {
		return
	}
	for len(g.under) >= maxBehind {
		<-g.under[0]
		g.under = g.under[1:]
	}
	rows, days, done := g.rows, g.days, make(chan struct{})
	g.rows, g.under = nil, append(g.under, done)
	go func() {
		defer close(done)
		s.gate.RLock()
		defer s.gate.RUnlock()
		s.mark.Lock()
		maps.Copy(s.dirty, days)
		s.mark.Unlock()
		s.storage.MustAddRows(rows)
		logstorage.PutLogRows(rows)
	}()
}

// show makes what was appended visible to whoever searches.
func (s *Store) show() {
	s.handed()
	s.storage.DebugFlush()
}

// handed waits until the engine has what was appended.
func (s *Store) handed() {
	for _, done := range s.handOver() {
		<-done
	}
}

package victorialogs

import (
	"maps"
	"sync"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"noroshi/eventstore"
	"noroshi/eventstore/logsql"
)

// gatherBytes of names and values, some thousand rows, become a part together.
// The engine by itself makes one of a few hundred, in which each stream has a
// block of a few rows: writing forty columns for them, and merging that soon
// after, cost more than anything else that is done to an event.
const gatherBytes = 6 << 20

// gathering holds rows that the engine does not have yet. Whoever looks for them,
// or wants them on the disk, hands them over first.
type gathering struct {
	mu    sync.Mutex
	rows  *logstorage.LogRows
	bytes int
}

// gather adds rows to those that wait, and returns the ones that the engine can
// never take.
func (s *Store) gather(rows []eventstore.Row) eventstore.RefusedRows {
	g := &s.gathering
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.rows == nil {
		g.rows = logstorage.GetLogRows(logsql.StreamFields, nil, nil, nil, "")
	}
	days := map[int64]bool{}
	refused := logsql.Filler{
		Rows: g.rows, Retention: s.cfg.Retention,
		Place: func(r eventstore.Row, fields []logstorage.Field) (logstorage.TenantID, []logstorage.Field) {
			for _, f := range fields {
				g.bytes += len(f.Name) + len(f.Value)
			}
			return logstorage.TenantID{AccountID: r.Tenant}, fields
		},
		Taken: func(r eventstore.Row) {
			days[dayOf(r.Event.Time)] = true
			if g.bytes >= gatherBytes {
				s.handOverLocked()
			}
		},
	}.Fill(rows)
	s.mark.Lock()
	defer s.mark.Unlock()
	maps.Copy(s.dirty, days)
	return refused
}

// dayOf is the day, since 1970, of a moment in milliseconds.
func dayOf(ms int64) int64 { return ms / (24 * time.Hour).Milliseconds() }

func dayName(day int64) string {
	return time.Unix(0, 0).UTC().AddDate(0, 0, int(day)).Format("20060102")
}

// handOver gives the engine what waits.
func (s *Store) handOver() {
	s.gathering.mu.Lock()
	defer s.gathering.mu.Unlock()
	s.handOverLocked()
}

func (s *Store) handOverLocked() {
	g := &s.gathering
	if g.rows == nil || g.rows.RowsCount() == 0 {
		return
	}
	s.storage.MustAddRows(g.rows)
	g.rows.ResetKeepSettings()
	g.bytes = 0
}

// show makes what was appended visible to whoever searches.
func (s *Store) show() {
	s.handOver()
	s.storage.DebugFlush()
}

package victorialogs

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"noroshi/eventstore"
	"noroshi/fault"
)

// Append adds rows. A full disk refuses them all, so that the bus keeps them.
// What the engine would drop with a line in its log is returned to the caller.
func (s *Store) Append(_ context.Context, rows []eventstore.Row) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	if len(rows) == 0 {
		return nil
	}
	if s.storage.IsReadOnly() {
		return fault.New(fault.Exhausted, "victorialogs.append", "the event store takes no more: the disk is nearly full")
	}
	refused := s.gather(rows)
	s.unseen.Store(true)
	if len(refused) > 0 {
		return refused
	}
	return nil
}

// Flush makes what was appended searchable.
func (s *Store) Flush(context.Context) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	s.show()
	return nil
}

// Rows are written out while the engine takes others until only a few are left, or
// for so many times: what comes while it takes none must find room (see maxBehind).
const (
	few    = 20_000
	beside = 5
)

// Sync makes what was appended durable: the rows in memory become parts, and a
// snapshot of the days written since forces these parts to disk (measured: it
// takes both). A part that the engine is merging at that moment is left out, so
// the engine is given no more rows while it is asked again, until it has none in
// memory. Most was written by then, and appends go on beside. Without new rows it
// does nothing.
func (s *Store) Sync(ctx context.Context) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	s.sync.Lock()
	defer s.sync.Unlock()
	s.handed()
	for n := 0; s.writeOut() > few && n < beside; n++ {
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	s.gate.Lock()
	defer s.gate.Unlock()
	for d := time.Millisecond; s.writeOut() > 0; d = min(2*d, 50*time.Millisecond) {
		if err := pause(ctx, d); err != nil {
			return err
		}
	}
	s.mark.Lock()
	defer s.mark.Unlock()
	clear(s.dirty)
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return fault.As(fault.Unavailable, "victorialogs.sync", ctx.Err(), "the events are not on the disk yet")
	case <-time.After(d):
		return nil
	}
}

// writeOut forces the rows in memory to disk, and tells how many were left. The
// snapshots that it takes for this are dropped at once.
func (s *Store) writeOut() (left uint64) {
	s.mark.Lock()
	days := slices.Collect(maps.Keys(s.dirty))
	s.mark.Unlock()
	if len(days) == 0 {
		return 0
	}
	s.storage.DebugFlush()
	for _, n := range days {
		s.snapshot(time.UnixMilli(n * day.Milliseconds()).UTC().Format("20060102"))
	}
	var st logstorage.StorageStats
	s.storage.UpdateStats(&st)
	return st.InmemoryRowsCount
}

func (s *Store) snapshot(day string) {
	for _, path := range s.storage.PartitionSnapshotMustCreate(day) {
		if err := s.storage.PartitionSnapshotDelete(path); err != nil {
			s.log.Warn("a snapshot is left until the engine removes it in an hour", "path", path, "err", err)
		}
	}
}

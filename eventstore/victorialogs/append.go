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
	s.write.RLock() // What is appended now belongs to the next Sync.
	defer s.write.RUnlock()
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

// Rows are written out while others are appended until only a few are left, or
// for so many times: a merge of many may be under way, and appends shall not wait
// for it.
const (
	few    = 10_000
	beside = 20
)

// Sync makes what was appended durable: the rows in memory become parts, and a
// snapshot of the days written since forces these parts to disk (measured: it
// takes both). A part that the engine is merging at that moment is left out, so
// appends wait while it is asked again, until it has no row in memory. Most was
// written by then, beside the appends. Without new rows it does nothing.
func (s *Store) Sync(ctx context.Context) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	s.sync.Lock()
	defer s.sync.Unlock()
	for n := 0; s.writeOut() > few && n < beside; n++ {
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	s.write.Lock()
	defer s.write.Unlock()
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
	s.show()
	for _, day := range days {
		s.snapshot(dayName(day))
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

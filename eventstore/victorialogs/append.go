package victorialogs

import (
	"context"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"noroshi/event"
	"noroshi/eventstore"
	"noroshi/fault"
)

// streamFields group rows on disk: rows of one class from one node are alike.
var streamFields = []string{"class", "node"}

func className(c event.Class) string {
	switch c {
	case event.ProcessActivity:
		return "process"
	case event.NetworkActivity:
		return "network"
	case event.DNSActivity:
		return "dns"
	}
	return "other"
}

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
	lr := logstorage.GetLogRows(streamFields, nil, nil, nil, "")
	defer logstorage.PutLogRows(lr)
	var refused eventstore.RefusedRows
	var fields []logstorage.Field
	days := map[string]bool{}
	oldest, newest := s.window(time.Now())
	for i, r := range rows {
		if err := inWindow(r.Event.Time, oldest, newest); err != nil {
			refused = append(refused, eventstore.RefusedRow{Index: i, Err: err})
			continue
		}
		fields = fieldsOf(fields[:0], r.Event)
		before := lr.RowsCount()
		lr.MustAdd(logstorage.TenantID{AccountID: r.Tenant}, r.Event.Time*int64(time.Millisecond), fields, -1)
		if lr.RowsCount() == before {
			refused = append(refused, eventstore.RefusedRow{Index: i, Err: fault.New(fault.TooLarge, "victorialogs.append",
				"the event has a field name longer than 128 bytes, too many fields, or more than 2 MiB")})
			continue
		}
		days[dayOf(r.Event.Time)] = true
		if lr.NeedFlush() {
			s.storage.MustAddRows(lr)
			lr.ResetKeepSettings()
		}
	}
	s.storage.MustAddRows(lr)
	s.unseen.Store(true)
	s.touch(days)
	if len(refused) > 0 {
		return refused
	}
	return nil
}

// fieldsOf writes the store's own fields among those of the event, in the order
// of their names: the engine sorts each row by them, and finds it sorted.
func fieldsOf(fields []logstorage.Field, e *event.Event) []logstorage.Field {
	own := []logstorage.Field{{Name: "_msg", Value: e.Summary()}, {Name: "class", Value: className(e.ClassUID)}, {Name: "node", Value: string(e.Metadata.Reporter.UID)}}
	e.Flatten(func(name, value string) {
		for len(own) > 0 && own[0].Name < name {
			fields, own = append(fields, own[0]), own[1:]
		}
		fields = append(fields, logstorage.Field{Name: name, Value: value})
	})
	return append(fields, own...)
}

// window is the milliseconds between which a row's time may lie. The minute
// keeps a row from growing too old between here and the engine.
func (s *Store) window(now time.Time) (oldest, newest int64) {
	return now.Add(time.Minute - s.cfg.Retention).UnixMilli(), now.Add(ahead).UnixMilli()
}

func inWindow(ms, oldest, newest int64) error {
	const op = "victorialogs.append"
	if ms < oldest {
		return fault.New(fault.Invalid, op, "the event is older than events are kept here (since %s)", time.UnixMilli(oldest).UTC().Format(time.RFC3339))
	}
	if ms > newest {
		return fault.New(fault.Invalid, op, "the event is from the future: %d milliseconds after 1970", ms)
	}
	return nil
}

func dayOf(ms int64) string { return time.UnixMilli(ms).UTC().Format("20060102") }

// touch remembers which days have rows that are not durable yet.
func (s *Store) touch(days map[string]bool) {
	s.mark.Lock()
	defer s.mark.Unlock()
	for d := range days {
		s.dirty[d] = true
	}
}

// Flush makes what was appended searchable.
func (s *Store) Flush(context.Context) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	s.storage.DebugFlush()
	return nil
}

// Sync makes what was appended durable: the rows in memory become parts, and a
// snapshot of the days written since forces these parts to disk (measured: it
// takes both). A part that the engine is merging at that moment is left out, so
// appends wait while it is asked again, until it has no row in memory. The
// snapshots themselves are dropped at once. Without new rows it does nothing.
func (s *Store) Sync(ctx context.Context) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	s.sync.Lock()
	defer s.sync.Unlock()
	s.write.Lock()
	defer s.write.Unlock()
	if len(s.dirty) == 0 {
		return nil
	}
	s.storage.DebugFlush()
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		for day := range s.dirty {
			s.snapshot(day)
		}
		var st logstorage.StorageStats
		if s.storage.UpdateStats(&st); st.InmemoryRowsCount == 0 {
			break
		}
		select {
		case <-ctx.Done():
			return fault.As(fault.Unavailable, "victorialogs.sync", ctx.Err(), "the events are not on the disk yet")
		case <-time.After(pause):
		}
	}
	s.dirty = map[string]bool{}
	return nil
}

func (s *Store) snapshot(day string) {
	for _, path := range s.storage.PartitionSnapshotMustCreate(day) {
		if err := s.storage.PartitionSnapshotDelete(path); err != nil {
			s.log.Warn("a snapshot is left until the engine removes it in an hour", "path", path, "err", err)
		}
	}
}

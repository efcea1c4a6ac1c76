package logsql

import (
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"noroshi/event"
	"noroshi/eventstore"
	"noroshi/fault"
)

// StreamFields group rows on disk: rows of one class are alike. A block of rows
// never holds two streams, so a stream for each node would make blocks of a few
// rows, and each search would open hundreds of thousands of them.
var StreamFields = []string{"class"}

// Ahead is how far into the future an event's time may lie.
const Ahead = 24 * time.Hour

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

// fieldsOf writes the store's own fields among those of the event, in the order
// of their names: the engine sorts each row by them, and finds it sorted.
func fieldsOf(fields []logstorage.Field, e *event.Event) []logstorage.Field {
	own := []logstorage.Field{{Name: "_msg", Value: e.Summary()}, {Name: "class", Value: className(e.ClassUID)}, {Name: "node", Value: string(e.Metadata.Reporter.UID)}}
	own = appendIndex(own, e.Observables())
	e.Flatten(func(name, value string) {
		for len(own) > 0 && own[0].Name < name {
			fields, own = append(fields, own[0]), own[1:]
		}
		fields = append(fields, logstorage.Field{Name: name, Value: value})
	})
	return append(fields, own...)
}

// Filler puts rows into the engine's form, and finds those that the engine
// would drop with a line in its log.
type Filler struct {
	Rows      *logstorage.LogRows
	Retention time.Duration
	MaxFields int // of a row; 0 is as many as the engine takes
	// Place says which tenant of the engine a row belongs to, and may add fields
	// of the store's own.
	Place func(r eventstore.Row, fields []logstorage.Field) (logstorage.TenantID, []logstorage.Field)
	// Taken is told of each row after it was added.
	Taken func(r eventstore.Row)
}

// Fill adds rows and returns the ones that can never be taken.
func (f Filler) Fill(rows []eventstore.Row) eventstore.RefusedRows {
	var refused eventstore.RefusedRows
	var fields []logstorage.Field
	oldest, newest := window(time.Now(), f.Retention)
	for i, r := range rows {
		if err := inWindow(r.Event.Time, oldest, newest); err != nil {
			refused = append(refused, eventstore.RefusedRow{Index: i, Err: err})
			continue
		}
		var tenant logstorage.TenantID
		tenant, fields = f.Place(r, fieldsOf(fields[:0], r.Event))
		if f.MaxFields > 0 && len(fields) > f.MaxFields {
			refused = append(refused, eventstore.RefusedRow{Index: i, Err: fault.New(fault.TooLarge, "logsql.fill", "the event has %d fields; at most %d are kept", len(fields), f.MaxFields)})
			continue
		}
		before := f.Rows.RowsCount()
		f.Rows.MustAdd(tenant, r.Event.Time*int64(time.Millisecond), fields, -1)
		if f.Rows.RowsCount() == before {
			refused = append(refused, eventstore.RefusedRow{Index: i, Err: fault.New(fault.TooLarge, "logsql.fill",
				"the event has a field name longer than 128 bytes, too many fields, or more than 2 MiB")})
			continue
		}
		f.Taken(r)
	}
	return refused
}

// window is the milliseconds between which a row's time may lie. The minute
// keeps a row from growing too old between here and the engine.
func window(now time.Time, retention time.Duration) (oldest, newest int64) {
	return now.Add(time.Minute - retention).UnixMilli(), now.Add(Ahead).UnixMilli()
}

func inWindow(ms, oldest, newest int64) error {
	const op = "logsql.fill"
	if ms < oldest {
		return fault.New(fault.Invalid, op, "the event is older than events are kept here (since %s)", time.UnixMilli(oldest).UTC().Format(time.RFC3339))
	}
	if ms > newest {
		return fault.New(fault.Invalid, op, "the event is from the future: %d milliseconds after 1970", ms)
	}
	return nil
}

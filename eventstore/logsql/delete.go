package logsql

import (
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"noroshi/fault"
)

// Before is the filter of the days before a moment's; the zero time means all.
// The engine keeps a file of each day. Within a day it would leave an empty row
// with the time of the first one that it deletes, which readers would count.
func Before(t time.Time) (*logstorage.Filter, error) {
	text := "*"
	if !t.IsZero() {
		text = "_time:<" + t.UTC().Format("2006-01-02T00:00:00.000000000Z")
	}
	f, err := logstorage.ParseFilter(text)
	if err != nil {
		return nil, fault.As(fault.Internal, "logsql.before", err, "events before %s cannot be named", t)
	}
	return f, nil
}

package victorialogs_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"noroshi/eventstore"
	"noroshi/eventstore/logsql"
	"noroshi/eventstore/storetest"
)

// TestRowsFromBeforeTheIndexAreFound stores events as they were stored before
// there was an index, and looks for what they show.
func TestRowsFromBeforeTheIndexAreFound(t *testing.T) {
	dir := t.TempDir()
	if err := open(t, dir).Close(); err != nil { // The engine knows its bounds now.
		t.Fatal(err)
	}
	events := storetest.Showing(time.Now())
	var rows []eventstore.Row
	for _, e := range events {
		rows = append(rows, eventstore.Row{Tenant: 1, Event: e})
	}
	lr := logstorage.GetLogRows([]string{"class", "node"}, nil, nil, nil, "")
	refused := logsql.Filler{Rows: lr, Retention: month, Taken: func(eventstore.Row) {},
		Place: func(r eventstore.Row, fields []logstorage.Field) (logstorage.TenantID, []logstorage.Field) {
			return logstorage.TenantID{AccountID: r.Tenant}, slices.DeleteFunc(fields, func(f logstorage.Field) bool { return strings.HasPrefix(f.Name, "observables.") })
		}}.Fill(rows)
	if len(refused) > 0 {
		t.Fatal(refused)
	}
	engine := logstorage.MustOpenStorage(dir, &logstorage.StorageConfig{Retention: month, MaxBackfillAge: month, FutureRetention: month, FlushInterval: time.Second})
	engine.MustAddRows(lr)
	logstorage.PutLogRows(lr)
	engine.MustClose()
	s := open(t, dir)
	defer func() { _ = s.Close() }()
	storetest.FindsShown(t, s, events)
}

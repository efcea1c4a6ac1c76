// Package eventstore is the store of observations: append, search, retention.
// Search takes a Scope, and what is outside it is not in the list of tenants
// that the engine reads: no query can reach it. The embedded engine is
// eventstore/victorialogs; the same contract (eventstore/storetest) is for
// engines to come. It judges nothing; the ingest loop appends, the API and the
// hunt search.
package eventstore

import (
	"context"
	"fmt"
	"time"

	"noroshi/access"
	"noroshi/event"
	"noroshi/fault"
	"noroshi/observable"
)

// Row is one event with the store's number of its organisation.
type Row struct {
	Tenant uint32
	Event  *event.Event
}

// Query is a LogsQL query over a span of time. A query whose rows keep their
// time returns the newest first, or the oldest first when asked so, at most
// Limit; one with other pipes returns what these leave, in their order.
type Query struct {
	LogsQL   string
	From, To time.Time // To is not included; zero times mean everything
	Limit    int       // 0 is MaxLimit
	Oldest   bool
	// Observables, if there are any, leave the rows of events that show one of
	// them, and perhaps a few more, which the caller tells apart. They are found by
	// an index, and do not count as text of the query.
	Observables []observable.Observable
}

// Limits of a query.
const (
	MaxQuery  = 8 << 10  // bytes of its text
	MaxPipes  = 16       // in the query and its subqueries
	MaxLimit  = 10_000   // rows of the answer
	MaxAnswer = 64 << 20 // bytes
	MaxValues = 1000     // of one field
	MaxSteps  = 2000     // of a histogram
	Timeout   = 10 * time.Second
)

// Record is one row of an answer: the dotted OCSF names of Event.Flatten, beside
// "class" (process, network, dns), "node" and the one-line summary "_msg". The
// organisation is metadata.tenant_uid.
type Record struct {
	Time   time.Time         `json:"time"` // zero when a pipe left no time
	Fields map[string]string `json:"fields"`
}

// Bucket counts the rows of a span of time.
type Bucket struct {
	Start time.Time `json:"start"`
	Count int64     `json:"count"`
}

// ValueCount is a name or a value and the number of rows that have it.
type ValueCount struct {
	Value string `json:"value"`
	Count int64  `json:"count"`
}

// Stats is how full the store is.
type Stats struct {
	Rows  uint64
	Bytes uint64 // on disk; 0 where the engine does not tell
	Full  bool   // it takes no more rows, because the disk is nearly full
}

// RefusedRow is a row that the store can never take.
type RefusedRow struct {
	Index int   // in the rows given to Append
	Err   error // a fault with a public message
}

// RefusedRows is the error of an Append that took all rows but these. Trying
// again does not help: they belong to the quarantine.
type RefusedRows []RefusedRow

func (r RefusedRows) Error() string {
	return fmt.Sprintf("%d rows were refused, the first is row %d: %v", len(r), r[0].Index, r[0].Err)
}

// Unwrap gives the reason of the first, so that the kind is known.
func (r RefusedRows) Unwrap() error { return r[0].Err }

// Reader is what of a store, or of several, serves everybody but their feeders.
// Readers see what is in their scope.
type Reader interface {
	Search(ctx context.Context, s access.Scope, q Query) ([]Record, error)
	// Histogram counts the rows that the query's filter finds, per step.
	Histogram(ctx context.Context, s access.Scope, q Query, step time.Duration) ([]Bucket, error)
	// FieldNames and FieldValues say what there is in the rows that the query's
	// filter finds, the most frequent first.
	FieldNames(ctx context.Context, s access.Scope, q Query) ([]ValueCount, error)
	FieldValues(ctx context.Context, s access.Scope, q Query, field string, limit int) ([]ValueCount, error)
	Stats(ctx context.Context) (Stats, error)
	// Ping tells whether questions can be answered. One that is only busy can.
	Ping(ctx context.Context) error
	// DeleteTenant deletes the rows of a tenant that are of days (UTC) before the
	// day of a moment; the zero time means all. It returns nil once they are gone.
	// After any error the engine may still be at it, also across restarts, and the
	// same call again goes on waiting. Rows appended after the call may stay:
	// whoever lets an organisation go stops its events first. It is work: the
	// engine writes anew what it keeps of each day that it touches.
	DeleteTenant(ctx context.Context, tenant uint32, before time.Time) error
}

// Store is an engine. Appended rows are found after Flush, or after a
// second at the latest, and survive any crash of the process after Sync.
type Store interface {
	Reader
	// Append adds rows. It returns RefusedRows when it took the others; after any
	// other error nothing is known of them, and Known tells.
	Append(ctx context.Context, rows []Row) error
	Flush(ctx context.Context) error
	Sync(ctx context.Context) error
	// Known tells which events, by metadata.uid, a tenant has in [from, to].
	Known(ctx context.Context, tenant uint32, uids []string, from, to time.Time) (map[string]bool, error)
	Close() error
}

// Lost is what a Sync returns, with more words, when rows that were stored are
// gone, because a store on another machine crashed. Whoever feeds it begins again
// at what it last acknowledged, and asks Known, as after a restart of its own;
// until the rows are back every Sync returns it.
var Lost = fault.New(fault.Unavailable, "eventstore", "events that were stored are gone")

// Closed is what every method of a closed store returns.
var Closed = fault.New(fault.Unavailable, "eventstore", "the event store is closed")

// Package eventstore is the store of observations: append, search, retention.
// Search takes a Scope, and what is outside it is not in the list of tenants
// that the engine reads: no query can reach it. The embedded engine is
// eventstore/victorialogs; the same contract (eventstore/storetest) is for
// engines to come. It judges nothing; the ingest loop appends, the API and the
// hunt search.
package eventstore

import (
	"context"
	"time"

	"noroshi/access"
	"noroshi/event"
)

// Row is one event with the store's number of its organisation.
type Row struct {
	Tenant uint32
	Event  *event.Event
}

// Query is a LogsQL query over a span of time. A query without pipes returns
// the newest rows first, at most Limit.
type Query struct {
	LogsQL   string
	From, To time.Time // To is not included; zero times mean everything
	Limit    int
}

// Limits of a query.
const (
	MaxQuery = 8 << 10 // bytes
	MaxLimit = 10_000  // rows
	Timeout  = 10 * time.Second
)

// Record is one row of an answer: dotted OCSF names and text.
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
	Bytes uint64
	Full  bool // it takes no more rows, because the disk is nearly full
}

// Store is an engine. Appended rows are found after Flush, or after about a
// second, and survive any crash after Sync.
type Store interface {
	Append(ctx context.Context, rows []Row) error
	Flush(ctx context.Context) error
	Sync(ctx context.Context) error
	// Known tells which events, by metadata.uid, a tenant has in [from, to].
	Known(ctx context.Context, tenant uint32, uids []string, from, to time.Time) (map[string]bool, error)
	Search(ctx context.Context, s access.Scope, q Query) ([]Record, error)
	Histogram(ctx context.Context, s access.Scope, q Query, step time.Duration) ([]Bucket, error)
	FieldNames(ctx context.Context, s access.Scope, q Query) ([]ValueCount, error)
	FieldValues(ctx context.Context, s access.Scope, q Query, field string, limit int) ([]ValueCount, error)
	Stats(ctx context.Context) (Stats, error)
	Close() error
}

package api

import (
	"context"
	"net/http"
	"time"

	"noroshi/access"
	"noroshi/analyse/pdns"
	"noroshi/eventstore"
)

func (a *API) search() {
	register(a, op{"search", http.MethodGet, "/search", "Events by LogsQL, the newest first", access.SearchEvents}, a.searchRows)
	register(a, op{"histogram", http.MethodGet, "/search/histogram", "How many events over time", access.SearchEvents}, a.histogram)
	register(a, op{"fields", http.MethodGet, "/search/fields", "The fields that the events have", access.SearchEvents},
		func(ctx context.Context, s access.Scope, in *QueryInput) (*struct{ Body Items[eventstore.ValueCount] }, error) {
			list, err := a.b.Events.FieldNames(ctx, s, in.query(a.b.Now()))
			return items(list), err
		})
	register(a, op{"values", http.MethodGet, "/search/values", "The most frequent values of a field", access.SearchEvents},
		func(ctx context.Context, s access.Scope, in *valuesInput) (*struct{ Body Items[eventstore.ValueCount] }, error) {
			list, err := a.b.Events.FieldValues(ctx, s, in.query(a.b.Now()), in.Field, in.Limit)
			return items(list), err
		})
	register(a, op{"pdns", http.MethodGet, "/pdns", "Passive DNS: by name, *.name or data", access.SearchEvents},
		func(ctx context.Context, s access.Scope, in *struct {
			Q string `query:"q" maxLength:"300" required:"true"`
		}) (*struct{ Body Items[pdns.Entry] }, error) {
			list, err := a.b.PDNS.Lookup(ctx, s, in.Q, 500)
			return items(list), err
		})
}

// QueryInput is a LogsQL query over a span of time.
type QueryInput struct {
	Q     string    `query:"q" maxLength:"8192" doc:"LogsQL; empty means everything"`
	From  time.Time `query:"from" doc:"RFC 3339; an hour ago when left out"`
	To    time.Time `query:"to" doc:"RFC 3339; now when left out"`
	Limit int       `query:"limit" minimum:"1" maximum:"10000" default:"200"`
}

func (in QueryInput) query(now time.Time) eventstore.Query {
	q := eventstore.Query{LogsQL: in.Q, From: in.From, To: in.To, Limit: in.Limit}
	if q.To.IsZero() {
		q.To = now.Add(time.Minute) // Clocks differ a little.
	}
	if q.From.IsZero() {
		q.From = q.To.Add(-time.Hour)
	}
	return q
}

type valuesInput struct {
	QueryInput
	Field string `query:"field" maxLength:"200" required:"true"`
}

// SearchResult is the rows of a query.
type SearchResult struct {
	Rows      []eventstore.Record `json:"rows"`
	TookMS    float64             `json:"took_ms"`
	Truncated bool                `json:"truncated"` // there may be more than the limit
}

func (a *API) searchRows(ctx context.Context, s access.Scope, in *QueryInput) (*struct{ Body SearchResult }, error) {
	start := time.Now()
	rows, err := a.b.Events.Search(ctx, s, in.query(a.b.Now()))
	r := SearchResult{Rows: append([]eventstore.Record{}, rows...), TookMS: float64(time.Since(start).Microseconds()) / 1000, Truncated: len(rows) == in.Limit}
	return &struct{ Body SearchResult }{r}, err
}

type buckets struct {
	Buckets []eventstore.Bucket `json:"buckets"`
	StepS   int                 `json:"step_s"`
}

func (a *API) histogram(ctx context.Context, s access.Scope, in *QueryInput) (*struct{ Body buckets }, error) {
	q := in.query(a.b.Now())
	step := max(time.Second, (q.To.Sub(q.From) / 120).Truncate(time.Second))
	list, err := a.b.Events.Histogram(ctx, s, q, step)
	return &struct{ Body buckets }{buckets{append([]eventstore.Bucket{}, list...), int(step / time.Second)}}, err
}

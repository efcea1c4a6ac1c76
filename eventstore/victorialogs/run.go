package victorialogs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"noroshi/eventstore"
	"noroshi/fault"
)

var (
	errSlow = errors.New("the query took too long")
	errWide = errors.New("the answer is too large")
)

// forReader runs what a reader asked for: few at a time, and not for long.
func (s *Store) forReader(ctx context.Context, fn func(ctx context.Context) error) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := context.WithTimeoutCause(ctx, eventstore.Timeout, errSlow)
	defer cancel()
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return fault.As(fault.Unavailable, "victorialogs.query", context.Cause(ctx), "too many searches run at once; try again")
	}
	s.freshen(time.Now())
	return fn(ctx)
}

// run executes a query and collects copies of its rows, at most limit. What it
// returns is whole: the engine itself takes an interrupted query for a finished
// one.
func (s *Store) run(ctx context.Context, ids []logstorage.TenantID, q *logstorage.Query, limit int) (rows []eventstore.Record, err error) {
	const op = "victorialogs.query"
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer func() {
		if r := recover(); r != nil {
			rows, err = nil, fault.As(fault.Invalid, op, fmt.Errorf("%v", r), "the query cannot be run")
		}
	}()
	c := collector{limit: limit, stop: cancel}
	var qs logstorage.QueryStats
	err = s.storage.RunQuery(logstorage.NewQueryContext(ctx, &qs, ids, q, false, nil), c.take)
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errSlow):
		return nil, fault.As(fault.Exhausted, op, cause, "the query took longer than %s; narrow the span of time or the filter", eventstore.Timeout)
	case errors.Is(cause, errWide):
		return nil, fault.As(fault.TooLarge, op, cause, "the answer is larger than %d MiB; ask for fewer rows, or for some fields only", eventstore.MaxAnswer>>20)
	case cause != nil:
		return nil, fault.As(fault.Unavailable, op, cause, "the query was given up")
	case err != nil:
		return nil, fault.As(fault.Invalid, op, err, "the query cannot be run: %s", clip(err.Error()))
	}
	return c.rows, nil
}

// collector gathers rows from the engine's workers, within bounds.
type collector struct {
	limit int
	stop  func(error)

	mu    sync.Mutex
	rows  []eventstore.Record
	bytes int
}

func (c *collector) take(_ uint, db *logstorage.DataBlock) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := min(db.RowsCount(), c.limit-len(c.rows))
	if n <= 0 || c.bytes > eventstore.MaxAnswer {
		return
	}
	rows := make([]eventstore.Record, n)
	for i := range rows {
		rows[i].Fields = map[string]string{}
	}
	for _, col := range db.GetColumns(false) {
		if col.Name == "_stream" || col.Name == "_stream_id" {
			continue // The store's own, with its number of the organisation.
		}
		name := strings.Clone(col.Name)
		for i, v := range col.Values[:n] {
			if v == "" {
				continue
			}
			if c.bytes += len(v) + 48; c.bytes > eventstore.MaxAnswer {
				c.stop(errWide)
				return
			}
			if name == "_time" {
				if t, err := time.Parse(time.RFC3339Nano, v); err == nil {
					rows[i].Time = t
					continue
				}
			}
			rows[i].Fields[name] = strings.Clone(v)
		}
	}
	c.rows = append(c.rows, rows...)
}

package victorialogs

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"noroshi/eventstore"
	"noroshi/eventstore/logsql"
	"noroshi/fault"
)

// run answers a question with copies of the rows. What it returns is whole: the
// engine itself takes an interrupted query for a finished one.
func (s *Store) run(ctx context.Context, q logsql.Question) (rows []eventstore.Record, err error) {
	const op = "victorialogs.query"
	leave, err := s.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	if q.Also != "" {
		also, err := logstorage.ParseFilter(q.Also)
		if err != nil {
			return nil, fault.Wrap(op, err)
		}
		q.Query.AddExtraFilters(also)
	}
	s.freshen(time.Now())
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer func() {
		if r := recover(); r != nil {
			rows, err = nil, fault.As(fault.Invalid, op, fmt.Errorf("%v", r), "the query cannot be run")
		}
	}()
	c := collector{limit: q.Limit, stop: cancel}
	var qs logstorage.QueryStats
	err = s.storage.RunQuery(logstorage.NewQueryContext(ctx, &qs, tenants(q.Tenants...), q.Query, false, logsql.Hidden), c.take)
	if ended := logsql.Ended(ctx); ended != nil {
		return nil, ended
	}
	if err != nil {
		return nil, fault.As(fault.Invalid, op, err, "the query cannot be run: %s", logsql.Clip(err.Error()))
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
		if slices.Contains(logsql.Own, col.Name) {
			continue
		}
		name := strings.Clone(col.Name)
		for i, v := range col.Values[:n] {
			if v == "" {
				continue
			}
			if c.bytes += len(v) + 48; c.bytes > eventstore.MaxAnswer {
				c.stop(logsql.TooWide())
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

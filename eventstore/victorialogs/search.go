package victorialogs

import (
	"context"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"noroshi/access"
	"noroshi/event"
	"noroshi/eventstore"
	"noroshi/fault"
)

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

// parse reads a person's LogsQL. The span of time and the tenants are given
// outside the text, and an option of the text that would lift the span is
// refused.
func parse(q eventstore.Query) (*logstorage.Query, error) {
	const op = "victorialogs.parse"
	text := strings.TrimSpace(q.LogsQL)
	if text == "" {
		text = "*"
	}
	if len(text) > eventstore.MaxQuery {
		return nil, fault.New(fault.TooLarge, op, "the query is %d bytes; at most %d are allowed", len(text), eventstore.MaxQuery)
	}
	if strings.Contains(strings.ToLower(text), "options(") {
		return nil, fault.New(fault.Invalid, op, "query options are not allowed here")
	}
	p, err := logstorage.ParseQuery(text)
	if err != nil {
		return nil, fault.As(fault.Invalid, op, err, "the query cannot be read: %v", err)
	}
	from, to := q.From, q.To
	if from.IsZero() {
		from = time.Unix(0, 0)
	}
	if to.IsZero() {
		to = time.Now().Add(24 * time.Hour)
	}
	p.AddTimeFilter(from.UnixNano(), to.UnixNano()-1)
	return p, nil
}

// run executes a parsed query and collects copies of its rows.
func (s *Store) run(ctx context.Context, ids []logstorage.TenantID, q *logstorage.Query, limit int) ([]eventstore.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, eventstore.Timeout)
	defer cancel()
	var mu sync.Mutex
	var out []eventstore.Record
	var qs logstorage.QueryStats
	err := s.storage.RunQuery(logstorage.NewQueryContext(ctx, &qs, ids, q, false, nil), func(_ uint, db *logstorage.DataBlock) {
		rows := records(db)
		mu.Lock()
		defer mu.Unlock()
		if len(out) < limit {
			out = append(out, rows...)
		}
	})
	if err != nil {
		if ctx.Err() != nil {
			return nil, fault.As(fault.Exhausted, "victorialogs.query", err, "the query took longer than %s; narrow the span of time or the filter", eventstore.Timeout)
		}
		return nil, fault.As(fault.Invalid, "victorialogs.query", err, "the query cannot be run: %v", err)
	}
	if len(out) > limit {
		out = out[:limit]
	}
	return out, nil
}

func records(db *logstorage.DataBlock) []eventstore.Record {
	out := make([]eventstore.Record, db.RowsCount())
	for i := range out {
		out[i].Fields = map[string]string{}
	}
	for _, c := range db.GetColumns(false) {
		name := strings.Clone(c.Name)
		for i, v := range c.Values {
			if v == "" {
				continue
			}
			if name == "_time" {
				if t, err := time.Parse(time.RFC3339Nano, v); err == nil {
					out[i].Time = t
				}
				continue
			}
			out[i].Fields[name] = strings.Clone(v)
		}
	}
	return out
}

// Search returns the rows of a query, newest first where it has a time.
func (s *Store) Search(ctx context.Context, sc access.Scope, q eventstore.Query) ([]eventstore.Record, error) {
	p, err := parse(q)
	if err != nil {
		return nil, err
	}
	if len(sc.Tenants()) == 0 {
		return nil, nil
	}
	limit := q.Limit
	if limit <= 0 || limit > eventstore.MaxLimit {
		limit = eventstore.MaxLimit
	}
	timed := p.CanReturnLastNResults()
	if timed {
		p.AddPipeSortByTimeDesc()
	}
	p.AddPipeOffsetLimit(0, uint64(limit))
	rows, err := s.run(ctx, tenants(sc.Tenants()), p, limit)
	if timed {
		sort.SliceStable(rows, func(i, j int) bool { return rows[i].Time.After(rows[j].Time) })
	}
	return rows, err
}

// Histogram counts the rows of the query's filter per step.
func (s *Store) Histogram(ctx context.Context, sc access.Scope, q eventstore.Query, step time.Duration) ([]eventstore.Bucket, error) {
	p, err := parse(q)
	if err != nil {
		return nil, err
	}
	if len(sc.Tenants()) == 0 {
		return nil, nil
	}
	if step < time.Second || q.From.IsZero() || q.To.Sub(q.From)/step > 2000 {
		return nil, fault.New(fault.Invalid, "victorialogs.histogram", "the span of time must be given, with at most 2,000 steps of a second or more")
	}
	p.DropAllPipes()
	p.AddCountByTimePipe(int64(step), 0, nil)
	rows, err := s.run(ctx, tenants(sc.Tenants()), p, 4000)
	if err != nil {
		return nil, err
	}
	out := make([]eventstore.Bucket, 0, len(rows))
	for _, r := range rows {
		out = append(out, eventstore.Bucket{Start: r.Time, Count: number(r.Fields["hits"])})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Start.Before(out[j].Start) })
	return out, nil
}

func number(s string) int64 {
	var n int64
	for _, c := range s {
		if c < '0' || c > '9' {
			break
		}
		n = n*10 + int64(c-'0')
	}
	return n
}

// FieldNames lists the names of the fields that the query's rows have.
func (s *Store) FieldNames(ctx context.Context, sc access.Scope, q eventstore.Query) ([]eventstore.ValueCount, error) {
	return s.values(ctx, sc, q, func(qc *logstorage.QueryContext) ([]logstorage.ValueWithHits, error) {
		return s.storage.GetFieldNames(qc, "")
	})
}

// FieldValues lists the most frequent values of a field.
func (s *Store) FieldValues(ctx context.Context, sc access.Scope, q eventstore.Query, field string, limit int) ([]eventstore.ValueCount, error) {
	if limit <= 0 || limit > 1000 {
		limit = 1000
	}
	list, err := s.values(ctx, sc, q, func(qc *logstorage.QueryContext) ([]logstorage.ValueWithHits, error) {
		return s.storage.GetFieldValues(qc, field, "", uint64(limit))
	})
	return list[:min(len(list), limit)], err
}

func (s *Store) values(ctx context.Context, sc access.Scope, q eventstore.Query, ask func(*logstorage.QueryContext) ([]logstorage.ValueWithHits, error)) ([]eventstore.ValueCount, error) {
	p, err := parse(q)
	if err != nil || len(sc.Tenants()) == 0 {
		return nil, err
	}
	p.DropAllPipes()
	ctx, cancel := context.WithTimeout(ctx, eventstore.Timeout)
	defer cancel()
	var qs logstorage.QueryStats
	list, err := ask(logstorage.NewQueryContext(ctx, &qs, tenants(sc.Tenants()), p, false, nil))
	if err != nil {
		return nil, fault.As(fault.Invalid, "victorialogs.values", err, "the query cannot be run: %v", err)
	}
	out := make([]eventstore.ValueCount, 0, len(list))
	for _, v := range list {
		if v.Value != "" && !strings.HasPrefix(v.Value, "_stream") {
			out = append(out, eventstore.ValueCount{Value: strings.Clone(v.Value), Count: int64(v.Hits)})
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Count > out[j].Count })
	return out, nil
}

// Known tells which events of a tenant are stored already.
func (s *Store) Known(ctx context.Context, tenant uint32, uids []string, from, to time.Time) (map[string]bool, error) {
	quoted := make([]string, len(uids))
	for i, u := range uids {
		quoted[i] = quote(u)
	}
	p, err := logstorage.ParseQuery(`"metadata.uid":in(` + strings.Join(quoted, ",") + `) | fields "metadata.uid"`)
	if err != nil {
		return nil, fault.Wrap("victorialogs.known", err)
	}
	p.AddTimeFilter(from.UnixNano(), to.UnixNano())
	rows, err := s.run(ctx, tenants([]uint32{tenant}), p, 2*len(uids))
	have := make(map[string]bool, len(rows))
	for _, r := range rows {
		have[r.Fields["metadata.uid"]] = true
	}
	return have, err
}

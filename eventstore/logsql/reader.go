package logsql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"noroshi/access"
	"noroshi/eventstore"
	"noroshi/fault"
)

// Question is a query over the rows of some tenants, and of these over the ones
// that Also lets through: a filter may be larger than a query's text may.
type Question struct {
	Tenants []uint32
	Query   *logstorage.Query
	Also    string // a filter, or ""
	At      time.Time
	Limit   int  // rows of the answer
	Fresh   bool // what was made findable a moment ago is to be found: nothing remembered will do
}

// Engine answers a question with copies of the rows that the query leaves. What
// it returns is whole, or an error.
type Engine func(ctx context.Context, q Question) ([]eventstore.Record, error)

// Reader answers what readers ask of a store, by LogsQL. A driver embeds one.
type Reader struct {
	run       Engine
	retention time.Duration
	slots     chan struct{} // one for each question under way
}

// maxQueries is how many questions run at once; each may take a part of the
// memory.
const maxQueries = 4

// NewReader makes a reader over an engine that keeps rows for a time.
func NewReader(run Engine, retention time.Duration) *Reader {
	return &Reader{run: run, retention: retention, slots: make(chan struct{}, maxQueries)}
}

var (
	errSlow = errors.New("the query took too long")
	errWide = errors.New("the answer is too large")
)

// TooWide is what an engine returns whose answer is larger than MaxAnswer.
func TooWide() error {
	return fault.As(fault.TooLarge, "logsql.query", errWide, "the answer is larger than %d MiB; ask for fewer rows, or for some fields only", eventstore.MaxAnswer>>20)
}

// Hidden are the columns that no query can read: a stream's name holds what the
// driver adds to rows.
var Hidden = []string{"_stream"}

// Own are the columns of the engine, with its numbers of the organisations, and
// the index. No reader gets them.
var Own = append([]string{"_stream", "_stream_id"}, indexFields[:]...)

// Ended says why a query was ended before its time, or nil when it was not.
func Ended(ctx context.Context) error {
	const op = "logsql.query"
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errSlow):
		return fault.As(fault.Exhausted, op, cause, "the query took longer than %s; narrow the span of time or the filter", eventstore.Timeout)
	case errors.Is(cause, errWide):
		return cause
	case cause != nil:
		return fault.As(fault.Unavailable, op, cause, "the query was given up")
	}
	return nil
}

// forReader runs what a reader asked for: few at a time, and not for long.
func (s *Reader) forReader(ctx context.Context, fn func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, eventstore.Timeout, errSlow)
	defer cancel()
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return fault.As(fault.Unavailable, "logsql.query", context.Cause(ctx), "too many searches run at once; try again")
	}
	return fn(ctx)
}

// ask is one question of a reader, checked and bound.
type ask struct {
	text     string   // as the engine writes it again
	also     string   // a filter of our own
	ids      []uint32 // the tenants
	from, to time.Time
	now      time.Time
}

// prepare checks a query and binds it to the scope and to what is kept. Without
// tenants there is nothing to run.
func (s *Reader) prepare(ctx context.Context, sc access.Scope, q eventstore.Query, filterOnly bool) (a ask, err error) {
	a.now = time.Now()
	p, err := guard(q.LogsQL, a.now)
	if err != nil {
		return a, err
	}
	if filterOnly {
		p.DropAllPipes()
	}
	a.text, a.ids = p.String(), sc.Tenants()
	a.from, a.to = a.now.Add(-s.retention-24*time.Hour), a.now.Add(Ahead+time.Hour)
	if q.From.After(a.from) {
		a.from = q.From
	}
	if !q.To.IsZero() && q.To.Before(a.to) {
		a.to = q.To
	}
	if !a.from.Before(a.to) {
		a.ids = nil // An empty span, or one that is not kept.
	}
	if len(q.Observables) > 0 && len(a.ids) > 0 {
		return a, s.forReader(ctx, func(ctx context.Context) error { return s.restrict(ctx, &a, q.Observables) })
	}
	return a, nil
}

// bind makes the engine's query for a span within the asked one, with pipes of
// our own at its end.
func (a ask) bind(from, to time.Time, more string) (*logstorage.Query, error) {
	p, err := parse(a.text+more, a.now)
	if err != nil {
		return nil, fault.Wrap("logsql.bind", err)
	}
	p.AddTimeFilter(from.UnixNano(), to.UnixNano()-1)
	return p, nil
}

func (a ask) question(q *logstorage.Query, limit int) Question {
	return Question{Tenants: a.ids, Query: q, Also: a.also, At: a.now, Limit: limit}
}

// counted is a name that no field of an event has.
const counted = "noroshi_count"

// Search returns the rows of a query.
func (s *Reader) Search(ctx context.Context, sc access.Scope, q eventstore.Query) ([]eventstore.Record, error) {
	a, err := s.prepare(ctx, sc, q, false)
	if err != nil || len(a.ids) == 0 {
		return nil, err
	}
	limit := q.Limit
	if limit <= 0 || limit > eventstore.MaxLimit {
		limit = eventstore.MaxLimit
	}
	var rows []eventstore.Record
	err = s.forReader(ctx, func(ctx context.Context) error {
		p, err := a.bind(a.from, a.to, "")
		if err != nil {
			return err
		}
		if !p.CanReturnLastNResults() {
			p.AddPipeOffsetLimit(0, uint64(limit))
			rows, err = s.run(ctx, a.question(p, limit))
			return err
		}
		rows, err = s.timed(ctx, a, limit, q.Oldest)
		return err
	})
	return rows, err
}

// timed returns the rows at one end of the span, in their order. A needle is asked
// for as it is: when there are no more rows than wanted, these are all. Sorting
// reads whole rows, so for a wider question it first finds, by counting, a part of
// the span that holds enough: most readers want the newest hundred of millions.
func (s *Reader) timed(ctx context.Context, a ask, limit int, oldest bool) ([]eventstore.Record, error) {
	p, err := a.bind(a.from, a.to, " | limit "+strconv.Itoa(limit+1))
	if err != nil {
		return nil, err
	}
	rows, err := s.run(ctx, a.question(p, limit+1))
	if err != nil || len(rows) <= limit {
		return inOrder(rows, oldest), err
	}
	from, to, err := s.narrow(ctx, a, limit, oldest)
	if err != nil {
		return nil, err
	}
	sort := " | sort by (_time desc) limit "
	if oldest {
		sort = " | sort by (_time) limit "
	}
	if p, err = a.bind(from, to, sort+strconv.Itoa(limit)); err != nil {
		return nil, err
	}
	rows, err = s.run(ctx, a.question(p, limit))
	return inOrder(rows, oldest), err
}

// narrow finds the part of the span, from one end, that holds enough rows.
func (s *Reader) narrow(ctx context.Context, a ask, limit int, oldest bool) (from, to time.Time, err error) {
	from, to = a.from, a.to
	for part := 10 * time.Minute; ; part *= 4 {
		if oldest {
			to = minTime(a.to, a.from.Add(part))
		} else {
			from = maxTime(a.from, minTime(a.to, a.now).Add(-part))
		}
		if from.Equal(a.from) && to.Equal(a.to) {
			return from, to, nil
		}
		n, err := s.count(ctx, a, from, to)
		if err != nil || n >= int64(limit) {
			return from, to, err
		}
	}
}

func inOrder(rows []eventstore.Record, oldest bool) []eventstore.Record {
	slices.SortStableFunc(rows, func(x, y eventstore.Record) int {
		if oldest {
			return x.Time.Compare(y.Time)
		}
		return y.Time.Compare(x.Time)
	})
	return rows
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func maxTime(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func (s *Reader) count(ctx context.Context, a ask, from, to time.Time) (int64, error) {
	p, err := a.bind(from, to, " | stats count() "+counted)
	if err != nil {
		return 0, err
	}
	rows, err := s.run(ctx, a.question(p, 1))
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	return number(rows[0].Fields[counted]), nil
}

func number(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64) // The engine writes counts in full.
	return n
}

// Histogram counts the rows of the query's filter per step.
func (s *Reader) Histogram(ctx context.Context, sc access.Scope, q eventstore.Query, step time.Duration) ([]eventstore.Bucket, error) {
	a, err := s.prepare(ctx, sc, q, true)
	if err != nil || len(a.ids) == 0 {
		return nil, err
	}
	if step < time.Second || a.to.Sub(a.from)/step > eventstore.MaxSteps {
		return nil, fault.New(fault.Invalid, "logsql.histogram", "a histogram has at most %d steps, of a second or more", eventstore.MaxSteps)
	}
	var out []eventstore.Bucket
	err = s.forReader(ctx, func(ctx context.Context) error {
		p, err := a.bind(a.from, a.to, "")
		if err != nil {
			return err
		}
		p.AddCountByTimePipe(int64(step), 0, nil)
		rows, err := s.run(ctx, a.question(p, eventstore.MaxSteps+2))
		for _, r := range rows {
			out = append(out, eventstore.Bucket{Start: r.Time, Count: number(r.Fields["hits"])})
		}
		return err
	})
	slices.SortFunc(out, func(x, y eventstore.Bucket) int { return x.Start.Compare(y.Start) })
	return out, err
}

// FieldNames lists the names of the fields that the query's rows have.
func (s *Reader) FieldNames(ctx context.Context, sc access.Scope, q eventstore.Query) ([]eventstore.ValueCount, error) {
	return s.values(ctx, sc, q, " | field_names", "name", "hits", eventstore.MaxValues)
}

// FieldValues lists the most frequent values of a field.
func (s *Reader) FieldValues(ctx context.Context, sc access.Scope, q eventstore.Query, field string, limit int) ([]eventstore.ValueCount, error) {
	if field == "" || len(field) > 128 || strings.HasSuffix(field, "*") {
		return nil, fault.New(fault.Invalid, "logsql.values", "a field's name has 1 to 128 bytes, and stands for one field")
	}
	if limit <= 0 || limit > eventstore.MaxValues {
		limit = eventstore.MaxValues
	}
	// Rows without the field have no value of it.
	more := fmt.Sprintf(" | filter %s:* | top %d by (%s) hits as %s", quote(field), limit, quote(field), counted)
	return s.values(ctx, sc, q, more, field, counted, limit)
}

func (s *Reader) values(ctx context.Context, sc access.Scope, q eventstore.Query, more, name, hits string, limit int) ([]eventstore.ValueCount, error) {
	a, err := s.prepare(ctx, sc, q, true)
	if err != nil || len(a.ids) == 0 {
		return nil, err
	}
	var out []eventstore.ValueCount
	err = s.forReader(ctx, func(ctx context.Context) error {
		p, err := a.bind(a.from, a.to, more)
		if err != nil {
			return err
		}
		rows, err := s.run(ctx, a.question(p, limit))
		for _, r := range rows {
			if v := r.Fields[name]; v != "" && !slices.Contains(Own, v) {
				out = append(out, eventstore.ValueCount{Value: v, Count: number(r.Fields[hits])})
			}
		}
		return err
	})
	slices.SortStableFunc(out, func(x, y eventstore.ValueCount) int {
		if x.Count != y.Count {
			return int(min(1, max(-1, y.Count-x.Count)))
		}
		return strings.Compare(x.Value, y.Value)
	})
	return out, err
}

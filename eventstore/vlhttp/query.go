package vlhttp

import (
	"context"
	"crypto/rand"
	"net/url"
	"strconv"
	"strings"
	"time"

	"noroshi/eventstore"
	"noroshi/eventstore/logsql"
	"noroshi/fault"
)

// orgField is what the driver keeps in each row beside the event's own fields:
// the number of the organisation.
const orgField = "org"

// maxText is the length of a query that a server takes unless told otherwise
// (-search.maxQueryLen). Filters beside the query have no such bound.
const maxText = 16 << 10

// query is a question as the server gets it.
type query struct {
	text   string
	at     time.Time // what "now" means in it
	also   string    // a filter
	scope  string    // a filter that the server adds to all subqueries as well
	reader bool      // who asks gets nothing that is hidden
	limit  int       // rows of the answer
}

// run answers a reader's question.
func (s *Store) run(ctx context.Context, q logsql.Question) ([]eventstore.Record, error) {
	leave, err := s.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	if len(q.Tenants) == 0 {
		return nil, nil // An empty filter would let everything through.
	}
	of := scope
	if q.Fresh {
		of = fresh
	}
	return s.ask(ctx, query{text: q.Query.String(), at: q.At, also: q.Also, scope: of(q.Tenants), reader: true, limit: q.Limit})
}

// scope is the filter of the streams of some organisations.
func scope(tenants []uint32) string {
	var b strings.Builder
	b.WriteString("{" + orgField + " in (")
	for i, t := range tenants {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Quote(number(t)))
	}
	b.WriteString(")}")
	return b.String()
}

// fresh is a scope that no server has seen. It remembers which streams a filter
// finds, and for a second lacks the first row of an organisation's class that day,
// though it was told to show what it has.
func fresh(tenants []uint32) string {
	return strings.TrimSuffix(scope(tenants), ")}") + "," + strconv.Quote(rand.Text()) + ")}"
}

func number(tenant uint32) string { return strconv.FormatUint(uint64(tenant), 10) }

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000000Z") }

// ask sends a query and reads its rows. An answer that the server could not
// finish is an error: it breaks the connection off.
func (s *Store) ask(ctx context.Context, q query) ([]eventstore.Record, error) {
	const op = "vlhttp.query"
	if len(q.text) > maxText {
		return nil, fault.New(fault.TooLarge, op, "the query is %d bytes when it is written out; the event store takes %d", len(q.text), maxText)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	form := url.Values{"query": {q.text}, "time": {stamp(q.at)}, "allow_partial_response": {"0"}}
	for name, v := range map[string]string{"extra_filters": q.also, "extra_stream_filters": q.scope} {
		if v != "" {
			form.Set(name, v)
		}
	}
	if q.reader {
		form.Set("hidden_fields_filters", strings.Join(append([]string{orgField}, logsql.Hidden...), ","))
	}
	body, err := s.send(ctx, op, request{url: s.cfg.Select + "/select/logsql/query", form: form, again: true})
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	rows, err := readAnswer(body, q.limit)
	if err != nil && fault.KindOf(err) == fault.Internal {
		return nil, away(ctx, op, err)
	}
	return rows, err
}

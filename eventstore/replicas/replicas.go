// Package replicas reads from several stores that hold the same events, each fed
// on its own: a question goes to one of them, the healthier, and when that one
// fails it goes as a whole to the next. No answer is made of two stores. It
// appends nothing and knows no engine; package app gives it its stores.
package replicas

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"noroshi/access"
	"noroshi/eventstore"
	"noroshi/fault"
)

// Member is one of the stores.
type Member struct {
	Name  string
	Store eventstore.Reader
	// Behind tells how far what was fed to it is behind what there is; nil means
	// that nobody knows, and counts as not at all.
	Behind func() time.Duration
}

// Health is how one of the stores is.
type Health struct {
	Name    string        `json:"name"`
	Up      bool          `json:"up"`
	Since   time.Time     `json:"since"` // it has been up, or down
	Error   string        `json:"error,omitempty"`
	Latency time.Duration `json:"latency"`
	Behind  time.Duration `json:"behind"`
	Serving bool          `json:"serving"` // questions go there first
}

// Reader reads from the healthier store.
type Reader struct {
	log     *slog.Logger
	members []*member

	mu      sync.Mutex
	current *member
}

var _ eventstore.Reader = (*Reader)(nil)

// New makes a reader; Run keeps looking how the stores are. Until it has looked
// they count as well.
func New(members []Member, log *slog.Logger) (*Reader, error) {
	if len(members) == 0 {
		return nil, fault.New(fault.Invalid, "replicas.new", "there is no event store to read from")
	}
	r := &Reader{log: log}
	for _, m := range members {
		r.members = append(r.members, newMember(m))
	}
	r.current = r.members[0]
	return r, nil
}

var errDown = errors.New("the event store went away")

// ask puts a question to one store after the other until one answers.
func ask[T any](ctx context.Context, r *Reader, question func(ctx context.Context, s eventstore.Reader) (T, error)) (T, error) {
	var none T
	var last error
	for _, m := range r.order() {
		v, err := once(ctx, m, question)
		if err == nil {
			return v, nil
		}
		if ctx.Err() != nil || fault.KindOf(err) != fault.Unavailable {
			return none, err
		}
		m.doubt(err)
		last = err
		r.log.Warn("an event store did not answer; the next one is asked", "store", m.Name, "err", err)
	}
	return none, fault.Wrap("replicas.ask", last)
}

// once asks one store, for as long as it is there.
func once[T any](ctx context.Context, m *member, question func(ctx context.Context, s eventstore.Reader) (T, error)) (T, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(m.life(), func() { cancel(errDown) })()
	return question(ctx, m.Store)
}

// Search asks one store.
func (r *Reader) Search(ctx context.Context, sc access.Scope, q eventstore.Query) ([]eventstore.Record, error) {
	return ask(ctx, r, func(ctx context.Context, s eventstore.Reader) ([]eventstore.Record, error) {
		return s.Search(ctx, sc, q)
	})
}

// Histogram asks one store.
func (r *Reader) Histogram(ctx context.Context, sc access.Scope, q eventstore.Query, step time.Duration) ([]eventstore.Bucket, error) {
	return ask(ctx, r, func(ctx context.Context, s eventstore.Reader) ([]eventstore.Bucket, error) {
		return s.Histogram(ctx, sc, q, step)
	})
}

// FieldNames asks one store.
func (r *Reader) FieldNames(ctx context.Context, sc access.Scope, q eventstore.Query) ([]eventstore.ValueCount, error) {
	return ask(ctx, r, func(ctx context.Context, s eventstore.Reader) ([]eventstore.ValueCount, error) {
		return s.FieldNames(ctx, sc, q)
	})
}

// FieldValues asks one store.
func (r *Reader) FieldValues(ctx context.Context, sc access.Scope, q eventstore.Query, field string, limit int) ([]eventstore.ValueCount, error) {
	return ask(ctx, r, func(ctx context.Context, s eventstore.Reader) ([]eventstore.ValueCount, error) {
		return s.FieldValues(ctx, sc, q, field, limit)
	})
}

// Stats are those of one store; Health tells of all.
func (r *Reader) Stats(ctx context.Context) (eventstore.Stats, error) {
	return ask(ctx, r, func(ctx context.Context, s eventstore.Reader) (eventstore.Stats, error) { return s.Stats(ctx) })
}

// Ping is good when one store answers.
func (r *Reader) Ping(ctx context.Context) error {
	_, err := ask(ctx, r, func(ctx context.Context, s eventstore.Reader) (struct{}, error) { return struct{}{}, s.Ping(ctx) })
	return err
}

// DeleteTenant deletes in every store: nil means that it is gone from all.
func (r *Reader) DeleteTenant(ctx context.Context, tenant uint32, before time.Time) error {
	errs := make([]error, len(r.members))
	var all sync.WaitGroup
	for i, m := range r.members {
		all.Go(func() { errs[i] = m.Store.DeleteTenant(ctx, tenant, before) })
	}
	all.Wait()
	return fault.Wrap("replicas.delete", errors.Join(errs...))
}

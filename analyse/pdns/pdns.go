// Package pdns keeps passive DNS: which name had which data, first and last
// seen and how often, by organisation. The ingest loop shows it every event and
// commits what it gathered together with the mark of the bus, so that a batch
// delivered twice is counted once. The API looks names and data up. What the
// platform itself answered to block a name is no data of that name.
package pdns

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"noroshi/event"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
)

// Bounds of what is gathered in memory.
const (
	Enough   = 100_000 // pairs after which Full asks for a Commit
	maxPairs = 400_000 // pairs after which new ones are left out, and counted
)

// Bounds of one pair, from RFC 1035 and from what PostgreSQL indexes.
const (
	maxName = 255
	maxType = 16
	maxData = 1024
)

type key struct {
	org              ident.ID
	name, kind, data string
}

func (k key) compare(o key) int {
	return cmp.Or(cmp.Compare(k.org, o.org), cmp.Compare(k.name, o.name), cmp.Compare(k.kind, o.kind), cmp.Compare(k.data, o.data))
}

// clone is a key that does not hold on to the event in which it was seen.
func (k key) clone() key {
	return key{k.org, strings.Clone(k.name), strings.Clone(k.kind), strings.Clone(k.data)}
}

type seen struct{ first, last, count int64 }

// Store gathers and keeps.
type Store struct {
	db      *ledger.DB
	reader  string // whose mark is kept: the row of ingest_mark
	dropped atomic.Uint64

	mu  sync.Mutex
	now map[key]seen

	commit sync.Mutex // held by Commit
	stuck  *batch     // what a Commit could not be sure to have kept
}

type batch struct {
	pairs map[key]seen
	mark  uint64
}

// New opens the store for one reader of the bus, whose mark it keeps. The name
// says the life of the bus's stream too: its sequences mean nothing in another.
func New(db *ledger.DB, reader string) *Store {
	return &Store{db: db, reader: "pdns." + reader, now: map[key]seen{}}
}

// Observe gathers the answers of one event.
func (s *Store) Observe(org ident.ID, e *event.Event) {
	if e.ClassUID != event.DNSActivity || e.Query == nil || len(e.Answers) == 0 || e.DispositionID == event.DispositionBlocked {
		return
	}
	name := normal(e.Query.Hostname)
	if name == "" || len(name) > maxName {
		return // The event itself is kept whole.
	}
	at := time.UnixMilli(e.Time).UnixMicro()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range e.Answers {
		a := &e.Answers[i]
		k := key{org, name, keepable(a.Type), keepable(strings.TrimSuffix(a.Normal(), "."))}
		if len(k.kind) > maxType || len(k.data) > maxData {
			continue
		}
		x, known := s.now[k]
		if !known && len(s.now) >= maxPairs {
			s.dropped.Add(1)
			continue
		}
		if !known {
			x.first = at
			k = k.clone()
		}
		x.first, x.last, x.count = min(x.first, at), max(x.last, at), x.count+1
		s.now[k] = x
	}
}

func normal(name string) string {
	return keepable(strings.TrimSuffix(strings.ToLower(name), "."))
}

// keepable makes text that the ledger takes, so that one strange answer does not
// hold up all others.
func keepable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// Full tells that much has been gathered: a Commit should not wait.
func (s *Store) Full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.now) >= Enough
}

// Dropped counts the answers that were left out because nothing was committed
// for too long.
func (s *Store) Dropped() uint64 { return s.dropped.Load() }

// Mark is the highest sequence of the bus that was committed.
func (s *Store) Mark(ctx context.Context) (uint64, error) {
	var n uint64
	err := s.db.Read(ctx, func(q ledger.Queryer) (err error) {
		n, err = s.mark(ctx, q)
		return err
	})
	return n, fault.Wrap("pdns.mark", err)
}

func (s *Store) mark(ctx context.Context, q ledger.Queryer) (uint64, error) {
	var n int64
	err := q.QueryRow(ctx, `SELECT seq FROM ingest_mark WHERE name = ?`, s.reader).Scan(&n)
	if ledger.NoRows(err) {
		return 0, nil
	}
	return uint64(n), err
}

// Commit makes durable what was gathered of batches up to mark. It may be called
// again after an error, with the same mark or a later one: what the failed call
// did keep is not counted twice. Events must not be observed meanwhile.
func (s *Store) Commit(ctx context.Context, mark uint64) error {
	s.commit.Lock()
	defer s.commit.Unlock()
	if s.stuck != nil {
		if err := s.write(ctx, s.stuck); err != nil {
			return fault.Wrap("pdns.commit", err)
		}
		s.stuck = nil
	}
	s.mu.Lock()
	b := &batch{s.now, mark}
	s.now = map[key]seen{}
	s.mu.Unlock()
	if len(b.pairs) == 0 {
		return nil // A batch without answers may be observed again.
	}
	err := s.write(ctx, b)
	if err != nil {
		s.stuck = b
	}
	return fault.Wrap("pdns.commit", err)
}

// perInsert is how many pairs go in one statement.
const perInsert = 100

func (s *Store) write(ctx context.Context, b *batch) error {
	keys := make([]key, 0, len(b.pairs))
	for k := range b.pairs {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, key.compare)
	return s.db.Write(ctx, "hub:pdns", func(tx *ledger.Tx) error {
		kept, err := s.mark(ctx, tx)
		if err != nil || kept >= b.mark {
			return err // It was kept, though its Commit did not hear so.
		}
		for part := range slices.Chunk(keys, perInsert) {
			if err := insert(ctx, tx, part, b.pairs); err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, `INSERT INTO ingest_mark (name, seq) VALUES (?,?) ON CONFLICT (name) DO UPDATE SET seq = excluded.seq`, s.reader, int64(b.mark))
		return err
	})
}

func insert(ctx context.Context, tx *ledger.Tx, keys []key, pairs map[key]seen) error {
	args := make([]any, 0, 8*len(keys))
	for _, k := range keys {
		x := pairs[k]
		args = append(args, string(k.org), k.name, reversed(k.name), k.kind, k.data, x.first, x.last, x.count)
	}
	_, err := tx.Exec(ctx, `INSERT INTO passive_dns (org, name, reversed, type, data, first, last, count)
		VALUES (?,?,?,?,?,?,?,?)`+strings.Repeat(`,(?,?,?,?,?,?,?,?)`, len(keys)-1)+`
		ON CONFLICT (org, name, type, data) DO UPDATE SET
		first = CASE WHEN excluded.first < passive_dns.first THEN excluded.first ELSE passive_dns.first END,
		last = CASE WHEN excluded.last > passive_dns.last THEN excluded.last ELSE passive_dns.last END,
		count = passive_dns.count + excluded.count`, args...)
	return err
}

// reversed is a name from its end, character by character.
func reversed(name string) string {
	r := []rune(name)
	slices.Reverse(r)
	return string(r)
}

// ForgetOrg removes what an organisation last saw before a moment; the zero time
// means all, and then also what was gathered and not kept yet.
func (s *Store) ForgetOrg(ctx context.Context, org ident.ID, before time.Time) (n int64, err error) {
	query, args := `DELETE FROM passive_dns WHERE org = ?`, []any{string(org)}
	if before.IsZero() {
		s.mu.Lock()
		for k := range s.now {
			if k.org == org {
				delete(s.now, k)
			}
		}
		s.mu.Unlock()
	} else {
		query += ` AND last < ?`
		args = append(args, ledger.Micros(before))
	}
	err = s.db.Write(ctx, "hub:care", func(tx *ledger.Tx) error {
		r, err := tx.Exec(ctx, query, args...)
		if err != nil {
			return err
		}
		n, err = r.RowsAffected()
		return err
	})
	return n, fault.Wrap("pdns.forget_org", err)
}

// Forget removes what was last seen before a moment, and returns how many pairs.
func (s *Store) Forget(ctx context.Context, before time.Time) (n int64, err error) {
	err = s.db.Write(ctx, "hub:pdns", func(tx *ledger.Tx) error {
		r, err := tx.Exec(ctx, `DELETE FROM passive_dns WHERE last < ?`, ledger.Micros(before))
		if err != nil {
			return err
		}
		n, err = r.RowsAffected()
		return err
	})
	return n, fault.Wrap("pdns.forget", err)
}

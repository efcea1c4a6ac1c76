// Package pdns keeps passive DNS: which name had which data, first and last
// seen and how often, by organisation. The ingest loop shows it every resolver
// event and commits what it gathered together with the mark of the bus, so that
// a batch delivered twice is counted once. The API looks names and data up.
package pdns

import (
	"context"
	"strings"
	"sync"
	"time"

	"noroshi/access"
	"noroshi/event"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
)

type key struct {
	org              ident.ID
	name, kind, data string
}

type seen struct{ first, last, count int64 }

// Store gathers and keeps.
type Store struct {
	db *ledger.DB

	mu  sync.Mutex
	now map[key]seen
}

// New opens the store.
func New(db *ledger.DB) *Store { return &Store{db: db, now: map[key]seen{}} }

const markName = "pdns"

// Mark is the highest sequence of the bus that was committed.
func (s *Store) Mark(ctx context.Context) (uint64, error) {
	var n int64
	err := s.db.Read(ctx, func(q ledger.Queryer) error {
		err := q.QueryRow(ctx, `SELECT seq FROM ingest_mark WHERE name = ?`, markName).Scan(&n)
		if ledger.NoRows(err) {
			return nil
		}
		return err
	})
	return uint64(n), fault.Wrap("pdns.mark", err)
}

// Observe gathers the answers of one event.
func (s *Store) Observe(org ident.ID, e *event.Event) {
	if e.ClassUID != event.DNSActivity || e.Query == nil {
		return
	}
	at := e.Time * 1000
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range e.Answers {
		k := key{org, e.Query.Hostname, a.Type, strings.TrimSuffix(strings.ToLower(a.RData), ".")}
		if len(k.data) > 1024 || len(k.name) > 255 {
			continue // No data of a name is longer; the event itself is kept whole.
		}
		x, ok := s.now[k]
		if !ok {
			x.first = at
		}
		x.first, x.last = min(x.first, at), max(x.last, at)
		x.count++
		s.now[k] = x
	}
}

// Commit makes what was gathered durable, with its mark.
func (s *Store) Commit(ctx context.Context, mark uint64) error {
	s.mu.Lock()
	batch := s.now
	s.now = map[key]seen{}
	s.mu.Unlock()
	err := s.db.Write(ctx, "hub:pdns", func(tx *ledger.Tx) error {
		for k, x := range batch {
			_, err := tx.Exec(ctx, `INSERT INTO passive_dns (org, name, type, data, first, last, count) VALUES (?,?,?,?,?,?,?)
				ON CONFLICT (org, name, type, data) DO UPDATE SET
				first = CASE WHEN excluded.first < passive_dns.first THEN excluded.first ELSE passive_dns.first END,
				last = CASE WHEN excluded.last > passive_dns.last THEN excluded.last ELSE passive_dns.last END,
				count = passive_dns.count + excluded.count`, string(k.org), k.name, k.kind, k.data, x.first, x.last, x.count)
			if err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, `INSERT INTO ingest_mark (name, seq) VALUES (?,?) ON CONFLICT (name) DO UPDATE SET seq = excluded.seq`, markName, int64(mark))
		return err
	})
	if err != nil {
		s.putBack(batch)
	}
	return fault.Wrap("pdns.commit", err)
}

func (s *Store) putBack(batch map[key]seen) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, x := range batch {
		if y, ok := s.now[k]; ok {
			x.first, x.last, x.count = min(x.first, y.first), max(x.last, y.last), x.count+y.count
		}
		s.now[k] = x
	}
}

// Entry is one pair of name and data.
type Entry struct {
	Org   ident.ID  `json:"org"`
	Name  string    `json:"name"`
	Type  string    `json:"type"`
	Data  string    `json:"data"`
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
	Count int64     `json:"count"`
}

// Lookup finds entries by name, by "*.name" for everything below one, or by
// data.
func (s *Store) Lookup(ctx context.Context, sc access.Scope, q string, limit int) ([]Entry, error) {
	q = strings.TrimSuffix(strings.ToLower(strings.TrimSpace(q)), ".")
	if q == "" || len(q) > 255 {
		return nil, fault.New(fault.Invalid, "pdns.lookup", "give a name, *.name for all below it, or data such as an address")
	}
	in, args := ledger.In(sc.Orgs())
	where := `(name = ? OR data = ?)`
	args = append(args, q, q)
	if below, ok := strings.CutPrefix(q, "*."); ok {
		where = `name LIKE ? ESCAPE '\'`
		args = append(args[:len(args)-2], strings.TrimSuffix(ledger.Like("."+below), "%"))
	}
	var out []Entry
	err := s.db.Read(ctx, func(r ledger.Queryer) error {
		rows, err := r.Query(ctx, `SELECT org, name, type, data, first, last, count FROM passive_dns WHERE org IN `+in+` AND `+where+` ORDER BY last DESC, name, data LIMIT 500`, args...)
		return ledger.Each(rows, err, func(scan func(...any) error) error {
			var e Entry
			var first, last int64
			if err := scan(&e.Org, &e.Name, &e.Type, &e.Data, &first, &last, &e.Count); err != nil {
				return err
			}
			e.First, e.Last = ledger.Time(first), ledger.Time(last)
			out = append(out, e)
			return nil
		})
	})
	return out[:min(len(out), limit)], fault.Wrap("pdns.lookup", err)
}

package pdns

import (
	"cmp"
	"context"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
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
	Enough   = 100_000 // pairs after which Full asks for a Cut and a Commit
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

// parts is in how many transactions, each with a mark of its own, names are kept:
// findings and decisions, which write to the ledger too, wait for one of them.
const parts = 8

// part is where a name belongs.
func (k key) part() int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(k.name)) // It never fails.
	return int(h.Sum32() % parts)
}

// Gatherer gathers what the ingest sees, and keeps it.
type Gatherer struct {
	db      *ledger.DB
	reader  string        // whose marks are kept: the rows of ingest_mark
	kept    [parts]uint64 // the marks as they were at the start
	dropped atomic.Uint64

	mu    sync.Mutex
	now   pairs
	cut   []*batch // closed and not known to be kept, oldest first
	count int      // pairs in memory

	commit sync.Mutex // held by Commit
}

type pairs [parts]map[key]seen

type batch struct {
	pairs
	mark uint64
}

// Gather opens the gatherer of one reader of the bus, whose marks it keeps. The
// name says the life of the bus's stream too: its sequences mean nothing in another.
func Gather(ctx context.Context, db *ledger.DB, reader string) (*Gatherer, error) {
	g := &Gatherer{db: db, reader: "pdns." + reader}
	err := db.Read(ctx, func(q ledger.Queryer) (err error) {
		for i := range g.kept {
			if g.kept[i], err = g.mark(ctx, q, i); err != nil {
				return err
			}
		}
		return nil
	})
	return g, fault.Wrap("pdns.gather", err)
}

// Observe gathers the answers of one event, which came with a sequence of the bus.
func (g *Gatherer) Observe(seq uint64, org ident.ID, e *event.Event) {
	if e.ClassUID != event.DNSActivity || e.Query == nil || len(e.Answers) == 0 || e.DispositionID == event.DispositionBlocked {
		return
	}
	name := normal(e.Query.Hostname)
	if name == "" || len(name) > maxName {
		return // The event itself is kept whole.
	}
	at := time.UnixMilli(e.Time).UnixMicro()
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range e.Answers {
		a := &e.Answers[i]
		k := key{org, name, keepable(a.Type), keepable(strings.TrimSuffix(a.Normal(), "."))}
		if len(k.kind) > maxType || len(k.data) > maxData {
			continue
		}
		if p := k.part(); seq > g.kept[p] {
			g.gather(p, k, at)
		}
	}
}

func (g *Gatherer) gather(part int, k key, at int64) {
	x, known := g.now[part][k]
	if !known && g.count >= maxPairs {
		g.dropped.Add(1)
		return
	}
	if !known {
		x.first = at
		k = k.clone()
		g.count++
	}
	if g.now[part] == nil {
		g.now[part] = map[key]seen{}
	}
	x.first, x.last, x.count = min(x.first, at), max(x.last, at), x.count+1
	g.now[part][k] = x
}

func normal(name string) string {
	return keepable(strings.TrimSuffix(strings.ToLower(name), "."))
}

// keepable makes text that the ledger takes, so that one strange answer does not
// hold up all others.
func keepable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// Full tells that much has been gathered: a Cut and a Commit should not wait.
func (g *Gatherer) Full() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.count >= Enough
}

// Dropped counts the answers that were left out because nothing was committed
// for too long.
func (g *Gatherer) Dropped() uint64 { return g.dropped.Load() }

// Mark is the sequence of the bus up to which everything was committed at the
// start.
func (g *Gatherer) Mark() uint64 { return slices.Min(g.kept[:]) }

func (g *Gatherer) row(part int) string { return g.reader + "." + strconv.Itoa(part) }

func (g *Gatherer) mark(ctx context.Context, q ledger.Queryer, part int) (uint64, error) {
	var n int64
	err := q.QueryRow(ctx, `SELECT seq FROM ingest_mark WHERE name = ?`, g.row(part)).Scan(&n)
	if ledger.NoRows(err) {
		return 0, nil
	}
	return uint64(n), err
}

// Cut closes what was gathered of batches up to mark, for the next Commit. Events
// must not be observed meanwhile; it does not wait for the disk.
func (g *Gatherer) Cut(mark uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cut = append(g.cut, &batch{g.now, mark})
	g.now = pairs{}
}

// Commit makes durable what was cut. After an error it may be called again: what
// the failed call did keep is not counted twice.
func (g *Gatherer) Commit(ctx context.Context) error {
	g.commit.Lock()
	defer g.commit.Unlock()
	for {
		b := g.oldest()
		if b == nil {
			return nil
		}
		for i := range parts {
			if err := g.write(ctx, i, b); err != nil {
				return fault.Wrap("pdns.commit", err)
			}
			g.mu.Lock()
			g.count -= len(b.pairs[i])
			b.pairs[i] = nil
			g.mu.Unlock()
		}
		g.mu.Lock()
		g.cut = g.cut[1:]
		g.mu.Unlock()
	}
}

func (g *Gatherer) oldest() *batch {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.cut) == 0 {
		return nil
	}
	return g.cut[0]
}

// perInsert is how many pairs go in one statement.
const perInsert = 100

// write keeps one part of a batch. Without an answer in it, its mark stays: those
// batches may be observed again.
func (g *Gatherer) write(ctx context.Context, part int, b *batch) error {
	if len(b.pairs[part]) == 0 {
		return nil
	}
	keys := slices.SortedFunc(maps.Keys(b.pairs[part]), key.compare)
	return g.db.Write(ctx, "hub:pdns", func(tx *ledger.Tx) error {
		kept, err := g.mark(ctx, tx, part)
		if err != nil || kept >= b.mark {
			return err // It was kept, though its Commit did not hear so.
		}
		for some := range slices.Chunk(keys, perInsert) {
			if err := insert(ctx, tx, some, b.pairs[part]); err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, `INSERT INTO ingest_mark (name, seq) VALUES (?,?) ON CONFLICT (name) DO UPDATE SET seq = excluded.seq`, g.row(part), int64(b.mark))
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

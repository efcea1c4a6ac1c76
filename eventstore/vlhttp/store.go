// Package vlhttp is the event store in a VictoriaLogs of its own, single node or
// cluster, spoken to over its public HTTP API: the same LogsQL as the embedded
// engine has, for when one machine is outgrown. Package app opens it.
//
// All our events are in one tenant of the server, and each carries the number of
// its organisation. A reader's scope goes as a filter that the server adds to the
// query and to each of its subqueries, beside the reader's text and never in it.
// The number, and what else the driver keeps in a row, is hidden from readers.
//
// A crash of the server loses the last seconds of what it had accepted. So an
// append is remembered until a Sync has found it in the store after the store had
// time, or was told, to write to disk; what is gone by then is eventstore.Lost.
package vlhttp

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"noroshi/eventstore"
	"noroshi/eventstore/logsql"
	"noroshi/fault"
)

// Store speaks to one VictoriaLogs.
type Store struct {
	*logsql.Reader
	cfg    Config
	log    *slog.Logger
	client *http.Client
	fields atomic.Int64 // that a row may have, once the server has told

	unknown, settled atomic.Int64 // appends of which nobody knows the end, and how many of these Known has waited for

	life   sync.RWMutex // held for reading by every operation
	closed bool

	sync  sync.Mutex   // one Sync at a time
	write sync.RWMutex // held for reading by Append, for writing while a node writes to disk

	mu     sync.Mutex
	unsure []stored // what a crash of the server may still take
	events int      // in unsure
	full   bool     // the last Append was refused because the disk is full
}

var _ eventstore.Store = (*Store)(nil)

// Open makes a store. It does not wait for the server, which may come later.
func Open(cfg Config, log *slog.Logger) (*Store, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	client, err := newClient(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	s := &Store{cfg: cfg, log: log, client: client}
	s.unknown.Store(1) // An earlier process may have died in the middle of one.
	s.Reader = logsql.NewReader(s.run, cfg.Retention)
	return s, nil
}

// enter begins an operation; the store is not closed before leave.
func (s *Store) enter() (leave func(), err error) {
	s.life.RLock()
	if s.closed {
		s.life.RUnlock()
		return nil, eventstore.Closed
	}
	return s.life.RUnlock, nil
}

// Close waits for what is under way. The server goes on.
func (s *Store) Close() error {
	s.life.Lock()
	defer s.life.Unlock()
	s.closed = true
	s.client.CloseIdleConnections()
	return nil
}

// busy is how long a question that asks for nothing may wait for others.
const busy = time.Second / 2

// Ping looks whether the server lives, and asks for nothing on the way of every
// question: in a cluster all storage nodes must answer. A server that lives and
// lets this question wait is busy.
func (s *Store) Ping(ctx context.Context) error {
	const op = "vlhttp.ping"
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	if _, err := s.call(ctx, op, request{url: s.cfg.Select + "/health", again: true}, maxWords); err != nil {
		return err
	}
	short, cancel := context.WithTimeout(ctx, busy)
	defer cancel()
	now := time.Now()
	_, err = s.ask(short, query{text: "_time:[" + stamp(now) + "," + stamp(now) + "] | limit 1", at: now, limit: 1})
	if short.Err() != nil && ctx.Err() == nil {
		return nil
	}
	return fault.Wrap(op, err)
}

// Stats counts our rows. How much disk the server uses, for everything that is in
// it, a single node tells; of a cluster's front it is not known.
func (s *Store) Stats(ctx context.Context) (eventstore.Stats, error) {
	const op = "vlhttp.stats"
	leave, err := s.enter()
	if err != nil {
		return eventstore.Stats{}, err
	}
	defer leave()
	rows, err := s.ask(ctx, query{text: "* | stats count() n", at: time.Now(), limit: 1})
	if err != nil {
		return eventstore.Stats{}, fault.Wrap(op, err)
	}
	var st eventstore.Stats
	if len(rows) == 1 {
		st.Rows, _ = strconv.ParseUint(rows[0].Fields["n"], 10, 64) // The server writes counts in full.
	}
	var m metrics
	if s.cfg.Hold == 0 {
		if m, err = s.metrics(ctx); err != nil {
			return eventstore.Stats{}, fault.Wrap(op, err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Bytes, st.Full = m.bytes, m.readOnly || s.full
	return st, nil
}

// Package victorialogs is the embedded event store: VictoriaLogs' storage in
// process. Its global flags and its logger are tamed here and nowhere else.
// Several stores may be open in one process, in different folders, and share
// one cap on memory; a folder is open once. Package app opens it.
//
// The engine answers a broken disk and a fault of its own by ending the process:
// the bus then delivers again what was not acknowledged.
package victorialogs

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"noroshi/eventstore"
	"noroshi/eventstore/logsql"
	"noroshi/fault"
)

// Config is where and how much.
type Config struct {
	Dir       string
	MemoryMiB int           // for caches and queries; 0 is 512
	Retention time.Duration // older days are dropped; at least a day
}

const (
	defaultMemoryMiB = 512
	minFree          = 256 << 20 // bytes on the disk below which nothing is taken
	// The engine deletes, when it opens, days that lie further ahead than its
	// future retention: a machine that starts with its clock at 1970 would lose
	// everything. So the engine is given a century, and Append keeps the bound.
	century = 100 * 365 * 24 * time.Hour
)

// Store is the open store.
type Store struct {
	*logsql.Reader
	storage *logstorage.Storage
	cfg     Config
	log     *slog.Logger

	life   sync.RWMutex // held for reading by every operation
	closed bool

	gathering gathering

	sync  sync.Mutex   // one Sync at a time: the second must not overtake the first
	write sync.RWMutex // held for reading by Append, for writing by Sync
	mark  sync.Mutex
	dirty map[int64]bool // days since 1970 with rows that are not durable yet

	unseen atomic.Bool  // there are rows that a search may not find yet
	fresh  atomic.Int64 // milliseconds since 1970 before which no reader sees to that again
}

var _ eventstore.Store = (*Store)(nil)

// Open opens or makes the store.
func Open(cfg Config, log *slog.Logger) (s *Store, err error) {
	const op = "victorialogs.open"
	if cfg.MemoryMiB <= 0 {
		cfg.MemoryMiB = defaultMemoryMiB
	}
	if cfg.Retention < 24*time.Hour {
		return nil, fault.New(fault.Invalid, op, "events must be kept for a day at least")
	}
	if cfg.Dir, err = filepath.Abs(cfg.Dir); err != nil {
		return nil, fault.Wrap(op, err)
	}
	if err := tame(cfg.MemoryMiB, log); err != nil {
		return nil, fault.Wrap(op, err)
	}
	if err := os.MkdirAll(filepath.Dir(cfg.Dir), 0o700); err != nil {
		return nil, fault.As(fault.Internal, op, err, "the folder %s cannot be made", cfg.Dir)
	}
	defer func() {
		if r := recover(); r != nil {
			s, err = nil, fault.As(fault.Conflict, op, fmt.Errorf("%v", r), "the event store in %s cannot be opened; is another process using it?", cfg.Dir)
		}
	}()
	s = &Store{cfg: cfg, log: log, dirty: map[int64]bool{}}
	s.Reader = logsql.NewReader(s.run, cfg.Retention)
	s.storage = logstorage.MustOpenStorage(cfg.Dir, &logstorage.StorageConfig{
		Retention: cfg.Retention, MaxBackfillAge: cfg.Retention, FutureRetention: century,
		FlushInterval:         5 * time.Second, // Sync comes more often.
		MinFreeDiskSpaceBytes: minFree, SnapshotsMaxAge: time.Hour,
	})
	return s, os.Chmod(cfg.Dir, 0o700)
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

// Close waits for what is under way and closes the store; everything appended
// is on disk afterwards.
func (s *Store) Close() error {
	s.life.Lock()
	defer s.life.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.handOver()
	s.storage.MustClose()
	return nil
}

// Ping tells whether the store is open.
func (s *Store) Ping(context.Context) error {
	leave, err := s.enter()
	if err == nil {
		leave()
	}
	return err
}

// Stats tells how full the store is.
func (s *Store) Stats(context.Context) (eventstore.Stats, error) {
	leave, err := s.enter()
	if err != nil {
		return eventstore.Stats{}, err
	}
	defer leave()
	var st logstorage.StorageStats
	s.storage.UpdateStats(&st)
	return eventstore.Stats{
		Rows:  st.RowsCount(),
		Bytes: st.CompressedInmemorySize + st.CompressedSmallPartSize + st.CompressedBigPartSize + st.IndexdbSizeBytes,
		Full:  s.storage.IsReadOnly(),
	}, nil
}

// tenants is a list of organisations as the engine wants it: in order. In another
// one it passes over some of them without a word.
func tenants(ids ...uint32) []logstorage.TenantID {
	out := make([]logstorage.TenantID, len(ids))
	for i, id := range slices.Sorted(slices.Values(ids)) {
		out[i] = logstorage.TenantID{AccountID: id}
	}
	return out
}

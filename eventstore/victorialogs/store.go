// Package victorialogs is the embedded event store: VictoriaLogs' storage in
// process. Its global flags and its logger are tamed here and nowhere else; one
// store can be open per process and folder. Package app opens it.
package victorialogs

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
	"github.com/VictoriaMetrics/VictoriaMetrics/lib/logger"

	"noroshi/eventstore"
	"noroshi/fault"
)

// Config is where and how much.
type Config struct {
	Dir       string
	MemoryMiB int           // for caches and queries
	Retention time.Duration // older days are dropped
}

// Store is the open store.
type Store struct {
	storage *logstorage.Storage
	log     *slog.Logger

	mu      sync.RWMutex // held for reading while appending, for writing while a Sync takes the days
	dirtyMu sync.Mutex
	dirty   map[string]bool // days with rows that are not durable yet
}

var _ eventstore.Store = (*Store)(nil)

// tame sets VictoriaMetrics' global flags once per process: a cap on memory,
// and silence on standard error, where its logger would write.
var tame = sync.OnceFunc(func() {
	if !flag.Parsed() {
		_ = flag.CommandLine.Parse(nil) // Nothing is parsed, but it must have been asked.
	}
	logger.SetOutputForTests(discard{})
})

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// Open opens or makes the store.
func Open(cfg Config, log *slog.Logger) (*Store, error) {
	const op = "victorialogs.open"
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fault.As(fault.Internal, op, err, "the folder %s cannot be made", cfg.Dir)
	}
	tame()
	if cfg.MemoryMiB > 0 {
		_ = flag.Set("memory.allowedBytes", fmt.Sprintf("%dMiB", cfg.MemoryMiB)) // The first open in a process counts.
	}
	s := &Store{log: log, dirty: map[string]bool{}}
	s.storage = logstorage.MustOpenStorage(cfg.Dir, &logstorage.StorageConfig{
		Retention: cfg.Retention, FlushInterval: time.Second, FutureRetention: 24 * time.Hour,
		MaxBackfillAge: cfg.Retention, MinFreeDiskSpaceBytes: 256 << 20, SnapshotsMaxAge: time.Hour,
	})
	return s, nil
}

// Close closes the store; everything appended is on disk afterwards.
func (s *Store) Close() error {
	s.storage.MustClose()
	return nil
}

// streamFields group rows on disk: rows of one class from one node are alike.
var streamFields = []string{"class", "node"}

// Append adds rows. The times were checked by the intake; a full disk refuses
// the rows, so that the bus keeps them.
func (s *Store) Append(_ context.Context, rows []eventstore.Row) error {
	if len(rows) == 0 {
		return nil
	}
	if s.storage.IsReadOnly() {
		return fault.New(fault.Exhausted, "victorialogs.append", "the event store takes no more: the disk is nearly full")
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	lr := logstorage.GetLogRows(streamFields, nil, nil, nil, "")
	defer logstorage.PutLogRows(lr)
	var fields []logstorage.Field
	add := func(name, value string) { fields = append(fields, logstorage.Field{Name: name, Value: value}) }
	for _, r := range rows {
		fields = fields[:0]
		add("_msg", r.Event.Summary())
		add("class", className(r.Event.ClassUID))
		add("node", string(r.Event.Metadata.Reporter.UID))
		r.Event.Flatten(add)
		lr.MustAdd(logstorage.TenantID{AccountID: r.Tenant}, r.Event.Time*int64(time.Millisecond), fields, -1)
		if lr.NeedFlush() {
			s.storage.MustAddRows(lr)
			lr.ResetKeepSettings()
		}
	}
	s.storage.MustAddRows(lr)
	s.touch(rows)
	return nil
}

// touch remembers which days have rows that are not durable yet.
func (s *Store) touch(rows []eventstore.Row) {
	s.dirtyMu.Lock()
	defer s.dirtyMu.Unlock()
	for _, r := range rows {
		s.dirty[time.UnixMilli(r.Event.Time).UTC().Format("20060102")] = true
	}
}

// Flush makes what was appended searchable.
func (s *Store) Flush(context.Context) error {
	s.storage.DebugFlush()
	return nil
}

// Sync makes what was appended durable: the rows in memory become parts, and a
// snapshot of the days written since forces these parts to disk (measured: it
// takes both). The snapshot itself is dropped at once.
func (s *Store) Sync(context.Context) error {
	s.mu.Lock() // Rows appended from here on belong to the next Sync.
	s.dirtyMu.Lock()
	days := s.dirty
	s.dirty = map[string]bool{}
	s.dirtyMu.Unlock()
	s.mu.Unlock()
	if len(days) == 0 {
		return nil
	}
	s.storage.DebugFlush()
	for day := range days {
		for _, path := range s.storage.PartitionSnapshotMustCreate(day) {
			if err := s.storage.PartitionSnapshotDelete(path); err != nil {
				s.log.Warn("snapshot not deleted", "role", "events", "err", err)
			}
		}
	}
	return nil
}

// Stats tells how full the store is.
func (s *Store) Stats(context.Context) (eventstore.Stats, error) {
	var st logstorage.StorageStats
	s.storage.UpdateStats(&st)
	return eventstore.Stats{
		Rows:  st.InmemoryRowsCount + st.SmallPartRowsCount + st.BigPartRowsCount,
		Bytes: st.CompressedInmemorySize + st.CompressedSmallPartSize + st.CompressedBigPartSize,
		Full:  s.storage.IsReadOnly(),
	}, nil
}

func tenants(ids []uint32) []logstorage.TenantID {
	out := make([]logstorage.TenantID, len(ids))
	for i, id := range ids {
		out[i] = logstorage.TenantID{AccountID: id}
	}
	return out
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\x00", "").Replace(s) + `"`
}

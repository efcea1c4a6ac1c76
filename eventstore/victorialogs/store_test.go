package victorialogs_test

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"noroshi/eventstore"
	"noroshi/eventstore/storetest"
	"noroshi/eventstore/victorialogs"
	"noroshi/fault"
)

var month = 30 * 24 * time.Hour

func open(t testing.TB, dir string) eventstore.Store {
	t.Helper()
	s, err := victorialogs.Open(victorialogs.Config{Dir: dir, MemoryMiB: 128, Retention: month}, slog.New(engineLog))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestContract(t *testing.T) {
	storetest.Contract(t, func(t *testing.T) eventstore.Store {
		s := open(t, t.TempDir())
		t.Cleanup(func() { _ = s.Close() })
		return s
	})
}

func TestOneFolderIsOpenOnce(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir)
	if _, err := victorialogs.Open(victorialogs.Config{Dir: dir, Retention: month}, slog.New(slog.DiscardHandler)); fault.KindOf(err) != fault.Conflict {
		t.Fatalf("a second store in one folder: %v", err)
	}
	// What the engine had to say about it reached the log.
	if said := engineLog.text(); !strings.Contains(said, "lock file") || !strings.Contains(said, "level=ERROR") {
		t.Errorf("the log holds %q", said)
	}
	if err := first.Append(t.Context(), []eventstore.Row{{Tenant: 1, Event: storetest.Event("org_a", 1, time.Now(), "a.test")}}); err != nil {
		t.Errorf("the first store was hurt: %v", err)
	}
	if err := first.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st, err := first.Stats(t.Context()); err != nil || st.Bytes == 0 {
		t.Errorf("with a row on disk it uses %+v, %v", st, err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir)
	defer func() { _ = again.Close() }()
	rows, err := again.Search(t.Context(), storetest.Scope(tenantOne), eventstore.Query{})
	if err != nil || len(rows) != 1 {
		t.Errorf("after it was closed and opened again it has %v, %v", rows, err)
	}
}

func TestRetentionHasALowerBound(t *testing.T) {
	if _, err := victorialogs.Open(victorialogs.Config{Dir: t.TempDir()}, slog.New(slog.DiscardHandler)); fault.KindOf(err) != fault.Invalid {
		t.Error(err)
	}
}

// engineLog keeps what the engine says. The engine's log is one per process, so
// the tests share it.
var engineLog = newKeeper()

type keeper struct {
	slog.Handler
	to *lockedText
}

type lockedText struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func newKeeper() keeper {
	to := &lockedText{}
	return keeper{slog.NewTextHandler(to, &slog.HandlerOptions{Level: slog.LevelWarn}), to}
}

func (k keeper) text() string {
	k.to.mu.Lock()
	defer k.to.mu.Unlock()
	return k.to.b.String()
}

func batch(n int, seq uint64, at time.Time) []eventstore.Row {
	rows := make([]eventstore.Row, n)
	for i := range rows {
		e := storetest.Event("org_a", seq+uint64(i), at, fmt.Sprintf("n%d.test", i))
		rows[i] = eventstore.Row{Tenant: 1, Event: e}
	}
	return rows
}

func BenchmarkAppend(b *testing.B) {
	s := open(b, b.TempDir())
	defer func() { _ = s.Close() }()
	rows := batch(500, 0, time.Now())
	for b.Loop() {
		if err := s.Append(b.Context(), rows); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(500*b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkSync is one durable round: ten batches, then a Sync.
func BenchmarkSync(b *testing.B) {
	s := open(b, b.TempDir())
	defer func() { _ = s.Close() }()
	rows := batch(500, 0, time.Now())
	var sync time.Duration
	for b.Loop() {
		for range 10 {
			if err := s.Append(b.Context(), rows); err != nil {
				b.Fatal(err)
			}
		}
		start := time.Now()
		if err := s.Sync(b.Context()); err != nil {
			b.Fatal(err)
		}
		sync += time.Since(start)
	}
	b.ReportMetric(float64(sync.Milliseconds())/float64(b.N), "ms/sync")
	b.ReportMetric(float64(5000*b.N)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkSyncOfNothing(b *testing.B) {
	s := open(b, b.TempDir())
	defer func() { _ = s.Close() }()
	for b.Loop() {
		if err := s.Sync(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkNewest asks for the newest hundred of 200,000 rows over a week.
func BenchmarkNewest(b *testing.B) {
	s := open(b, b.TempDir())
	defer func() { _ = s.Close() }()
	start := time.Now().Add(-7 * 24 * time.Hour)
	for i := range 400 {
		rows := batch(500, uint64(i)*500, start)
		for j := range rows {
			rows[j].Event.Time += int64(i*500+j) * 3000
		}
		if err := s.Append(b.Context(), rows); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Sync(b.Context()); err != nil {
		b.Fatal(err)
	}
	for _, q := range []string{`*`, `"query.hostname":="n7.test"`, `absent.test`, `* | sort by (_time desc) | limit 100`} {
		b.Run(q[:min(len(q), 20)], func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Search(b.Context(), storetest.Scope(tenantOne), eventstore.Query{LogsQL: q, Limit: 100}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/search")
		})
	}
}

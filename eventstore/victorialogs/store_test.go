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

// TestCloseKeepsWhatWaits closes a store with rows that the engine was not given
// yet, behind some of two days that it was given because they were many.
func TestCloseKeepsWhatWaits(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	s := open(t, dir)
	rows := append(batch(15_000, 0, now), batch(15_000, 15_000, now.Add(-24*time.Hour))...)
	for _, part := range [][]eventstore.Row{rows[:25_000], rows[25_000:]} {
		if err := s.Append(t.Context(), part); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	defer func() { _ = s.Close() }()
	st, err := s.Stats(t.Context())
	if err != nil || st.Rows != uint64(len(rows)) {
		t.Errorf("after it was opened again it has %d rows, not %d; %v", st.Rows, len(rows), err)
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

func BenchmarkStore(b *testing.B) {
	storetest.Benchmarks(b, func(b *testing.B) (eventstore.Store, func() time.Duration) {
		s := open(b, b.TempDir())
		b.Cleanup(func() { _ = s.Close() })
		return s, nil
	})
}

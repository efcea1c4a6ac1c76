package vlhttp_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"noroshi/eventstore"
	"noroshi/eventstore/storetest"
	"noroshi/eventstore/vlhttp"
	"noroshi/internal/peers"
)

func batch(n int, seq uint64, at time.Time) []eventstore.Row {
	rows := make([]eventstore.Row, n)
	for i := range rows {
		rows[i] = eventstore.Row{Tenant: 1, Event: storetest.Event("org_a", seq+uint64(i), at, fmt.Sprintf("n%d.test", i))}
	}
	return rows
}

func uids(first, n uint64) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("nod_org_a.%d", first+uint64(i))
	}
	return list
}

// TestWhatWasSyncedSurvivesKill lets writers append while Sync runs again and
// again, kills the server the moment that one returns, and finds everything that
// was appended before it, by the way of readers.
func TestWhatWasSyncedSurvivesKill(t *testing.T) {
	t.Parallel() // It waits more than it works.
	server := start(t)
	s := open(t, vlhttp.Config{Insert: server.URL()})
	for round := range uint64(4) {
		surviveKill(t, server, s, round*1_000_000, int(round)+1)
	}
}

const writers, reserved, small = 3, 100_000, 20

func surviveKill(t *testing.T, server *peers.Process, s eventstore.Store, first uint64, syncs int) {
	begun := time.Now().Add(-time.Second)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var done [writers]atomic.Uint64
	var all sync.WaitGroup
	moved := make(chan struct{}, 1)
	for w := range writers {
		all.Go(func() {
			for seq := first + uint64(w)*reserved; ctx.Err() == nil; seq += small {
				if err := s.Append(ctx, batch(small, seq, time.Now())); err != nil {
					return // The server is dead, or the round is over.
				}
				done[w].Add(small)
				select {
				case moved <- struct{}{}:
				default:
				}
			}
		})
	}
	var before [writers]uint64
	for range syncs {
		for range 5 {
			<-moved
		}
		for w := range done {
			before[w] = done[w].Load()
		}
		if err := s.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	server.Kill()
	stop()
	all.Wait()
	server.Restart()
	lost, stored := 0, 0
	for w, n := range before {
		have, err := s.Known(t.Context(), 1, uids(first+uint64(w)*reserved, n+500*small), begun, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range uids(first+uint64(w)*reserved, n) {
			if !have[u] {
				lost++
			}
		}
		stored += len(have)
	}
	if lost > 0 || stored == 0 {
		t.Errorf("of %v events that a Sync had made durable %d are lost", before, lost)
	}
	// What was appended after that Sync may be gone, and the next one says so, until
	// it is appended again.
	bringBack(t, s, first, begun, func(w int) uint64 { return done[w].Load() })
}

// bringBack does as the feeder of a store does: it appends again what Known does
// not know, and then everything is durable, once.
func bringBack(t *testing.T, s eventstore.Store, first uint64, begun time.Time, appended func(w int) uint64) {
	t.Helper()
	if err := s.Sync(t.Context()); err != nil && !errors.Is(err, eventstore.Lost) {
		t.Fatal(err)
	}
	for w := range writers {
		from, n := first+uint64(w)*reserved, appended(w)
		if n == 0 {
			continue
		}
		have, err := s.Known(t.Context(), 1, uids(from, n), begun, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		var again []eventstore.Row
		for _, r := range batch(int(n), from, time.Now()) {
			if !have[r.Event.Metadata.UID] {
				again = append(again, r)
			}
		}
		if err := s.Append(t.Context(), again); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	q := eventstore.Query{LogsQL: fmt.Sprintf(`"metadata.sequence":range[%d,%d) | stats count() n, count_uniq("metadata.uid") u`, first, first+writers*reserved)}
	rows, err := s.Search(t.Context(), storetest.Scope(tenantOne), q)
	if err != nil {
		t.Fatal(err)
	}
	if rows[0].Fields["n"] != rows[0].Fields["u"] {
		t.Errorf("the store shows some events twice: %v", rows[0].Fields)
	}
}

// TestALossIsSaidUntilItIsMadeGood kills a server that has rows in memory only:
// every Sync refuses to call them durable until they were appended again.
func TestALossIsSaidUntilItIsMadeGood(t *testing.T) {
	server := start(t, "-inmemoryDataFlushInterval=1h")
	s := open(t, vlhttp.Config{Insert: server.URL()})
	loseAndBringBack(t, s, server)
}

func loseAndBringBack(t *testing.T, s eventstore.Store, server *peers.Process) {
	t.Helper()
	rows := batch(100, 0, time.Now())
	if err := s.Append(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	server.Restart()
	for range 2 {
		if err := s.Sync(t.Context()); !errors.Is(err, eventstore.Lost) {
			t.Fatalf("a Sync after the crash: %v", err)
		}
	}
	if err := s.Append(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	server.Restart()
	have, err := s.Known(t.Context(), 1, uids(0, 100), time.Now().Add(-time.Hour), time.Now())
	if err != nil || len(have) != 100 {
		t.Errorf("of 100 durable events %d are there, %v", len(have), err)
	}
}

// TestAnAppendThatComesLateIsNotDoubled gives up an append while the server hangs.
// The server has received it, and takes it when it goes on, while the same rows
// are asked for and appended again.
func TestAnAppendThatComesLateIsNotDoubled(t *testing.T) {
	t.Parallel() // It waits more than it works.
	server := start(t)
	s := open(t, vlhttp.Config{Insert: server.URL()})
	if err := s.Append(t.Context(), batch(1, 0, time.Now())); err != nil { // It is connected.
		t.Fatal(err)
	}
	for round := range uint64(5) {
		rows, first := batch(100, 1+round*100, time.Now()), 1+round*100
		server.Pause()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := s.Append(ctx, rows); err == nil {
			t.Fatal("a server that hangs took rows")
		}
		cancel()
		resumed := make(chan struct{})
		go func() { defer close(resumed); server.Resume() }()
		have, err := s.Known(t.Context(), 1, uids(first, 100), time.Now().Add(-time.Hour), time.Now())
		<-resumed
		if err != nil {
			t.Fatal(err)
		}
		var again []eventstore.Row
		for _, r := range rows {
			if !have[r.Event.Metadata.UID] {
				again = append(again, r)
			}
		}
		if err := s.Append(t.Context(), again); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows, err := s.Search(t.Context(), storetest.Scope(tenantOne), eventstore.Query{LogsQL: `* | stats count() n, count_uniq("metadata.uid") u`})
	if err != nil || rows[0].Fields["n"] != "501" || rows[0].Fields["u"] != "501" {
		t.Errorf("of 501 events the store shows %v, %v", rows, err)
	}
}

// TestWhatIsKnownIsUnsureToo asks a second driver, as a hub that has just started
// would, for what the first one had appended and never made durable.
func TestWhatIsKnownIsUnsureToo(t *testing.T) {
	server := start(t, "-inmemoryDataFlushInterval=1h")
	first, second := open(t, vlhttp.Config{Insert: server.URL()}), open(t, vlhttp.Config{Insert: server.URL()})
	if err := first.Append(t.Context(), batch(10, 0, time.Now())); err != nil {
		t.Fatal(err)
	}
	if err := second.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	have, err := second.Known(t.Context(), 1, uids(0, 20), time.Now().Add(-time.Hour), time.Now())
	if err != nil || len(have) != 10 {
		t.Fatalf("it knows %v, %v", have, err)
	}
	server.Kill()
	server.Restart()
	if err := second.Sync(t.Context()); !errors.Is(err, eventstore.Lost) {
		t.Errorf("a Sync of what was known before the crash: %v", err)
	}
}

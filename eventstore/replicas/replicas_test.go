package replicas_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"noroshi/eventstore"
	"noroshi/eventstore/replicas"
	"noroshi/eventstore/storetest"
	"noroshi/eventstore/vlhttp"
	"noroshi/fault"
	"noroshi/internal/peers"
	"noroshi/org"
)

var orgA = org.Organisation{ID: "org_a", Tenant: 1}

const events = 500

// pair is two servers with the same events and a reader over both.
type pair struct {
	servers [2]*peers.Process
	reader  *replicas.Reader
	behind  [2]atomic.Int64 // time.Duration
}

func newPair(t *testing.T) *pair {
	t.Helper()
	var p pair
	var members []replicas.Member
	for i := range p.servers {
		p.servers[i] = peers.StartVictoriaLogs(t, t.TempDir(), "-delete.enable")
		s, err := vlhttp.Open(vlhttp.Config{Insert: p.servers[i].URL(), Retention: 30 * 24 * time.Hour}, slog.New(slog.DiscardHandler))
		must(t, err)
		t.Cleanup(func() { _ = s.Close() })
		rows := make([]eventstore.Row, events)
		for j := range rows {
			rows[j] = eventstore.Row{Tenant: 1, Event: storetest.Event("org_a", uint64(j), time.Now(), "a.test")}
		}
		must(t, s.Append(t.Context(), rows))
		must(t, s.Sync(t.Context()))
		members = append(members, replicas.Member{Name: fmt.Sprint("store ", i), Store: s, Behind: func() time.Duration { return time.Duration(p.behind[i].Load()) }})
	}
	var err error
	p.reader, err = replicas.New(members, slog.New(slog.DiscardHandler))
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.reader.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	return &p
}

// read counts all events; half an answer, or one of two stores, counts otherwise.
func (p *pair) read(ctx context.Context) error {
	rows, err := p.reader.Search(ctx, storetest.Scope(orgA), eventstore.Query{LogsQL: `* | stats count() n`})
	if err == nil && (len(rows) != 1 || rows[0].Fields["n"] != fmt.Sprint(events)) {
		err = fmt.Errorf("the answer is %v", rows)
	}
	return err
}

func (p *pair) serving() int {
	for i, h := range p.reader.Health() {
		if h.Serving {
			return i
		}
	}
	return -1
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.After(time.Minute); !is(); {
		select {
		case <-end:
			t.Fatal(what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestNoReaderNoticesAKill kills the store that serves while readers ask without
// pause, brings it back, and kills the other one: every answer is whole.
func TestNoReaderNoticesAKill(t *testing.T) {
	p := newPair(t)
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	var answers atomic.Int64
	for range 3 {
		readers.Go(func() {
			for ctx.Err() == nil {
				if err := p.read(ctx); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
				answers.Add(1)
			}
		})
	}
	more := func() {
		n := answers.Load() + 50
		eventually(t, "readers get no more answers", func() bool { return answers.Load() >= n || t.Failed() })
	}
	more()
	for range 2 {
		victim := p.serving()
		p.servers[victim].Kill()
		more()
		eventually(t, "the dead store counts as up", func() bool { return !p.reader.Health()[victim].Up })
		if h := p.reader.Health()[victim]; h.Error == "" || h.Serving {
			t.Errorf("of the dead store is said %+v", h)
		}
		p.servers[victim].Restart()
		eventually(t, "the store that came back counts as down", func() bool { return p.reader.Health()[victim].Up })
		more()
	}
	stop()
	readers.Wait()
}

// TestAStoreThatHangsIsLeft stops the store that serves without closing its port:
// what was asked of it goes to the other one, in the time of the request.
func TestAStoreThatHangsIsLeft(t *testing.T) {
	p := newPair(t)
	must(t, p.read(t.Context()))
	victim := p.serving()
	p.servers[victim].Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 2*eventstore.Timeout)
	defer cancel()
	must(t, p.read(ctx))
	eventually(t, "the store that hangs still serves", func() bool { return p.serving() != victim })
	p.servers[victim].Resume()
	eventually(t, "the store that goes on counts as down", func() bool { return p.reader.Health()[victim].Up })
}

// TestAStoreThatIsBehindIsLeft reads from the store that has everything, and does
// not run back when the other has caught up.
func TestAStoreThatIsBehindIsLeft(t *testing.T) {
	p := newPair(t)
	first := p.serving()
	p.behind[first].Store(int64(time.Minute))
	if p.serving() == first {
		t.Error("a store that is a minute behind serves")
	}
	must(t, p.read(t.Context()))
	p.behind[first].Store(0)
	if p.serving() == first {
		t.Error("readers are sent to and fro")
	}
	// When the other is away, old answers are better than none.
	p.behind[first].Store(int64(time.Minute))
	p.servers[1-first].Kill()
	must(t, p.read(t.Context()))
}

// TestAReadersMistakeIsNoFailure asks what no store can answer.
func TestAReadersMistakeIsNoFailure(t *testing.T) {
	p := newPair(t)
	first := p.serving()
	_, err := p.reader.Search(t.Context(), storetest.Scope(orgA), eventstore.Query{LogsQL: `foo:(`})
	if fault.KindOf(err) != fault.Invalid {
		t.Errorf("a mistake: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.read(ended); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("a reader who left: %v", err)
	}
	if h := p.reader.Health()[first]; !h.Up || !h.Serving {
		t.Errorf("the store pays for it: %+v", h)
	}
}

// TestADeletionIsOfAllStores is done when all have done it.
func TestADeletionIsOfAllStores(t *testing.T) {
	p := newPair(t)
	p.servers[1].Kill()
	if err := p.reader.DeleteTenant(t.Context(), 1, time.Time{}); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("with one store away: %v", err)
	}
	p.servers[1].Restart()
	must(t, p.reader.DeleteTenant(t.Context(), 1, time.Time{}))
	for i := range p.servers {
		p.servers[1-i].Kill()
		rows, err := p.reader.Search(t.Context(), storetest.Scope(orgA), eventstore.Query{})
		if err != nil || len(rows) > 0 {
			t.Errorf("store %d still has %d rows, %v", i, len(rows), err)
		}
		p.servers[1-i].Restart()
	}
}

func TestWithNobodyLeft(t *testing.T) {
	if _, err := replicas.New(nil, slog.New(slog.DiscardHandler)); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a reader of nothing: %v", err)
	}
	p := newPair(t)
	for _, s := range p.servers {
		s.Kill()
	}
	if err := p.read(t.Context()); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("with both away: %v", err)
	}
	p.servers[1].Restart()
	must(t, p.read(t.Context()))
}

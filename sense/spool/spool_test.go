package spool_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"noroshi/bus"
	"noroshi/event"
	"noroshi/sense/spool"
)

func lookup(n int) *event.Event {
	return &event.Event{ClassUID: event.DNSActivity, ActivityID: event.DNSTraffic, Time: time.Now().UnixMilli(),
		Query: &event.DNSQueryInfo{Hostname: fmt.Sprintf("n%d.test", n)}, SrcEndpoint: &event.Endpoint{IP: "192.0.2.1"}}
}

// hub takes batches, or fails.
type hub struct {
	mu    sync.Mutex
	away  bool
	got   []*event.Event
	bad   int
	calls int
	more  chan struct{}
}

func (h *hub) publish(_ context.Context, _ string, batch []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls++
	if h.away {
		return errors.New("away")
	}
	events, refused, err := bus.DecodeBatch(batch)
	h.bad += len(refused)
	h.got = append(h.got, events...)
	select {
	case h.more <- struct{}{}:
	default:
	}
	return err
}

func open(t testing.TB, dir string, h *hub, max int64) *spool.Spool {
	t.Helper()
	h.more = make(chan struct{}, 1)
	s, err := spool.Open(spool.Config{Dir: dir, Org: "org_a", Node: "nod_a", Feature: "test", MaxBytes: max},
		spool.Deps{Publish: h.publish, Encode: bus.EncodeBatch, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// start runs the spool until stop is called.
func start(s *spool.Spool) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Run(ctx) }()
	return func() { cancel(); <-done }
}

func (h *hub) wait(t *testing.T, n int) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		h.mu.Lock()
		have := len(h.got)
		h.mu.Unlock()
		if have >= n {
			return
		}
		select {
		case <-h.more:
		case <-deadline:
			t.Fatalf("%d of %d events arrived", have, n)
		}
	}
}

func (h *hub) inOrder(t *testing.T, n int) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.got) != n || h.bad != 0 {
		t.Fatalf("%d events arrived, %d of them bad; %d were emitted", len(h.got), h.bad, n)
	}
	var last uint64
	for i, e := range h.got {
		if e.Query.Hostname != fmt.Sprintf("n%d.test", i) || e.Metadata.Sequence <= last {
			t.Fatalf("event %d is %s with sequence %d after %d", i, e.Query.Hostname, e.Metadata.Sequence, last)
		}
		last = e.Metadata.Sequence
	}
}

func TestEventsArriveInOrderOnceOverRestartsAndAbsence(t *testing.T) {
	dir, h := t.TempDir(), &hub{away: true}
	s := open(t, dir, h, 0)
	stop := start(s)
	n := 0
	emit := func(k int) {
		for range k {
			if err := s.Emit(lookup(n)); err != nil {
				t.Fatal(err)
			}
			n++
		}
	}
	emit(1200)
	stop() // Nothing was sent yet.
	s = open(t, dir, h, 0)
	if s.Stats().Bytes == 0 {
		t.Error("the spool forgot what waits")
	}
	stop = start(s)
	emit(10)
	h.mu.Lock()
	h.away = false
	h.mu.Unlock()
	h.wait(t, n)
	stop()
	s = open(t, dir, h, 0)
	stop = start(s)
	emit(5)
	h.wait(t, n)
	stop()
	h.inOrder(t, n)
}

func TestFullSpoolDropsNewEventsAndCountsThem(t *testing.T) {
	h := &hub{away: true}
	s := open(t, t.TempDir(), h, 20_000)
	refused := 0
	for i := range 200 {
		if s.Emit(lookup(i)) != nil {
			refused++
		}
	}
	st := s.Stats()
	if refused == 0 || st.Dropped != uint64(refused) || st.Events != uint64(200-refused) || st.Bytes > 20_000 {
		t.Errorf("%d were refused; %+v", refused, st)
	}
}

func TestDamageIsPutAsideAndTheRestGoesOn(t *testing.T) {
	dir, h := t.TempDir(), &hub{away: true}
	s := open(t, dir, h, 0)
	stop := start(s)
	for i := range 10 {
		if err := s.Emit(lookup(i)); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	seg, _ := filepath.Glob(filepath.Join(dir, "*.seg"))
	b, err := os.ReadFile(seg[0])
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(b), "\n")
	lines[4] = strings.Replace(lines[4], "n4.test", "nX.test", 1)
	lines[9] = lines[9][:20] // torn
	if err := os.WriteFile(seg[0], []byte(strings.Join(lines, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	h.away = false
	s = open(t, dir, h, 0)
	stop = start(s)
	h.wait(t, 8)
	stop()
	if st := s.Stats(); st.Quarantined != 2 || len(h.got) != 8 {
		t.Errorf("two pieces were damaged: %+v, %d events arrived", st, len(h.got))
	}
	if _, err := os.Stat(filepath.Join(dir, "damaged")); err != nil {
		t.Error("the damaged line was not kept:", err)
	}
}

// TestMain lets the test binary be its own victim: it emits and says what was
// sent, until it is killed.
func TestMain(m *testing.M) {
	dir := os.Getenv("NOROSHI_TEST_VICTIM")
	if dir == "" {
		os.Exit(m.Run())
	}
	s, err := spool.Open(spool.Config{Dir: dir, Org: "org_a", Node: "nod_a"}, spool.Deps{Encode: bus.EncodeBatch, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Publish: func(_ context.Context, _ string, batch []byte) error {
			events, _, err := bus.DecodeBatch(batch)
			for _, e := range events {
				fmt.Println(e.Query.Hostname)
			}
			return err
		}})
	if err != nil {
		panic(err)
	}
	go func() {
		for n := 0; ; n++ {
			_ = s.Emit(lookup(n))
		}
	}()
	_ = s.Run(context.Background())
}

func TestKillLosesNothingBeforeWhatWasSent(t *testing.T) {
	dir := t.TempDir()
	c := exec.Command(os.Args[0], "-test.run=none")
	c.Env = append(os.Environ(), "NOROSHI_TEST_VICTIM="+dir)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	sent := 0
	for lines := bufio.NewScanner(out); sent < 3000 && lines.Scan(); sent++ {
		if want := "n" + strconv.Itoa(sent) + ".test"; lines.Text() != want {
			t.Fatalf("%s was sent where %s was due", lines.Text(), want)
		}
	}
	_ = c.Process.Kill()
	_ = c.Wait()
	h := &hub{}
	s := open(t, dir, h, 0)
	stop := start(s)
	h.wait(t, 1)
	stop()
	first, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(h.got[0].Query.Hostname, "n"), ".test"))
	if err != nil {
		t.Fatal(err)
	}
	// What the victim wrote to its pipe and was not read counts as sent.
	last := first - 1
	for _, e := range h.got {
		n, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(e.Query.Hostname, "n"), ".test"))
		if n != last+1 {
			t.Fatalf("after n%d comes n%d", last, n)
		}
		last = n
	}
	if sent < 3000 {
		t.Error("the victim died before it was killed")
	}
}

func FuzzSegment(f *testing.F) {
	f.Add([]byte("00000000 1 {}\n"))
	f.Add([]byte("8bb5bf0c 12 {\"a\":1}\n\xff\xfe\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "00000000000000000001.seg"), b, 0o600); err != nil {
			t.Fatal(err)
		}
		h := &hub{}
		s := open(t, dir, h, 0)
		if err := s.Emit(lookup(0)); err != nil {
			t.Fatal(err)
		}
	})
}

package spool

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"noroshi/event"
	"noroshi/fault"
)

// hub is a bus that can be away, keeps what it took, and knows an id again.
type hub struct {
	mu      sync.Mutex
	away    bool
	lostAck int // so many batches are taken, but the acknowledgement gets lost
	ids     []string
	seqs    []uint64
	repeats int
}

func (h *hub) Publish(_ context.Context, id string, batch []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.away {
		return errors.New("away")
	}
	seqs := sequences(batch)
	if slices.Contains(h.ids, id) {
		h.repeats++
		return nil
	}
	h.ids, h.seqs = append(h.ids, id), append(h.seqs, seqs...)
	if h.lostAck > 0 {
		h.lostAck--
		return errors.New("the line broke")
	}
	return nil
}

func (h *hub) set(away bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.away = away
}

func (h *hub) got() []uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.seqs)
}

// join is the frame of these tests: the lines.
func join(lines [][]byte) ([]byte, error) { return bytes.Join(lines, []byte{'\n'}), nil }

func sequences(batch []byte) (seqs []uint64) {
	for _, line := range bytes.Split(batch, []byte{'\n'}) {
		e, err := event.DecodeJSON(line)
		if err == nil {
			err = e.Validate()
		}
		if err != nil {
			panic("the batch holds something that is no event: " + err.Error())
		}
		seqs = append(seqs, e.Metadata.Sequence)
	}
	return seqs
}

func lookup(name string) *event.Event {
	return &event.Event{ClassUID: event.DNSActivity, ActivityID: event.DNSTraffic, Time: 1, Query: &event.DNSQueryInfo{Hostname: name}}
}

type rig struct {
	*testing.T
	cfg  Config
	deps Deps
	hub  *hub
}

func newRig(t *testing.T) *rig {
	h := &hub{}
	return &rig{T: t, hub: h,
		cfg:  Config{Dir: t.TempDir(), Org: "org_a", Node: "nod_a", Hostname: "host", Product: "resolver", Version: "0", Linger: time.Millisecond, BatchEvents: 7},
		deps: Deps{Publisher: h, Encode: join, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Jitter: func(time.Duration) time.Duration { return 1 }}}
}

func (r *rig) open() *Spool {
	r.Helper()
	s, err := Open(r.cfg, r.deps)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { s.Close() })
	return s
}

func (r *rig) emit(s *Spool, n int) (seqs []uint64) {
	r.Helper()
	for range n {
		e := lookup("a.example")
		if err := s.Emit(e); err != nil {
			r.Fatal(err)
		}
		seqs = append(seqs, e.Metadata.Sequence)
	}
	return seqs
}

// run sends until the test ends or stop is called.
func (r *rig) run(s *Spool) (stop func()) {
	ctx, cancel := context.WithCancel(r.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx)
	}()
	stop = func() { cancel(); <-done }
	r.Cleanup(stop)
	return stop
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("did not happen: " + what)
		}
	}
}

func (r *rig) wantDelivered(s *Spool, want []uint64) {
	r.Helper()
	until(r.T, "the spool is empty", func() bool { return s.Stats().SpooledEvents == 0 })
	got := r.hub.got()
	if len(got) != len(want) {
		r.Fatalf("%d events arrived; %d were emitted", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			r.Fatalf("event %d has the sequence %d, not %d", i, got[i], want[i])
		}
	}
}

func (r *rig) segments() (paths []string) {
	all, err := filepath.Glob(filepath.Join(r.cfg.Dir, "*"+suffix))
	if err != nil {
		r.Fatal(err)
	}
	return all
}

func TestEventsArriveInOrderAndTheDiskIsFreed(t *testing.T) {
	r := newRig(t)
	r.cfg.MaxBytes = 4 * maxRecord // Small segments: many of them.
	s := r.open()
	r.run(s)
	var want []uint64
	for range 40 {
		want = append(want, r.emit(s, 25)...)
		until(t, "there is room", func() bool { return s.Stats().SpooledEvents < 100 })
	}
	r.wantDelivered(s, want)
	if n := len(r.segments()); n > 2 {
		t.Errorf("%d segments stay though everything was acknowledged", n)
	}
	if st := s.Stats(); st.Emitted != 1000 || st.Acked != 1000 || st.Dropped != 0 || st.Oldest != 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestStampSaysWhereTheEventComesFrom(t *testing.T) {
	r := newRig(t)
	s := r.open()
	e := lookup("a.example")
	e.Metadata.Provider, e.Metadata.Labels = event.TierResolver, []string{"realm:exercise"}
	if err := s.Emit(e); err != nil {
		t.Fatal(err)
	}
	m := e.Metadata
	if m.UID != "nod_a."+strconv.FormatUint(m.Sequence, 36) || m.Tenant != "org_a" || m.Reporter.UID != "nod_a" || m.Reporter.Hostname != "host" ||
		m.Product.Feature.Name != "resolver" || m.Version != event.Version || m.Provider != event.TierResolver || len(m.Labels) != 1 || m.LoggedTime == 0 {
		t.Errorf("metadata %+v", m)
	}
	if err := e.Validate(); err != nil {
		t.Error(err)
	}
}

func TestSpoolWorksWhileTheHubIsAway(t *testing.T) {
	r := newRig(t)
	r.hub.away = true
	s := r.open()
	r.run(s)
	want := r.emit(s, 50)
	until(t, "a batch was tried again", func() bool { return s.Stats().Failures > 1 })
	if st := s.Stats(); st.SpooledEvents != 50 || st.Acked != 0 || st.Problem != "away" {
		t.Errorf("stats while away: %+v", st)
	}
	r.hub.set(false)
	r.wantDelivered(s, want)
	if p := s.Stats().Problem; p != "" {
		t.Errorf("the problem %q is over", p)
	}
}

func TestBatchWhoseAcknowledgementWasLostIsSentAgainUnderItsID(t *testing.T) {
	r := newRig(t)
	r.hub.lostAck = 3
	s := r.open()
	r.run(s)
	r.wantDelivered(s, r.emit(s, 50))
	if r.hub.repeats != 3 {
		t.Errorf("%d batches were repeated under their id, not 3", r.hub.repeats)
	}
}

func TestRestartContinuesAndRepeatsOnlyWholeBatches(t *testing.T) {
	r := newRig(t)
	var want []uint64
	for i := range 6 {
		r.hub.away = i%2 == 0
		s := r.open()
		if len(want) > 0 && s.next <= want[len(want)-1] {
			t.Fatalf("the next sequence %d does not grow from %d", s.next, want[len(want)-1])
		}
		stop := r.run(s)
		want = append(want, r.emit(s, 30)...)
		if r.hub.away {
			until(t, "a batch was tried", func() bool { return s.Stats().Failures > 0 })
		} else {
			until(t, "a batch was taken", func() bool { return s.Stats().Acked > 0 })
		}
		stop()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		// As after a power cut: the cursor is older than what the hub has.
		if err := os.Remove(filepath.Join(r.cfg.Dir, "cursor")); err != nil {
			t.Fatal(err)
		}
	}
	r.hub.away = false
	s := r.open()
	r.run(s)
	r.wantDelivered(s, want)
}

// Batches that were cut because nobody came for a while are the same batches
// after a restart, although there would be room for all of them in one.
func TestBatchesAreCutOnceAndForAll(t *testing.T) {
	r := newRig(t)
	s := r.open()
	stop := r.run(s)
	var want []uint64
	for range 3 {
		want = append(want, r.emit(s, 2)...)
		until(t, "the batch is acknowledged", func() bool { return s.Stats().SpooledEvents == 0 })
	}
	stop()
	s.Close()
	s = r.open()
	if n := s.Stats().SpooledEvents; n != 0 {
		t.Errorf("%d events are forgotten to be acknowledged", n)
	}
	s.Close()

	// A power cut may bring back an old cursor.
	s = r.open()
	want = append(want, r.emit(s, 2)...)
	stop = r.run(s)
	until(t, "everything is acknowledged", func() bool { return s.Stats().SpooledEvents == 0 })
	want = append(want, r.emit(s, 2)...)
	until(t, "everything is acknowledged", func() bool { return s.Stats().SpooledEvents == 0 })
	stop()
	s.Close()
	if err := os.Remove(filepath.Join(r.cfg.Dir, "cursor")); err != nil {
		t.Fatal(err)
	}
	s = r.open()
	r.run(s)
	r.wantDelivered(s, want)
	if r.hub.repeats != 2 {
		t.Errorf("%d batches were repeated, not 2", r.hub.repeats)
	}
}

func TestSequenceGrowsAfterTheFolderWasWiped(t *testing.T) {
	r := newRig(t)
	s := r.open()
	last := r.emit(s, 3)[2]
	s.Close()
	if err := os.RemoveAll(r.cfg.Dir); err != nil {
		t.Fatal(err)
	}
	if first := r.emit(r.open(), 1)[0]; first <= last {
		t.Errorf("the sequence %d follows %d", first, last)
	}
}

func TestSequenceGrowsWhenTheClockWentBack(t *testing.T) {
	for _, sent := range []bool{true, false} {
		r := newRig(t)
		s := r.open()
		last := r.emit(s, 20)[19]
		if sent {
			r.run(s)
			until(t, "everything is acknowledged", func() bool { return s.Stats().SpooledEvents == 0 })
		}
		s.Close()
		r.deps.Now = func() time.Time { return time.UnixMicro(1000) }
		if first := r.emit(r.open(), 1)[0]; first <= last {
			t.Errorf("the sequence %d follows %d (sent: %v)", first, last, sent)
		}
	}
}

func TestFolderBelongsToOne(t *testing.T) {
	r := newRig(t)
	r.open()
	if _, err := Open(r.cfg, r.deps); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a second spool opened the folder: %v", err)
	}
}

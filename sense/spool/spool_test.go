package spool

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"noroshi/bus"
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
	deadline := time.After(30 * time.Second)
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
		m.Product.Feature != "resolver" || m.Version != event.Version || m.Provider != event.TierResolver || len(m.Labels) != 1 || m.LoggedTime == 0 {
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

func TestFullSpoolDropsNewEventsAndCountsThem(t *testing.T) {
	r := newRig(t)
	r.cfg.MaxBytes, r.cfg.Patience = 4*maxRecord, time.Millisecond
	r.hub.away = true
	s := r.open()
	r.run(s)
	var want []uint64
	dropped := uint64(0)
	for dropped < 100 {
		e := lookup("a.example")
		switch err := s.Emit(e); {
		case err == nil:
			want = append(want, e.Metadata.Sequence)
		case fault.KindOf(err) == fault.Exhausted:
			dropped++
		default:
			t.Fatal(err)
		}
	}
	st := s.Stats()
	if st.Dropped != dropped || st.SpooledEvents != int64(len(want)) || st.SpooledBytes > r.cfg.MaxBytes {
		t.Errorf("%d were dropped and %d kept; stats say %+v", dropped, len(want), st)
	}
	r.hub.set(false)
	until(t, "there is room", func() bool { return s.Stats().SpooledEvents == 0 })
	want = append(want, r.emit(s, 10)...)
	r.wantDelivered(s, want)
}

func TestFullSpoolWaitsForRoomFirst(t *testing.T) {
	r := newRig(t)
	r.cfg.MaxBytes, r.cfg.Patience = 4*maxRecord, time.Minute
	s := r.open()
	var want []uint64
	emitted := make(chan uint64, 10000)
	go func() {
		defer close(emitted)
		for range 2000 { // More than there is room for.
			e := lookup("a.example")
			if err := s.Emit(e); err != nil {
				t.Error(err)
				return
			}
			emitted <- e.Metadata.Sequence
		}
	}()
	until(t, "the spool is full", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.giveUp != nil
	})
	r.run(s)
	for seq := range emitted {
		want = append(want, seq)
	}
	r.wantDelivered(s, want)
}

func TestTornTailIsCutOffAndCounted(t *testing.T) {
	r := newRig(t)
	r.hub.away = true
	s := r.open()
	want := r.emit(s, 20)
	s.Close()
	path := r.segments()[0]
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data[:len(data)-40], 0o600); err != nil {
		t.Fatal(err)
	}
	r.hub.away = false
	s = r.open()
	if st := s.Stats(); st.Torn != 1 || st.SpooledEvents != 19 || st.Quarantined != 0 {
		t.Errorf("stats %+v", st)
	}
	r.run(s)
	r.wantDelivered(s, want[:19])
}

func spoil(t *testing.T, path string, part float64) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[int(float64(len(data))*part)] ^= 0x40
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestSpoiledMiddleIsSetAsideAndTheRestGoesOn(t *testing.T) {
	for _, when := range []string{"before the start", "while running"} {
		t.Run(when, func(t *testing.T) {
			r := newRig(t)
			r.hub.away = true
			s := r.open()
			want := r.emit(s, 50)
			if when == "before the start" {
				s.Close()
				spoil(t, r.segments()[0], 0.5)
				s = r.open()
			} else {
				spoil(t, r.segments()[0], 0.5)
			}
			r.hub.away = false
			r.run(s)
			want = append(want, r.emit(s, 5)...)
			until(t, "the spool is empty", func() bool { return s.Stats().SpooledEvents == 0 })
			st, got := s.Stats(), r.hub.got()
			if st.Quarantined != 1 || st.Lost > 1 || len(got) != len(want)-int(st.Lost) {
				t.Fatalf("%d of %d arrived; stats %+v", len(got), len(want), st)
			}
			for i := 1; i < len(got); i++ {
				if got[i] <= got[i-1] {
					t.Fatalf("sequence %d after %d", got[i], got[i-1])
				}
			}
			reasons, _ := filepath.Glob(filepath.Join(r.cfg.Dir, quarantine, "*.reason"))
			if len(reasons) != 1 {
				t.Fatalf("there are %d reasons in the quarantine", len(reasons))
			}
			if b, _ := os.ReadFile(reasons[0]); !strings.HasPrefix(string(b), "spoiled records: bytes ") {
				t.Errorf("the reason reads %q", b)
			}
		})
	}
}

func TestBatchThatCannotBeEncodedDoesNotHoldUpTheRest(t *testing.T) {
	r := newRig(t)
	first := true
	r.deps.Encode = func(lines [][]byte) ([]byte, error) {
		if first {
			first = false
			return nil, errors.New("no")
		}
		return join(lines)
	}
	s := r.open()
	want := r.emit(s, 14)
	r.run(s)
	r.wantDelivered(s, want[7:])
	if st := s.Stats(); st.Lost != 7 || st.Quarantined != 1 {
		t.Errorf("stats %+v", st)
	}
}

func TestBatchesStayWithinTheirBounds(t *testing.T) {
	r := newRig(t)
	r.cfg.BatchEvents, r.cfg.BatchBytes = 100, 2000
	r.deps.Encode = func(lines [][]byte) ([]byte, error) {
		b, err := join(lines)
		if len(b) > 2000 || len(lines) < 2 {
			t.Errorf("a batch has %d bytes in %d lines", len(b), len(lines))
		}
		return b, err
	}
	s := r.open()
	want := r.emit(s, 100)
	r.run(s)
	r.wantDelivered(s, want)
}

// BenchmarkEmit is one event written to disk, and BenchmarkDeliver one event all
// the way to a bus that takes it at once.
func BenchmarkEmit(b *testing.B)    { bench(b, false) }
func BenchmarkDeliver(b *testing.B) { bench(b, true) }

func bench(b *testing.B, deliver bool) {
	cfg := Config{Dir: b.TempDir(), Org: "org_a", Node: "nod_a", MaxBytes: 64 << 30}
	s, err := Open(cfg, Deps{Publisher: sinkhole{}, Encode: join, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if deliver {
		ctx, cancel := context.WithCancel(b.Context())
		done := make(chan struct{})
		go func() { defer close(done); s.Run(ctx) }()
		defer func() { cancel(); <-done }()
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Emit(lookup("a.example")); err != nil {
			b.Fatal(err)
		}
	}
	for deliver && s.Stats().SpooledEvents > 0 {
		runtime.Gosched()
	}
}

type sinkhole struct{}

func (sinkhole) Publish(context.Context, string, []byte) error { return nil }

// The bus takes any batch that the spool cuts, however badly it compresses.
func TestBusTakesTheLargestBatch(t *testing.T) {
	r := newRig(t)
	r.cfg.BatchEvents = 0
	largest := 0
	r.deps.Encode = func(lines [][]byte) ([]byte, error) {
		frame, err := bus.EncodeBatch(lines)
		if err != nil {
			t.Error(err)
		}
		if events, bad, err := bus.DecodeBatch(frame); len(events) != len(lines) || len(bad) > 0 || err != nil {
			t.Errorf("%d of %d events were read again, %d spoiled, %v", len(events), len(lines), len(bad), err)
		}
		b, _ := join(lines)
		largest = max(largest, len(b))
		return b, err
	}
	s := r.open()
	noise := rand.NewChaCha8([32]byte{})
	for range 100 {
		b := make([]byte, 20<<10)
		noise.Read(b)
		e := lookup("a.example")
		e.Message = base64.StdEncoding.EncodeToString(b)
		if err := s.Emit(e); err != nil {
			t.Fatal(err)
		}
	}
	r.run(s)
	until(t, "the spool is empty", func() bool { return s.Stats().SpooledEvents == 0 })
	if st := s.Stats(); st.Acked != 100 || st.Lost != 0 || largest < 200<<10 {
		t.Errorf("the largest batch has %d bytes; stats %+v", largest, st)
	}
}

package spool

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"noroshi/bus"
	"noroshi/fault"
)

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

// Package spool stands between an eye (the sensor, the resolver) and the bus:
// every event is on disk before it is sent, batches go in order, and what the
// hub has acknowledged is dropped. It works without the hub for as long as there
// is room, goes on after kill -9, and counts exactly what it could not keep. The
// eyes call Emit, app runs it and joins it with the bus.
package spool

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"noroshi/event"
	"noroshi/fault"
	"noroshi/ident"
)

// Config says where, how much, and for whom.
type Config struct {
	Dir      string
	MaxBytes int64 // beyond it new events are dropped and counted
	Org      ident.ID
	Node     ident.ID
	Hostname string
	Feature  string // sensor or resolver
	Version  string
}

// Deps is what the spool works with.
type Deps struct {
	// Publish returns nil only when the hub has the batch on disk.
	Publish func(ctx context.Context, id string, batch []byte) error
	// Encode makes a batch of JSON lines.
	Encode func(lines [][]byte) ([]byte, error)
	Now    func() time.Time
	Log    *slog.Logger
}

// Limits of a batch (the bus refuses larger ones) and of a segment file.
const (
	batchEvents  = 500
	batchRaw     = 1 << 20 // bytes of JSON; it compresses to well below 256 KiB
	linger       = 8 * time.Millisecond
	segmentBytes = 8 << 20
)

// Stats is how the spool is.
type Stats struct {
	Events      uint64 // written down since the start
	Sent        uint64
	Dropped     uint64 // there was no room, or the disk failed
	Quarantined uint64 // damaged pieces put aside
	Bytes       int64  // waiting
	Oldest      time.Time
}

// Spool is the open spool.
type Spool struct {
	cfg Config
	d   Deps

	mu    sync.Mutex
	seq   uint64
	files files
	room  bool // the last Emit found room
	more  chan struct{}
	stats struct{ events, sent, dropped, quarantined atomic.Uint64 }
}

// Open opens or makes the spool.
func Open(cfg Config, d Deps) (*Spool, error) {
	s := &Spool{cfg: cfg, d: d, more: make(chan struct{}, 1), room: true}
	if cfg.MaxBytes == 0 {
		s.cfg.MaxBytes = 1 << 30
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fault.As(fault.Internal, "spool.open", err, "the spool's folder %s cannot be made", cfg.Dir)
	}
	last, damaged, err := s.files.open(cfg.Dir)
	if err != nil {
		return nil, err
	}
	s.stats.quarantined.Store(damaged)
	// Sequences grow over restarts, and over a folder that was lost: the clock
	// in microseconds is ahead of one event in each.
	s.seq = max(last, uint64(d.Now().UnixMicro()))
	nudge(s.more)
	return s, nil
}

func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Emit stamps an event and writes it down. An error means that the event is
// lost; it was counted.
func (s *Spool) Emit(e *event.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq++
	s.stamp(e)
	line, err := event.AppendJSON(nil, e)
	if err == nil && s.files.bytes()+int64(len(line)) > s.cfg.MaxBytes {
		err = fault.New(fault.Exhausted, "spool.emit", "the spool is full (%d MiB); the hub is away for too long", s.cfg.MaxBytes>>20)
	}
	if err == nil {
		err = s.files.append(s.seq, line)
	}
	if err != nil {
		s.stats.dropped.Add(1)
		if s.room {
			s.d.Log.Error("events are dropped", "node", s.cfg.Node, "err", err)
		}
		s.room = false
		return err
	}
	s.room = true
	s.stats.events.Add(1)
	nudge(s.more)
	return nil
}

func (s *Spool) stamp(e *event.Event) {
	e.Finish()
	m := &e.Metadata
	m.UID = string(s.cfg.Node) + "." + strconv.FormatUint(s.seq, 36)
	m.Sequence, m.Tenant = s.seq, s.cfg.Org
	m.Reporter = event.Reporter{UID: s.cfg.Node, Hostname: s.cfg.Hostname}
	m.Product = event.Product{Name: "Noroshi", VendorName: "Noroshi", Version: s.cfg.Version, Feature: s.cfg.Feature}
	m.LoggedTime = s.d.Now().UnixMilli()
}

// Run sends until ctx ends.
func (s *Spool) Run(ctx context.Context) error {
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if err := s.files.close(); err != nil {
			s.d.Log.Error("the spool did not close well", "node", s.cfg.Node, "err", err)
		}
	}()
	failures := 0
	for {
		sent, err := s.sendOne(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			failures = min(failures+1, 7)
			wait := time.Duration(1<<failures) * 25 * time.Millisecond
			s.d.Log.Debug("batch not sent", "node", s.cfg.Node, "err", err)
			if !sleep(ctx, wait/2+rand.N(wait)) {
				return nil
			}
			continue
		case sent == batchEvents: // There is more than one batch.
			failures = 0
			continue
		}
		failures = 0
		select {
		case <-ctx.Done():
			return nil
		case <-s.more:
			if !sleep(ctx, linger) { // A little company costs little time.
				return nil
			}
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// sendOne sends the oldest batch and drops it when it was acknowledged. The same
// batch is made again after a failure, so its id is the same too.
func (s *Spool) sendOne(ctx context.Context) (int, error) {
	s.mu.Lock()
	lines, end, damaged, err := s.files.next(batchEvents, batchRaw)
	s.mu.Unlock()
	s.stats.quarantined.Add(damaged)
	if err != nil || len(lines) == 0 {
		return 0, err
	}
	batch, err := s.d.Encode(lines)
	if err != nil {
		return 0, err
	}
	sum := sha256.Sum256(batch)
	if err := s.d.Publish(ctx, hex.EncodeToString(sum[:16]), batch); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.sent.Add(uint64(len(lines)))
	return len(lines), s.files.done(end)
}

// Stats returns the counters.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{Events: s.stats.events.Load(), Sent: s.stats.sent.Load(), Dropped: s.stats.dropped.Load(),
		Quarantined: s.stats.quarantined.Load(), Bytes: s.files.bytes(), Oldest: s.files.oldest()}
}

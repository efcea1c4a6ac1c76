package spool

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"strconv"
	"time"

	"noroshi/fault"
)

// Bounds of the wait after a failure; the wait doubles in between.
const (
	minBackoff = 50 * time.Millisecond
	maxBackoff = 2 * time.Second
	syncEvery  = time.Second
)

// batch is what is sent at once.
type batch struct {
	lines [][]byte
	last  uint64    // sequence of the last event
	first time.Time // of the first event
	end   int64     // offset behind it in segs[0]
}

// Run sends what is spooled until the context ends. What was not acknowledged
// then stays on disk. A disk that fails is tried again, as the bus is.
func (s *Spool) Run(ctx context.Context) error {
	go s.syncOften(ctx)
	for ctx.Err() == nil {
		b, wait, err := s.take()
		switch {
		case err != nil:
			s.trouble("the spool's disk fails", err)
			s.pause(ctx, maxBackoff)
		case b == nil:
			s.sleep(ctx, wait)
		default:
			s.deliver(ctx, b)
		}
	}
	return nil
}

// take returns the next complete batch, already durable; or nil and how long to
// wait for one, 0 for until there is news.
func (s *Spool) take() (*batch, time.Duration, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.segs) > 1 && s.pos >= s.segs[0].size {
		if err := s.dropSent(); err != nil {
			return nil, 0, err
		}
	}
	if len(s.segs) == 1 && s.pos >= s.closed {
		if s.open == 0 {
			return nil, 0, nil
		}
		if rest := s.cfg.Linger - s.deps.Now().Sub(s.openAt); rest > 0 && rest <= s.cfg.Linger {
			return nil, rest, nil
		}
		if err := s.cut(); err != nil {
			// A full disk has no room for the boundary, and gets none unless
			// something is sent.
			s.c.problem = err.Error()
			s.closed, s.open, s.openLen = s.segs[0].size, 0, 0
		}
	}
	if len(s.segs) == 1 && s.dirty {
		if err := s.sync(); err != nil {
			return nil, 0, err
		}
	}
	return s.read()
}

// sync makes the active segment durable without holding up Emit.
func (s *Spool) sync() error {
	f := s.active
	s.dirty = false
	s.mu.Unlock()
	err := f.Sync()
	s.mu.Lock()
	if err != nil && f == s.active {
		s.dirty = true
		return err
	}
	return nil // A segment that was rotated meanwhile was synced by that.
}

// read reads one batch at the position: up to its boundary, the limits, or the
// end of the segment.
func (s *Spool) read() (*batch, time.Duration, error) {
	seg := s.segs[0]
	limit := seg.size
	if len(s.segs) == 1 {
		limit = s.closed
	}
	room := int64(s.cfg.BatchBytes + (s.cfg.BatchEvents+2)*headerSize + 2*maxRecord)
	data := make([]byte, min(limit-s.pos, room))
	if err := readAt(seg.path, data, s.pos); errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return nil, 1, s.mend()
	} else if err != nil {
		return nil, 0, err
	}
	b, size := &batch{end: s.pos}, 0
	spoiled := walk(data, func(r record, end int) bool {
		full := len(b.lines) == s.cfg.BatchEvents || size > 0 && size+len(r.line)+1 > s.cfg.BatchBytes
		if full && !r.boundary() {
			return false
		}
		b.end = s.pos + int64(end)
		if r.boundary() {
			return len(b.lines) == 0 // One that follows a full batch ends nothing.
		}
		if len(b.lines) == 0 {
			b.first = time.UnixMilli(r.at)
		}
		b.lines, b.last, size = append(b.lines, r.line), r.seq, size+len(r.line)+1
		return true
	})
	if len(spoiled) > 0 {
		return nil, 1, s.mend()
	}
	if len(b.lines) == 0 {
		s.pos = b.end
		return nil, 1, nil
	}
	s.c.oldest = b.first
	return b, 0, nil
}

func readAt(path string, data []byte, at int64) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.ReadFull(io.NewSectionReader(f, at, int64(len(data))), data)
	return err
}

// mend repairs the oldest segment, which was spoiled after it was written.
func (s *Spool) mend() error {
	if len(s.segs) == 1 {
		if err := s.rotate(); err != nil {
			return err
		}
	}
	seg := s.segs[0]
	data, err := os.ReadFile(seg.path)
	if err != nil {
		return err
	}
	var sound int64
	spoiled := walk(data, func(r record, _ int) bool {
		if r.seq > s.acked && !r.boundary() {
			sound++
		}
		return true
	})
	if len(spoiled) == 0 {
		spoiled = []span{{len(data), len(data)}} // It was cut short at a record.
	}
	kept, err := s.repair(seg, data, spoiled)
	if err != nil {
		return err
	}
	s.total += int64(len(kept)) - seg.size
	s.c.pending += sound - seg.waiting
	seg.size, seg.waiting, s.pos = int64(len(kept)), sound, 0
	return nil
}

// deliver sends one batch until the bus has it.
func (s *Spool) deliver(ctx context.Context, b *batch) {
	frame, err := s.deps.Encode(b.lines)
	if err != nil {
		// It would fail for ever and hold up all behind it.
		s.mu.Lock()
		defer s.mu.Unlock()
		name := strconv.FormatUint(b.last, 10) + ".ndjson"
		if err := s.setAside(name, bytes.Join(b.lines, []byte{'\n'}), err.Error()); err != nil {
			s.c.problem = err.Error()
		}
		s.c.lost += uint64(len(b.lines))
		s.done(b)
		return
	}
	sum := sha256.Sum256(frame)
	id := hex.EncodeToString(sum[:16])
	for wait := minBackoff; ; wait = min(2*wait, maxBackoff) {
		s.count(func(c *counters) { c.sent++ })
		if err = s.deps.Publisher.Publish(ctx, id, frame); err == nil {
			break
		}
		if ctx.Err() != nil {
			return
		}
		s.trouble("the hub does not take a batch; it stays on disk and is sent again", err)
		s.pause(ctx, wait/2+s.deps.Jitter(wait/2))
		if ctx.Err() != nil {
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.c.acked += uint64(len(b.lines))
	if s.c.problem != "" {
		s.deps.Log.Info("the spool empties again", "waiting", s.c.pending)
		s.c.problem = ""
	}
	s.done(b)
}

// done moves behind a batch for good.
func (s *Spool) done(b *batch) {
	if err := s.saveCursor(b.last); err != nil {
		s.c.problem = err.Error()
	}
	s.pos = b.end
	s.c.pending -= int64(len(b.lines))
	s.segs[0].waiting -= int64(len(b.lines))
	if len(s.segs) > 1 && s.pos >= s.segs[0].size {
		if err := s.dropSent(); err != nil {
			s.c.problem = err.Error()
		}
	}
}

// trouble says once that something fails, and keeps the newest reason.
func (s *Spool) trouble(what string, err error) {
	s.mu.Lock()
	first := s.c.problem == ""
	s.c.problem = err.Error()
	s.c.failures++
	s.mu.Unlock()
	if first {
		s.deps.Log.Warn(what, "err", err, "public", fault.PublicOf(err))
	}
}

func (s *Spool) pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// sleep waits for news, or for d when it is not 0.
func (s *Spool) sleep(ctx context.Context, d time.Duration) {
	var after <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		after = t.C
	}
	select {
	case <-ctx.Done():
	case <-s.kick:
	case <-after:
	}
}

// syncOften bounds what a power cut can take while no batch can be sent.
func (s *Spool) syncOften(ctx context.Context) {
	t := time.NewTicker(syncEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		s.mu.Lock()
		if s.dirty && s.active != nil {
			if err := s.sync(); err != nil {
				s.c.problem = err.Error()
			}
		}
		s.mu.Unlock()
	}
}

package bus

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"noroshi/fault"
)

// Backlog is what a stream holds: all that not every reader is done with.
type Backlog struct {
	Messages, Bytes uint64
	Last            uint64    // sequence of the newest that ever was
	Oldest          time.Time // when the oldest was taken; zero when there is none
	MaxBytes        int64     // beyond it publishers wait
}

// Backlog tells what bundles wait to be judged and stored.
func (h *Hub) Backlog(ctx context.Context) (Backlog, error) { return backlog(ctx, h.bundles) }

// Stages tells what waits between the stages.
func (h *Hub) Stages(ctx context.Context) (Backlog, error) {
	s, err := h.js.Stream(ctx, stageStream)
	if err != nil {
		return Backlog{}, fault.As(fault.Unavailable, "bus.backlog", err, "the bus does not answer")
	}
	return backlog(ctx, s)
}

func backlog(ctx context.Context, s jetstream.Stream) (Backlog, error) {
	i, err := s.Info(ctx)
	if err != nil {
		return Backlog{}, fault.As(fault.Unavailable, "bus.backlog", err, "the bus does not answer")
	}
	b := Backlog{Messages: i.State.Msgs, Bytes: i.State.Bytes, Last: i.State.LastSeq, MaxBytes: i.Config.MaxBytes}
	if b.Messages > 0 {
		b.Oldest = i.State.FirstTime
	}
	return b, nil
}

// TakenAt is when the bus took a bundle; zero when it holds it no more. A reader
// whose mark is seq-1 is behind since then.
func (h *Hub) TakenAt(ctx context.Context, seq uint64) (time.Time, error) {
	m, err := h.bundles.GetMsg(ctx, seq)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fault.Wrap("bus.taken", err)
	}
	return m.Time, nil
}

// BehindSince is when the oldest bundle was taken that a reader has not done with,
// in whichever partition; zero when there is none.
func (h *Hub) BehindSince(ctx context.Context, reader string) (time.Time, error) {
	var oldest time.Time
	for part := range h.layout.Partitions {
		mark, err := h.Mark(ctx, reader, part)
		if err != nil {
			return oldest, err
		}
		m, err := h.bundles.GetMsg(ctx, mark+1, jetstream.WithGetMsgSubject(bundleSubject(part)))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return oldest, fault.Wrap("bus.behind", err)
		}
		if oldest.IsZero() || m.Time.Before(oldest) {
			oldest = m.Time
		}
	}
	return oldest, nil
}

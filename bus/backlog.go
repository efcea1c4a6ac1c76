package bus

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"noroshi/fault"
)

// Backlog is what a stream holds: all that was not acknowledged yet.
type Backlog struct {
	Messages, Bytes uint64
	Last            uint64    // sequence of the newest that ever was: how many were taken
	Oldest          time.Time // when the oldest was taken; zero when there is none
	MaxBytes        int64     // beyond it publishers wait
}

// Batches tells what waits to be judged and stored.
func (h *Hub) Batches(ctx context.Context) (Backlog, error) { return h.backlog(ctx, obsStream) }

// Stages tells what waits between the stages.
func (h *Hub) Stages(ctx context.Context) (Backlog, error) { return h.backlog(ctx, stageStream) }

func (h *Hub) backlog(ctx context.Context, stream string) (Backlog, error) {
	s, err := h.js.Stream(ctx, stream)
	if err != nil {
		return Backlog{}, fault.As(fault.Unavailable, "bus.backlog", err, "the stream %s does not answer", stream)
	}
	i := s.CachedInfo() // Asked for just now.
	b := Backlog{Messages: i.State.Msgs, Bytes: i.State.Bytes, Last: i.State.LastSeq, MaxBytes: i.Config.MaxBytes}
	if b.Messages > 0 {
		b.Oldest = i.State.FirstTime
	}
	return b, nil
}

// TakenAt is when the bus took a batch; zero when it holds it no more. A reader
// whose mark is seq-1 is behind since then.
func (h *Hub) TakenAt(ctx context.Context, seq uint64) (time.Time, error) {
	s, err := h.js.Stream(ctx, obsStream)
	if err != nil {
		return time.Time{}, fault.Wrap("bus.taken", err)
	}
	m, err := s.GetMsg(ctx, seq)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fault.Wrap("bus.taken", err)
	}
	return m.Time, nil
}

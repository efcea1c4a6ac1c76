package push

import (
	"context"
	"sync"

	"noroshi/share/set"
)

// maxSealed bounds the frames that are kept for edges that catch up, in bytes.
const maxSealed = 32 << 20

// sealed keeps frames of changes for a while: after an outage a thousand edges
// ask for the same ones. It is a memory, not a state; it may forget at any time.
type sealed struct {
	mu     sync.Mutex
	frames map[step]*sealedFrame
	bytes  int
}

// step is where a frame begins, and where the feed was when it was made.
type step struct {
	feed        string
	after, head uint64
}

type sealedFrame struct {
	once  sync.Once
	frame []byte
	seq   uint64 // where it leads
	err   error
}

// seal returns the signed frame of the changes after a sequence. Of many that
// ask at once, one makes it.
func (p *Push) seal(ctx context.Context, feed string, after uint64, h head) (*sealedFrame, error) {
	c, key := &p.sealed, step{feed, after, h.seq}
	c.mu.Lock()
	s := c.frames[key]
	if s == nil {
		if c.frames == nil || c.bytes > maxSealed {
			c.frames, c.bytes = map[step]*sealedFrame{}, 0
		}
		s = &sealedFrame{}
		c.frames[key] = s
	}
	c.mu.Unlock()
	s.once.Do(func() {
		var f set.Frame
		if f, s.err = p.delta(ctx, feed, after); s.err == nil {
			s.seq = f.Seq
			s.frame, s.err = set.Seal(f, p.d.Key)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.bytes += len(s.frame)
		if s.err != nil && c.frames[key] == s {
			delete(c.frames, key)
		}
	})
	return s, s.err
}

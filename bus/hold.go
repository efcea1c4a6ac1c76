package bus

import (
	"context"

	"noroshi/fault"
)

// Hold makes the hub take no more batches, or take them again. What it has stays
// and moves on; a node that sends is refused and its spool waits.
func (h *Hub) Hold(ctx context.Context, closed bool) error {
	s, err := h.js.Stream(ctx, obsStream)
	if err != nil {
		return fault.Wrap("bus.hold", err)
	}
	c := s.CachedInfo().Config
	c.MaxMsgSize = maxBatchMessage
	if closed {
		c.MaxMsgSize = 1 // No batch is as small.
	}
	if c.MaxMsgSize == s.CachedInfo().Config.MaxMsgSize {
		return nil
	}
	_, err = h.js.UpdateStream(ctx, c)
	return fault.Wrap("bus.hold", err)
}

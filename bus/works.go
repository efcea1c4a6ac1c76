package bus

import (
	"context"
	"math"
	"strings"

	"github.com/nats-io/nats-server/v2/server"

	"noroshi/fault"
)

// Works tells whether the engine still writes. After a full disk it answers
// questions but writes nothing more until it starts anew, and says so only to who
// asks it to change something: here, to delete a message that cannot be there.
func (h *Hub) Works(ctx context.Context) error {
	err := h.bundles.DeleteMsg(ctx, math.MaxUint64)
	if err == nil || strings.Contains(err.Error(), server.ErrStoreEOF.Error()) {
		return nil
	}
	return fault.As(fault.Unavailable, "bus.works", err, "the bus writes nothing more; it must be started anew")
}

package bus

import (
	"time"

	"noroshi/fault"
)

// Reconnect makes the line anew, so that the hub sees the certificate that is
// the node's by now. What was sent before has arrived; a batch whose
// acknowledgement is lost is sent again by the spool, and frames in between are
// caught up with as after any break.
func (c *Client) Reconnect() error {
	if c.nc.IsConnected() {
		// A hub that does not answer now is left all the same.
		_ = c.nc.FlushTimeout(2 * time.Second)
	}
	return fault.Wrap("bus.reconnect", c.nc.ForceReconnect())
}

package app

import (
	"context"
	"math/rand/v2"
	"time"

	"noroshi/access"
	"noroshi/identity/join"
)

// renew keeps the node's certificate renewed, and shows a new one to the hub.
func (n *node) renew(ctx context.Context) error {
	return n.id.KeepRenewed(ctx, join.RenewDeps{Now: time.Now, Wait: wait, Jitter: rand.Float64, Log: n.log, Renewed: func() {
		if err := n.line.Reconnect(); err != nil && ctx.Err() == nil {
			n.log.Warn("the new certificate is shown at the next connection", "role", n.id.Role, "org", n.id.Org, "node", n.id.Node, "err", err)
		}
	}})
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// overdueEvery is how often the hub warns of certificates that end soon.
const overdueEvery = time.Hour

// ownEndsSoon is when a certificate of the hub itself should have been renewed
// for a week or more.
const ownEndsSoon = 21 * 24 * time.Hour

// overdue warns of nodes that should have renewed their certificate long ago:
// they will be unable to connect when it ends, and each is then a blind spot. It
// looks at the hub's own as well, which renews them.
func (h *hub) overdue(ctx context.Context) error {
	for ctx.Err() == nil {
		list, err := h.nodes.List(ctx, access.Hub(h.orgs.Current(), "certificates"))
		if err != nil && ctx.Err() == nil {
			h.log.Error("the nodes cannot be read", "role", "hub", "err", err)
		}
		for _, x := range list {
			if x.Overdue(time.Now()) {
				h.log.Warn("a node has not renewed its certificate; it cannot connect when that has ended, but for a new token",
					"role", "hub", "org", x.Org, "node", x.ID, "name", x.Name, "until", x.NotAfter)
			}
		}
		for _, c := range h.ca.Own() {
			if time.Until(c.NotAfter) < ownEndsSoon {
				h.log.Error("a certificate of the hub itself could not be renewed; is its folder writable?", "role", "hub", "certificate", c.Name, "until", c.NotAfter)
			}
		}
		wait(ctx, overdueEvery)
	}
	return nil
}

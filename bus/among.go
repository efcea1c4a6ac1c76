package bus

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"

	"noroshi/fault"
)

// What hubs say to each other beside the durable streams: a lost word is made good
// by the next look at the ledger.

// Kick wakes whichever hub does something, which would else look a second later.
func (h *Hub) Kick(what string) { _ = h.nc.Publish("kick."+what, nil) }

// OnKick calls fn when a hub kicks, until the returned function is called.
func (h *Hub) OnKick(what string, fn func()) (stop func()) {
	s, err := h.nc.Subscribe("kick."+what, func(*nats.Msg) { fn() })
	if err != nil {
		return func() {} // The line is closing.
	}
	return func() { _ = s.Unsubscribe() }
}

const catchUpSubject = "catchup"

// OnCatchUp answers CatchUp once do has brought this hub up to date.
func (h *Hub) OnCatchUp(hub string, do func(ctx context.Context) error) error {
	_, err := h.nc.Subscribe(catchUpSubject, func(m *nats.Msg) {
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			if do(ctx) == nil {
				_ = m.Respond([]byte(hub)) // Who does not answer is asked again.
			}
		}()
	})
	return fault.Wrap("bus.catchup", err)
}

// CatchUp waits until each of these hubs has looked at the ledger again.
func (h *Hub) CatchUp(ctx context.Context, hubs []string) error {
	const op = "bus.catchup"
	inbox := nats.NewInbox()
	answers, err := h.nc.SubscribeSync(inbox)
	if err != nil {
		return fault.Wrap(op, err)
	}
	defer func() { _ = answers.Unsubscribe() }()
	if err := h.nc.PublishRequest(catchUpSubject, inbox, nil); err != nil {
		return fault.Wrap(op, err)
	}
	missing := map[string]bool{}
	for _, name := range hubs {
		missing[name] = true
	}
	ctx, cancel := context.WithTimeout(ctx, 6*time.Second)
	defer cancel()
	for len(missing) > 0 {
		m, err := answers.NextMsgWithContext(ctx)
		if err != nil {
			return fault.As(fault.Unavailable, op, err, "%d of %d hubs did not catch up with the ledger", len(missing), len(hubs))
		}
		delete(missing, string(m.Data))
	}
	return nil
}

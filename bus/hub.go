package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"noroshi/fault"
)

func sprintf(f string, a []any) string { return fmt.Sprintf(f, a...) }

// Hub is a hub's own line to the bus.
type Hub struct {
	nc      *nats.Conn
	js      jetstream.JetStream
	layout  Layout
	bundles jetstream.Stream
	state   jetstream.KeyValue
	epoch   string
	hold    sync.RWMutex // held for reading while something is forgotten
}

// Hub connects in process and makes sure that the streams are there. In a
// cluster it waits until enough hubs are.
func (s *Server) Hub(ctx context.Context, layout Layout) (*Hub, error) {
	nc, err := s.connect()
	if err != nil {
		return nil, fault.Wrap("bus.hub", err)
	}
	return newHub(ctx, nc, layout)
}

func (s *Server) connect() (*nats.Conn, error) {
	return nats.Connect("", nats.InProcessServer(s.nats), nats.UserInfo("hub", s.secret), nats.Name("hub"),
		nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
}

func newHub(ctx context.Context, nc *nats.Conn, layout Layout) (*Hub, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fault.Wrap("bus.hub", err)
	}
	h := &Hub{nc: nc, js: js, layout: layout}
	if err := h.open(ctx); err != nil {
		nc.Close()
		return nil, err
	}
	return h, nil
}

// Close drops the line.
func (h *Hub) Close() { h.nc.Close() }

// Stage returns what was published to a stage, in order, from the oldest that
// was not done with.
func (h *Hub) Stage(ctx context.Context, name string) (*Pull, error) {
	return h.pull(ctx, stageStream, "stage."+name, 0)
}

// PublishStage hands v to the next stage, durably. A second message of the same
// id within ten minutes is dropped.
func (h *Hub) PublishStage(ctx context.Context, name, id string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fault.Wrap("bus.stage", err)
	}
	_, err = h.js.Publish(ctx, "stage."+name, b, jetstream.WithMsgID(id))
	return fault.Wrap("bus.stage", err)
}

// Publish sends a frame to a feed. The frame's truth is in the ledger: an edge
// that misses it asks.
func (h *Hub) Publish(_ context.Context, feed string, frame []byte) error {
	return fault.Wrap("bus.feed", h.nc.Publish("feed."+feed, frame))
}

// OnSync answers requests of edges to catch up. An error is answered with its
// public message.
func (h *Hub) OnSync(answer func(ctx context.Context, from Node, req []byte) ([]byte, error)) error {
	_, err := h.nc.QueueSubscribe("sync.*.*", hubsQueue, func(m *nats.Msg) {
		go h.reply(m, answer)
	})
	return fault.Wrap("bus.sync", err)
}

func (h *Hub) reply(m *nats.Msg, answer func(context.Context, Node, []byte) ([]byte, error)) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	from, err := nodeOf(m.Subject)
	var out []byte
	if err == nil {
		out, err = answer(ctx, from, m.Data)
	}
	respond(m, out, err)
}

// respond answers a node with data, or with an error's kind and public message.
func respond(m *nats.Msg, data []byte, err error) {
	r := nats.NewMsg(m.Reply)
	r.Data = data
	if err != nil {
		r.Header.Set(headerError, fault.KindOf(err).String()+": "+fault.PublicOf(err))
	}
	_ = m.RespondMsg(r) // What cannot be answered is asked again.
}

// OnAck hands over acknowledgements, each to one hub, in order of arrival.
func (h *Hub) OnAck(take func(from Node, data []byte)) error {
	_, err := h.nc.QueueSubscribe("ack.*.*", hubsQueue, named(take))
	return fault.Wrap("bus.listen", err)
}

// OnStatus hands over reports of nodes, to every hub.
func (h *Hub) OnStatus(take func(from Node, data []byte)) error {
	_, err := h.nc.Subscribe("status.*.*", named(take))
	return fault.Wrap("bus.listen", err)
}

func named(take func(Node, []byte)) nats.MsgHandler {
	return func(m *nats.Msg) {
		if from, err := nodeOf(m.Subject); err == nil {
			take(from, m.Data)
		}
	}
}

// Announce says that something changed, to pages that watch.
func (h *Hub) Announce(topic string, v any) {
	if b, err := json.Marshal(v); err == nil {
		// A page that misses it reads the truth at its next look.
		_ = h.nc.Publish("live."+topic, b)
	}
}

// Watch calls fn for each announcement that this hub makes after Watch returned, and
// for those of others as soon as they know of it, until stop.
func (h *Hub) Watch(fn func(topic string, data []byte)) (stop func(), err error) {
	sub, err := h.nc.Subscribe("live.*", func(m *nats.Msg) { fn(strings.TrimPrefix(m.Subject, "live."), m.Data) })
	if err != nil {
		return nil, fault.Wrap("bus.watch", err)
	}
	return func() { _ = sub.Unsubscribe() }, nil // It fails where the line is closed: then there is nothing to stop.
}

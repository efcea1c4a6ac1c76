package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"noroshi/fault"
)

func sprintf(f string, a []any) string { return fmt.Sprintf(f, a...) }

// Hub is the hub's own line to the bus.
type Hub struct {
	nc *nats.Conn
	js jetstream.JetStream
}

// Hub connects in process and makes sure that the streams are there.
func (s *Server) Hub(ctx context.Context) (*Hub, error) {
	const op = "bus.hub"
	nc, err := nats.Connect("", nats.InProcessServer(s.nats), nats.UserInfo("hub", s.secret), nats.Name("hub"),
		nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	// A message goes when it was acknowledged, and a publisher is told to wait
	// when the disk's share is used up: nothing is discarded.
	for _, c := range []jetstream.StreamConfig{
		{Name: obsStream, Subjects: []string{"obs.*.*"}, MaxBytes: s.cfg.MaxBytes, MaxMsgSize: maxBatchMessage},
		{Name: stageStream, Subjects: []string{"stage.*"}, MaxBytes: 256 << 20},
	} {
		c.Retention, c.Discard, c.Storage, c.Duplicates = jetstream.LimitsPolicy, jetstream.DiscardNew, jetstream.FileStorage, 10*time.Minute
		if _, err := js.CreateOrUpdateStream(ctx, c); err != nil {
			return nil, fault.As(fault.Internal, op, err, "the stream %s cannot be opened", c.Name)
		}
	}
	return &Hub{nc: nc, js: js}, nil
}

// Close drops the line.
func (h *Hub) Close() { h.nc.Close() }

// Message is one durable message. Seq grows within its stream.
type Message struct {
	From  Node // who published it; zero between stages
	Data  []byte
	Seq   uint64
	Again bool // it was there before the pull began, so it may have been worked on
	pull  *Pull
}

// Ack tells the bus that everything up to this message is durable elsewhere; the
// bus forgets it.
func (m *Message) Ack(ctx context.Context) error {
	err := m.pull.stream.Purge(ctx, m.pull.scope, jetstream.WithPurgeSequence(m.Seq+1))
	return fault.Wrap("bus.ack", err)
}

// Observations returns the batches of all nodes in the order in which the bus
// took them, from the oldest that was not acknowledged.
func (h *Hub) Observations(ctx context.Context) (*Pull, error) {
	return h.pull(ctx, obsStream, "obs.*.*")
}

// Stage returns what was published to a stage, in order.
func (h *Hub) Stage(ctx context.Context, name string) (*Pull, error) {
	return h.pull(ctx, stageStream, "stage."+name)
}

// pull reads a subject of a stream from its beginning: what was acknowledged is
// not in it any more. So a restart sees everything that is left at once and in
// order, which a consumer's own acknowledgements would not give: what it took
// before a crash would come late, after newer messages, whose acknowledgement
// would cover it.
func (h *Hub) pull(ctx context.Context, stream, subject string) (*Pull, error) {
	s, err := h.js.Stream(ctx, stream)
	if err != nil {
		return nil, fault.Wrap("bus.pull", err)
	}
	c, err := s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{FilterSubjects: []string{subject}, DeliverPolicy: jetstream.DeliverAllPolicy})
	if err != nil {
		return nil, fault.Wrap("bus.pull", err)
	}
	it, err := c.Messages(jetstream.PullMaxMessages(64))
	if err != nil {
		return nil, fault.Wrap("bus.pull", err)
	}
	scope := jetstream.WithPurgeSubject(subject)
	if stream == obsStream { // It is all one subject, and dropping the head of a stream is cheap.
		scope = func(*jetstream.StreamPurgeRequest) error { return nil }
	}
	return &Pull{it: it, stream: s, scope: scope, old: s.CachedInfo().State.LastSeq}, nil
}

// Pull hands out durable messages one by one.
type Pull struct {
	it     jetstream.MessagesContext
	stream jetstream.Stream
	scope  jetstream.StreamPurgeOpt
	old    uint64 // what was there at the start may have been worked on before
}

// Next waits for a message until ctx ends.
func (p *Pull) Next(ctx context.Context) (*Message, error) {
	m, err := p.it.Next(jetstream.NextContext(ctx))
	if err != nil {
		return nil, err
	}
	meta, err := m.Metadata()
	if err != nil {
		return nil, fault.Wrap("bus.next", err)
	}
	out := &Message{Data: m.Data(), Seq: meta.Sequence.Stream, Again: meta.Sequence.Stream <= p.old, pull: p}
	if strings.HasPrefix(m.Subject(), "obs.") {
		if out.From, err = nodeOf(m.Subject()); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Stop ends the pull.
func (p *Pull) Stop() { p.it.Stop() }

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
	_, err := h.nc.Subscribe("sync.*.*", func(m *nats.Msg) {
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
	r := nats.NewMsg(m.Reply)
	r.Data = out
	if err != nil {
		r.Header.Set("Noroshi-Error", fault.KindOf(err).String()+": "+fault.PublicOf(err))
	}
	// A reply that cannot be sent is asked for again by the edge.
	_ = m.RespondMsg(r)
}

// OnAck hands over acknowledgements, OnStatus reports of nodes, both in order
// of arrival per node.
func (h *Hub) OnAck(take func(from Node, data []byte)) error { return h.listen("ack.*.*", take) }

// OnStatus hands over reports of nodes.
func (h *Hub) OnStatus(take func(from Node, data []byte)) error {
	return h.listen("status.*.*", take)
}

func (h *Hub) listen(subject string, take func(Node, []byte)) error {
	_, err := h.nc.Subscribe(subject, func(m *nats.Msg) {
		if from, err := nodeOf(m.Subject); err == nil {
			take(from, m.Data)
		}
	})
	return fault.Wrap("bus.listen", err)
}

// Announce says that something changed, to pages that watch.
func (h *Hub) Announce(topic string, v any) {
	if b, err := json.Marshal(v); err == nil {
		// A page that misses it reads the truth at its next look.
		_ = h.nc.Publish("live."+topic, b)
	}
}

// Watch calls fn for each announcement until ctx ends.
func (h *Hub) Watch(ctx context.Context, fn func(topic string, data []byte)) error {
	sub, err := h.nc.Subscribe("live.*", func(m *nats.Msg) { fn(strings.TrimPrefix(m.Subject, "live."), m.Data) })
	if err != nil {
		return fault.Wrap("bus.watch", err)
	}
	<-ctx.Done()
	if err := sub.Unsubscribe(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		return fault.Wrap("bus.watch", err)
	}
	return nil
}

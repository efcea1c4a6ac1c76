package bus

import (
	"context"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"noroshi/fault"
)

// Message is one durable message: a bundle of batches, or between stages one
// piece of data. Seq grows within its stream.
type Message struct {
	Batches []Batch
	Data    []byte
	Seq     uint64
	Again   bool // it was there before the reading began, so it may have been worked on
}

// Reader reads the bundles of one partition in order, from where it was said to
// be done with. Its mark is kept on the bus, so that whichever hub reads next
// goes on there; a bundle is forgotten when every reader of the layout is done
// with it.
//
// It reads with an ordered consumer and not with a durable one: after a crash
// the latter would deliver what was in flight only after newer messages, and
// nodes' sequences must come in order.
type Reader struct {
	hub  *Hub
	name string
	part int
	pull *Pull
	mark uint64
}

// Read begins to read as one of the layout's readers. Only one may be at work
// at a time; Work sees to that where several hubs are.
func (h *Hub) Read(ctx context.Context, reader string, partition int) (*Reader, error) {
	mark, err := h.Mark(ctx, reader, partition)
	if err != nil {
		return nil, err
	}
	pull, err := h.pull(ctx, bundleStream, bundleSubject(partition), mark)
	if err != nil {
		return nil, err
	}
	return &Reader{hub: h, name: reader, part: partition, pull: pull, mark: mark}, nil
}

// Start is the sequence after which the reading began.
func (r *Reader) Start() uint64 { return r.mark }

// Name says who reads what.
func (r *Reader) Name() string { return TaskName(r.name, r.part) }

// TaskName names the reading of a partition by a reader.
func TaskName(reader string, partition int) string { return reader + "." + strconv.Itoa(partition) }

// Next waits for a bundle until ctx ends.
func (r *Reader) Next(ctx context.Context) (*Message, error) {
	m, err := r.pull.Next(ctx)
	if err != nil {
		return nil, err
	}
	if m.Batches, err = decodeBundle(m.Data); err != nil {
		return nil, err // Going on would lose what a newer version wrote.
	}
	m.Data = nil
	return m, nil
}

// Done tells the bus that everything up to a sequence is durable elsewhere.
func (r *Reader) Done(ctx context.Context, seq uint64) error {
	r.hub.hold.RLock()
	defer r.hub.hold.RUnlock()
	if err := r.hub.setMark(ctx, r.name, r.part, seq); err != nil {
		return err
	}
	r.mark = seq
	least := seq
	for _, other := range r.hub.layout.Readers {
		if other == r.name {
			continue
		}
		n, err := r.hub.Mark(ctx, other, r.part)
		if err != nil {
			return err
		}
		least = min(least, n)
	}
	if least == 0 {
		return nil
	}
	opts := []jetstream.StreamPurgeOpt{jetstream.WithPurgeSequence(least + 1)}
	if r.hub.layout.Partitions > 1 { // Dropping the head of the whole stream is cheaper.
		opts = append(opts, jetstream.WithPurgeSubject(bundleSubject(r.part)))
	}
	return fault.Wrap("bus.done", r.hub.bundles.Purge(ctx, opts...))
}

// Judged tells every receiver how far the judging of this partition is. It is a
// hint: a lost one is made good by the next.
func (r *Reader) Judged(seq uint64) {
	_ = r.hub.nc.Publish(judgedPrefix+strconv.Itoa(r.part), strconv.AppendUint(nil, seq, 10))
}

// Stop ends the reading.
func (r *Reader) Stop() { r.pull.Stop() }

// heartbeat is how often the bus says that there is nothing new. Who misses two
// reads on through another hub; only a call of Next that waits longer than that
// notices.
const heartbeat = time.Second

// pull reads a subject of a stream in order, after a sequence.
func (h *Hub) pull(ctx context.Context, stream, subject string, after uint64) (*Pull, error) {
	var s jetstream.Stream
	var c jetstream.Consumer
	err := patiently(ctx, func(ctx context.Context) (err error) {
		if s, err = h.js.Stream(ctx, stream); err == nil {
			c, err = s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{FilterSubjects: []string{subject},
				DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: after + 1})
		}
		return err
	})
	if err != nil {
		return nil, fault.Wrap("bus.pull", err)
	}
	it, err := c.Messages(jetstream.PullMaxMessages(64), jetstream.PullExpiry(10*time.Second), jetstream.PullHeartbeat(heartbeat))
	if err != nil {
		return nil, fault.Wrap("bus.pull", err)
	}
	return &Pull{hub: h, it: it, stream: s, subject: subject, old: s.CachedInfo().State.LastSeq}, nil
}

// Pull hands out durable messages of one subject, one by one.
type Pull struct {
	hub     *Hub
	it      jetstream.MessagesContext
	stream  jetstream.Stream
	subject string
	old     uint64 // what was there at the start may have been worked on before
}

// Next waits for a message until ctx ends, which should not be sooner than after
// three heartbeats.
func (p *Pull) Next(ctx context.Context) (*Message, error) {
	m, err := p.it.Next(jetstream.NextContext(ctx))
	if err != nil {
		return nil, err
	}
	meta, err := m.Metadata()
	if err != nil {
		return nil, fault.Wrap("bus.next", err)
	}
	return &Message{Data: m.Data(), Seq: meta.Sequence.Stream, Again: meta.Sequence.Stream <= p.old}, nil
}

// Done makes the bus forget the subject's messages up to a sequence.
func (p *Pull) Done(ctx context.Context, seq uint64) error {
	p.hub.hold.RLock()
	defer p.hub.hold.RUnlock()
	return fault.Wrap("bus.done", p.stream.Purge(ctx, jetstream.WithPurgeSubject(p.subject), jetstream.WithPurgeSequence(seq+1)))
}

// Stop ends the pull.
func (p *Pull) Stop() {
	if p.it != nil {
		p.it.Stop()
	}
}

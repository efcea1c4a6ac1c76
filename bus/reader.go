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
// It reads with a consumer that is made for it, and anew when anything is missing,
// and not with a durable one: after a crash that would deliver what was in flight
// only after newer messages, and nodes' sequences must come in order.
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
// reads on through another server.
const heartbeat = time.Second

// beginAgain is the pause before another server is asked.
const beginAgain = 100 * time.Millisecond

// ahead is how many messages are asked for at once.
const ahead = 64

// Pull hands out durable messages of one subject in order, one by one. What it
// reads from on the bus is one server's: when that dies, or a message is lost on
// the way, it goes on from another, after the last that it handed out.
type Pull struct {
	hub     *Hub
	stream  jetstream.Stream
	subject string
	old     uint64 // what was there at the start may have been worked on before

	life  context.Context
	stop  context.CancelFunc
	from  jetstream.Consumer // nil when it is to begin again
	asked jetstream.MessageBatch
	last  uint64 // handed out
	count uint64 // of them from this consumer
}

// pull reads a subject of a stream in order, after a sequence. While servers
// elect, any may say what the stream holds, though it lacks the newest of what
// another hub has read: so it is asked only after a majority has answered.
func (h *Hub) pull(ctx context.Context, stream, subject string, after uint64) (*Pull, error) {
	p := &Pull{hub: h, subject: subject, last: after}
	err := patiently(ctx, func(ctx context.Context) (err error) {
		if p.stream, err = h.js.Stream(ctx, stream); err != nil {
			return err
		}
		if err = h.reach(ctx, stream); err != nil {
			return err
		}
		info, err := p.stream.Info(ctx)
		if err == nil {
			p.old = info.State.LastSeq
		}
		return err
	})
	if err != nil {
		return nil, fault.Wrap("bus.pull", err)
	}
	p.life, p.stop = context.WithCancel(context.Background())
	return p, nil
}

// begin reads on after the last message. A server that was just cut off may be
// asked for a while: then it is asked again, and another one taken.
func (p *Pull) begin(ctx context.Context) error {
	err := patiently(ctx, func(ctx context.Context) (err error) {
		p.from, err = p.stream.CreateConsumer(ctx, jetstream.ConsumerConfig{FilterSubject: p.subject, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: p.last + 1,
			AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, Replicas: 1, InactiveThreshold: time.Minute})
		return err
	})
	p.count, p.asked = 0, nil
	return fault.Wrap("bus.pull", err)
}

// Next waits for a message until ctx ends.
func (p *Pull) Next(ctx context.Context) (*Message, error) {
	for {
		m, err := p.next(ctx)
		if err != nil {
			return nil, err
		}
		if m == nil {
			p.from = nil
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(beginAgain): // What is refused at once must not spin.
			}
			continue
		}
		meta, err := m.Metadata()
		if err != nil {
			return nil, fault.Wrap("bus.next", err)
		}
		if p.count++; meta.Sequence.Consumer != p.count {
			p.from = nil // One was lost on the way.
			continue
		}
		p.last = meta.Sequence.Stream
		return &Message{Data: m.Data(), Seq: p.last, Again: p.last <= p.old}, nil
	}
}

// next is the consumer's next message; nil when that is of no use any more.
func (p *Pull) next(ctx context.Context) (jetstream.Msg, error) {
	if p.from == nil {
		if err := p.begin(ctx); err != nil {
			p.from = nil
			return nil, err
		}
	}
	for {
		if p.asked == nil {
			var err error
			if p.asked, err = p.from.Fetch(ahead, jetstream.FetchContext(p.life), jetstream.FetchHeartbeat(heartbeat)); err != nil {
				return nil, fault.Wrap("bus.next", err)
			}
		}
		select {
		case m, more := <-p.asked.Messages():
			if more {
				return m, nil
			}
			if p.asked.Error() != nil || !p.whole(ctx) {
				return nil, p.life.Err()
			}
			p.asked = nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// whole tells whether all that the consumer has delivered has come: when the last
// of it is lost on the way, nothing behind it shows the gap.
func (p *Pull) whole(ctx context.Context) bool {
	info, err := p.from.Info(ctx)
	return err == nil && info.Delivered.Consumer == p.count
}

// Done makes the bus forget the subject's messages up to a sequence.
func (p *Pull) Done(ctx context.Context, seq uint64) error {
	p.hub.hold.RLock()
	defer p.hub.hold.RUnlock()
	return fault.Wrap("bus.done", p.stream.Purge(ctx, jetstream.WithPurgeSubject(p.subject), jetstream.WithPurgeSequence(seq+1)))
}

// Stop ends the pull.
func (p *Pull) Stop() { p.stop() }

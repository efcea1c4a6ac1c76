package bus

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"noroshi/fault"
)

// Names of what the hubs keep on the bus.
const (
	bundleStream = "BUNDLES"
	stageStream  = "STAGE"
	stateBucket  = "hubs" // marks of readers, and who works on what
	oldStream    = "OBS"  // of earlier versions: one message a batch
	hubsQueue    = "hubs" // a message for one hub, whichever
	judgedPrefix = "judged."
)

// Layout is how the hubs of a platform keep observations on the bus. All hubs
// have the same.
type Layout struct {
	Partitions int      // organisations are spread over them; each is judged in order by one hub
	Replicas   int      // of everything durable
	MaxBytes   int64    // of bundles on disk
	Readers    []string // who must have read a bundle before it is forgotten
}

// Single is the layout of one hub with engines of its own.
func Single(maxBytes int64) Layout {
	return Layout{Partitions: 1, Replicas: 1, MaxBytes: maxBytes, Readers: []string{ReaderHub}}
}

// ReaderHub is the one reader of a hub with engines of its own: it judges and
// stores. With remote stores there is ReaderJudge, and one for each store.
const (
	ReaderHub   = "hub"
	ReaderJudge = "judge"
)

// ReaderStore names the reader that feeds a store.
func ReaderStore(name string) string { return "store_" + name }

func bundleSubject(partition int) string { return "bundle." + strconv.Itoa(partition) }

// open makes sure that the streams are there. A cluster that is still electing
// makes it wait.
func (h *Hub) open(ctx context.Context) error {
	const op = "bus.streams"
	for _, c := range []jetstream.StreamConfig{
		{Name: stageStream, Subjects: []string{"stage.*"}, MaxBytes: 256 << 20},
		{Name: bundleStream, Subjects: []string{"bundle.*"}, MaxBytes: h.layout.MaxBytes, MaxMsgSize: MaxPayload - 4096},
	} {
		// A message goes when every reader has it, and publishers are told to wait
		// when the disk's share is used up: nothing is discarded.
		c.Retention, c.Discard, c.Storage, c.Replicas = jetstream.LimitsPolicy, jetstream.DiscardNew, jetstream.FileStorage, h.layout.Replicas
		c.Duplicates = 2 * time.Minute
		err := patiently(ctx, func(ctx context.Context) (err error) {
			h.bundles, err = h.stream(ctx, c)
			return err
		})
		if err != nil {
			return fault.As(fault.Unavailable, op, err, "the stream %s cannot be opened: %v", c.Name, err)
		}
	}
	h.epoch = h.bundles.CachedInfo().Config.Metadata[epochKey]
	err := patiently(ctx, func(ctx context.Context) (err error) {
		h.state, err = h.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: stateBucket, Storage: jetstream.FileStorage, Replicas: h.layout.Replicas})
		return err
	})
	if err != nil {
		return fault.As(fault.Unavailable, op, err, "the hubs' state cannot be opened: %v", err)
	}
	return h.adopt(ctx)
}

// epochKey names the life of a stream in its metadata: a copy that is restored
// goes on with its numbers, a stream that is made anew begins with other ones.
const epochKey = "noroshi-epoch"

// stream makes a stream, or brings the one that is there up to date. Of several
// hubs that make it at once, one does, and all know it by the same epoch.
func (h *Hub) stream(ctx context.Context, c jetstream.StreamConfig) (jetstream.Stream, error) {
	s, err := h.js.Stream(ctx, c.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		c.Metadata = map[string]string{epochKey: rand.Text()}
		if s, err = h.js.CreateStream(ctx, c); errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			s, err = h.js.Stream(ctx, c.Name)
		}
	}
	if err != nil {
		return nil, err
	}
	c.Metadata = map[string]string{epochKey: s.CachedInfo().Config.Metadata[epochKey]}
	return h.js.UpdateStream(ctx, c)
}

// electWithin is how long a cluster that lost a server may take to choose who
// answers in its place.
const electWithin = 10 * time.Second

// noPeers is what a cluster answers in which not enough servers have met yet.
const noPeers jetstream.ErrorCode = 10005

// patiently asks again while nobody answers: a cluster without a leader is
// silent, and one whose streams are electing refuses.
func patiently(ctx context.Context, ask func(ctx context.Context) error) error {
	for {
		soon, cancel := context.WithTimeout(ctx, 2*time.Second)
		err := ask(soon)
		cancel()
		var api *jetstream.APIError
		again := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrNoStreamResponse) ||
			errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) || // Another hub makes it just now.
			errors.As(err, &api) && (api.Code == 503 || api.ErrorCode == noPeers)
		if !again || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// adopt moves the batches that an earlier version left into bundles.
func (h *Hub) adopt(ctx context.Context) error {
	const op = "bus.adopt"
	old, err := h.js.Stream(ctx, oldStream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err != nil {
		return fault.Wrap(op, err)
	}
	left := old.CachedInfo().State.Msgs
	if left > 0 {
		c, err := old.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy})
		if err != nil {
			return fault.Wrap(op, err)
		}
		it, err := c.Messages()
		if err != nil {
			return fault.Wrap(op, err)
		}
		defer it.Stop()
		for ; left > 0; left-- {
			m, err := it.Next(jetstream.NextContext(ctx))
			if err != nil {
				return fault.Wrap(op, err)
			}
			from, err := nodeOf(m.Subject())
			if err != nil {
				return fault.Wrap(op, err)
			}
			if _, err := h.js.Publish(ctx, bundleSubject(h.layout.Partition(from.Org)), appendBundle(nil, []Batch{{from, m.Data()}})); err != nil {
				return fault.Wrap(op, err)
			}
		}
	}
	// What was moved twice, because this was interrupted, is stored once: readers
	// ask the store about what they may have seen.
	return fault.Wrap(op, h.js.DeleteStream(ctx, oldStream))
}

// Epoch names the life of the stream: sequences of another epoch say nothing.
func (h *Hub) Epoch() string { return h.epoch }

// Layout is how the bus is laid out.
func (h *Hub) Layout() Layout { return h.layout }

func markKey(reader string, partition int) string {
	return "mark." + reader + "." + strconv.Itoa(partition)
}

// Mark is how far a reader has read: everything up to it is durable with it.
func (h *Hub) Mark(ctx context.Context, reader string, partition int) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, electWithin)
	defer cancel()
	var e jetstream.KeyValueEntry
	err := patiently(ctx, func(ctx context.Context) (err error) {
		e, err = h.state.Get(ctx, markKey(reader, partition))
		return err
	})
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fault.As(fault.Unavailable, "bus.mark", err, "the bus does not say how far %s has read", reader)
	}
	epoch, seq, _ := strings.Cut(string(e.Value()), " ")
	if epoch != h.epoch {
		return 0, nil // The stream was made anew since.
	}
	n, err := strconv.ParseUint(seq, 10, 64)
	return n, fault.Wrap("bus.mark", err)
}

func (h *Hub) setMark(ctx context.Context, reader string, partition int, seq uint64) error {
	_, err := h.state.PutString(ctx, markKey(reader, partition), h.epoch+" "+strconv.FormatUint(seq, 10))
	return fault.Wrap("bus.mark", err)
}

// Tails are the newest sequences of the partitions; 0 where nothing waits.
func (h *Hub) Tails(ctx context.Context) ([]uint64, error) {
	out := make([]uint64, h.layout.Partitions)
	for part := range out {
		m, err := h.bundles.GetLastMsgForSubject(ctx, bundleSubject(part))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return nil, fault.As(fault.Unavailable, "bus.tails", err, "the bus does not answer")
		}
		out[part] = m.Sequence
	}
	return out, nil
}

package bus

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"noroshi/fault"
)

// A copy of a stream is lines of JSON: the stream, then its messages with their
// numbers. It is read and written through the bus's own protocol, so that it fits
// a server in process, a cluster, and the next version of either.

// streamCopy is the first line.
type streamCopy struct {
	Config jetstream.StreamConfig `json:"config"`
	First  uint64                 `json:"first"` // the number of the next message that is or was there
}

// messageCopy is one message.
type messageCopy struct {
	Seq     uint64      `json:"seq"`
	Subject string      `json:"subject"`
	Header  nats.Header `json:"header,omitempty"`
	Data    []byte      `json:"data"`
}

const (
	copyIdle    = 10 * time.Second // without an answer the copy is given up
	maxCopyLine = 2 * MaxPayload   // in base64
)

// Hold keeps the bus from forgetting anything until release is called:
// acknowledgements wait. It is for a copy, and for moments only.
func (h *Hub) Hold() (release func()) {
	h.hold.Lock()
	return h.hold.Unlock
}

// Copy writes every stream that is kept on disk.
func (h *Hub) Copy(ctx context.Context, write func(stream string, fill func(io.Writer) error) error) error {
	names := h.js.StreamNames(ctx)
	for name := range names.Name() {
		s, err := h.js.Stream(ctx, name)
		if err != nil {
			return fault.Wrap("bus.copy", err)
		}
		if s.CachedInfo().Config.Storage != jetstream.FileStorage {
			continue
		}
		if err := write(name, func(w io.Writer) error { return copyStream(ctx, s, w) }); err != nil {
			return err
		}
	}
	return fault.Wrap("bus.copy", names.Err())
}

func copyStream(ctx context.Context, s jetstream.Stream, w io.Writer) error {
	const op = "bus.copy"
	info, err := s.Info(ctx)
	if err != nil {
		return fault.Wrap(op, err)
	}
	out := json.NewEncoder(w)
	first := info.State.FirstSeq
	if info.State.Msgs == 0 {
		first = info.State.LastSeq + 1
	}
	if err := out.Encode(streamCopy{info.Config, max(first, 1)}); err != nil || info.State.Msgs == 0 {
		return fault.Wrap(op, err)
	}
	c, err := s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy})
	if err != nil {
		return fault.Wrap(op, err)
	}
	it, err := c.Messages()
	if err != nil {
		return fault.Wrap(op, err)
	}
	defer it.Stop()
	for {
		soon, cancel := context.WithTimeout(ctx, copyIdle)
		m, err := it.Next(jetstream.NextContext(soon))
		cancel()
		if err != nil {
			return fault.As(fault.Unavailable, op, err, "the stream %s does not give its messages", info.Config.Name)
		}
		meta, err := m.Metadata()
		if err != nil {
			return fault.Wrap(op, err)
		}
		if err := out.Encode(messageCopy{meta.Sequence.Stream, m.Subject(), m.Headers(), m.Data()}); err != nil {
			return fault.Wrap(op, err)
		}
		if meta.Sequence.Stream >= info.State.LastSeq || meta.NumPending == 0 {
			return nil
		}
	}
}

// Restore makes a stream from its copy. Every message gets the number that it
// had: marks and the ledger speak of these.
func (s *Server) Restore(ctx context.Context, stream string, r io.Reader) error {
	const op = "bus.restore"
	nc, err := s.connect()
	if err != nil {
		return fault.Wrap(op, err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return fault.Wrap(op, err)
	}
	var st jetstream.Stream
	return readCopy(r, stream, func(cfg jetstream.StreamConfig) error {
		if st, err = js.CreateStream(ctx, cfg); err != nil {
			return fault.As(fault.Invalid, op, err, "the stream %s cannot be made: %v", stream, err)
		}
		return nil
	}, func(hole int, m messageCopy) error {
		for range hole { // Something was forgotten here.
			if err := fill(ctx, js, st, m.Subject); err != nil {
				return fault.Wrap(op, err)
			}
		}
		ack, err := m.publish(ctx, js)
		if err != nil {
			return fault.As(fault.Invalid, op, err, "a message of the stream %s cannot be restored: %v", stream, err)
		}
		if ack.Stream != stream || ack.Sequence != m.Seq {
			return fault.New(fault.Invalid, op, "the message %d of the stream %s stands twice in the copy, or is another's", m.Seq, stream)
		}
		return nil
	})
}

// readCopy reads a copy: its stream, then each message with the number of those
// that are missing before it.
func readCopy(r io.Reader, stream string, begin func(jetstream.StreamConfig) error, take func(hole int, m messageCopy) error) error {
	const op = "bus.restore"
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 64<<10), maxCopyLine)
	var head streamCopy
	if err := copyLine(in, &head); err != nil {
		return fault.As(fault.Invalid, op, err, "the copy of the stream %.100q has no beginning", stream)
	}
	cfg, err := head.safe(stream)
	if err != nil {
		return err
	}
	if err := begin(cfg); err != nil {
		return err
	}
	for next := head.First; ; next++ {
		var m messageCopy
		if err := copyLine(in, &m); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if m.Seq < next || m.Seq-next > maxHole {
			return fault.New(fault.Invalid, op, "the copy of the stream %s jumps from message %d to %d", stream, next, m.Seq)
		}
		if err := take(int(m.Seq-next), m); err != nil {
			return err
		}
		next = m.Seq
	}
}

// publish puts a message where it was. What its publisher expected of the stream
// then is not expected now; its identifier is, so that a node which sends it
// again is not taken twice, unless it came twice before, too.
func (m messageCopy) publish(ctx context.Context, js jetstream.JetStream) (*jetstream.PubAck, error) {
	for name := range m.Header {
		if strings.HasPrefix(name, "Nats-Expected-") {
			delete(m.Header, name)
		}
	}
	ack, err := js.PublishMsg(ctx, &nats.Msg{Subject: m.Subject, Header: m.Header, Data: m.Data})
	if err != nil || !ack.Duplicate {
		return ack, err
	}
	delete(m.Header, headerMessageID)
	return js.PublishMsg(ctx, &nats.Msg{Subject: m.Subject, Header: m.Header, Data: m.Data})
}

// maxNumber is far above any number that a stream reaches, and far below where
// counting on begins again.
const maxNumber = 1 << 62

// maxHole bounds what a copy may say was forgotten between two messages.
const maxHole = 1 << 20

func fill(ctx context.Context, js jetstream.JetStream, st jetstream.Stream, subject string) error {
	ack, err := js.Publish(ctx, subject, nil)
	if err != nil {
		return err
	}
	return st.DeleteMsg(ctx, ack.Sequence)
}

var streamName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)

// safe takes from a copied configuration what describes a stream of our own.
// What would make the server send messages elsewhere, or take them from there,
// is the hub's to set when it starts, and so is the share of the disk.
func (c streamCopy) safe(stream string) (jetstream.StreamConfig, error) {
	if !streamName.MatchString(stream) || c.Config.Name != stream || c.First == 0 || c.First > maxNumber {
		return jetstream.StreamConfig{}, fault.New(fault.Invalid, "bus.restore", "this is no copy of the stream %.100q", stream)
	}
	o := c.Config
	return jetstream.StreamConfig{Name: o.Name, Subjects: o.Subjects, Retention: o.Retention, Discard: o.Discard, DiscardNewPerSubject: o.DiscardNewPerSubject,
		Storage: jetstream.FileStorage, MaxMsgs: o.MaxMsgs, MaxMsgSize: o.MaxMsgSize, MaxMsgsPerSubject: o.MaxMsgsPerSubject, MaxAge: o.MaxAge,
		Duplicates: o.Duplicates, AllowRollup: o.AllowRollup, AllowDirect: o.AllowDirect, DenyDelete: false, AllowMsgTTL: o.AllowMsgTTL,
		Metadata: o.Metadata, FirstSeq: c.First}, nil
}

func copyLine(in *bufio.Scanner, v any) error {
	const op = "bus.restore"
	if !in.Scan() {
		if err := in.Err(); err != nil {
			return fault.As(fault.Invalid, op, err, "the copy of a stream has a line that is too long, or cannot be read")
		}
		return io.EOF
	}
	if err := json.Unmarshal(in.Bytes(), v); err != nil {
		return fault.As(fault.Invalid, op, err, "the copy of a stream has a line that cannot be read")
	}
	return nil
}

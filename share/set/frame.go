package set

import (
	"crypto/ed25519"
	"encoding/json"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"noroshi/fault"
	"noroshi/ident"
	"noroshi/indicator"
)

// Limits of frames and answers. An answer to a sync is several frames.
const (
	MaxFrame   = 256 << 10
	MaxChanges = 400
	MaxReply   = 768 << 10
	maxOpened  = 4 << 20 // of a frame once it is unpacked
)

// Change is one step of a feed.
type Change struct {
	Seq       uint64          `json:"seq"`
	Op        indicator.Op    `json:"op"`
	ID        ident.ID        `json:"id"`
	Indicator *indicator.Wire `json:"indicator,omitempty"` // of a put
}

// Frame moves a feed from the state after From to the state after Seq, whose
// digest it tells. A frame without changes is a heartbeat.
//
// A snapshot replaces what there was. Its parts are read one after the other
// while the feed moves on, so what they give together is the state after Seq
// with some of the changes up to Head: the changes after Seq, applied again,
// make it whole, and from Head on the digest must agree.
type Frame struct {
	Feed     string    `json:"feed"`
	From     uint64    `json:"from"`
	Seq      uint64    `json:"seq"`
	Digest   string    `json:"digest"`
	At       time.Time `json:"at"` // by the hub's clock
	Snapshot bool      `json:"snapshot,omitempty"`
	More     bool      `json:"more,omitempty"` // the snapshot goes on in the next frame
	Head     uint64    `json:"head,omitempty"` // of a snapshot: where the feed was when this part was read
	Changes  []Change  `json:"changes,omitempty"`
	// Spread is the time over which all edges together should answer a frame, so
	// that the hub hears them one after the other.
	Spread time.Duration `json:"spread,omitempty"`
}

// A frame travels as the signature of what follows it: JSON in one zstd frame.

var encoders = sync.Pool{New: func() any {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		panic("set: zstd options: " + err.Error()) // The options are constants.
	}
	return e
}}

var decoders = sync.Pool{New: func() any {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxOpened))
	if err != nil {
		panic("set: zstd options: " + err.Error())
	}
	return d
}}

// Seal writes and signs a frame.
func Seal(f Frame, key ed25519.PrivateKey) ([]byte, error) {
	b, err := json.Marshal(f)
	if err != nil {
		return nil, fault.Wrap("set.seal", err)
	}
	e := encoders.Get().(*zstd.Encoder)
	defer encoders.Put(e)
	packed := e.EncodeAll(b, make([]byte, ed25519.SignatureSize, ed25519.SignatureSize+len(b)/2+64))
	copy(packed, ed25519.Sign(key, packed[ed25519.SignatureSize:]))
	return packed, nil
}

// Open verifies and reads a frame of a feed. Nothing is unpacked that the hub
// did not sign.
func Open(b []byte, feed string, key ed25519.PublicKey) (Frame, error) {
	const op = "set.open"
	var f Frame
	if len(b) > MaxReply {
		return f, fault.New(fault.TooLarge, op, "the frame is %d bytes", len(b))
	}
	if len(b) < ed25519.SignatureSize || !ed25519.Verify(key, b[ed25519.SignatureSize:], b[:ed25519.SignatureSize]) {
		return f, fault.New(fault.Denied, op, "the frame is not signed by the hub")
	}
	d := decoders.Get().(*zstd.Decoder)
	defer decoders.Put(d)
	raw, err := d.DecodeAll(b[ed25519.SignatureSize:], nil)
	if err != nil {
		return f, fault.As(fault.Invalid, op, err, "the frame cannot be unpacked")
	}
	if err := json.Unmarshal(raw, &f); err != nil {
		return f, fault.As(fault.Invalid, op, err, "the frame's content cannot be read")
	}
	if f.Feed != feed {
		return f, fault.New(fault.Denied, op, "the frame belongs to the feed %q, not %q", f.Feed, feed)
	}
	for i, c := range f.Changes {
		put := c.Op == indicator.Put && c.Indicator != nil && c.Indicator.ID == c.ID
		if !put && (c.Op != indicator.Remove || c.Indicator != nil) {
			return f, fault.New(fault.Invalid, op, "this is neither a put nor a remove").At("change %d", i)
		}
	}
	return f, nil
}

// Request is what an edge asks to catch up with a feed.
type Request struct {
	Feed   string `json:"feed"`
	Seq    uint64 `json:"seq"`
	Digest string `json:"digest"`
	After  string `json:"after,omitempty"` // id after which a snapshot goes on
	At     uint64 `json:"at,omitempty"`    // the snapshot's sequence, when it goes on
}

// Reply is the hub's answer: sealed frames to apply in order; none when the edge
// has everything.
type Reply struct {
	Frames [][]byte `json:"frames"`
	More   bool     `json:"more"` // ask again from where these lead
}

// Ack is what an edge says after it enforces the state after Seq.
type Ack struct {
	Feed     string    `json:"feed"`
	Seq      uint64    `json:"seq"`
	Digest   string    `json:"digest"`
	Received time.Time `json:"received"` // t4, by the edge's clock
	Enforced time.Time `json:"enforced"` // t5
}

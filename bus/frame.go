package bus

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"

	"noroshi/event"
	"noroshi/fault"
)

// Limits of a batch once it is opened.
const (
	MaxBatchEvents   = 500
	maxBatchUnpacked = 16 << 20
	maxLine          = 64 << 10
)

// Refused is one line of a batch that is no event: where, why, and the line
// itself, for the quarantine.
type Refused struct {
	Line int
	Err  error
	Raw  []byte
}

var encoders = sync.Pool{New: func() any {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		panic("bus: zstd options: " + err.Error()) // The options are constants.
	}
	return e
}}

var decoders = sync.Pool{New: func() any {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxBatchUnpacked), zstd.WithDecoderMaxWindow(8<<20))
	if err != nil {
		panic("bus: zstd options: " + err.Error())
	}
	return d
}}

// rooms are where batches are unpacked. Events keep copies of their lines.
var rooms = sync.Pool{New: func() any { return new([]byte) }}

// maxRoom is the largest room that is kept for the next batch.
const maxRoom = 1 << 20

// EncodeBatch makes a batch frame of JSON lines: newline-delimited JSON in one
// zstd frame.
func EncodeBatch(lines [][]byte) ([]byte, error) {
	if len(lines) > MaxBatchEvents {
		return nil, fault.New(fault.TooLarge, "bus.encode", "a batch holds at most %d events, not %d", MaxBatchEvents, len(lines))
	}
	var raw bytes.Buffer
	for _, l := range lines {
		raw.Write(l)
		raw.WriteByte('\n')
	}
	e := encoders.Get().(*zstd.Encoder)
	defer encoders.Put(e)
	out := e.EncodeAll(raw.Bytes(), make([]byte, 0, raw.Len()/4+64))
	if len(out) > MaxBatchBytes {
		return nil, fault.New(fault.TooLarge, "bus.encode", "the batch is %d bytes compressed; at most %d are allowed", len(out), MaxBatchBytes)
	}
	return out, nil
}

// DecodeBatch opens a batch frame. Lines that are no events are returned with
// their reasons beside those that are; the error is for a frame that cannot be
// opened at all.
func DecodeBatch(frame []byte) ([]*event.Event, []Refused, error) {
	const op = "bus.decode"
	if len(frame) > MaxBatchBytes {
		return nil, nil, fault.New(fault.TooLarge, op, "the batch is %d bytes; at most %d are allowed", len(frame), MaxBatchBytes)
	}
	d := decoders.Get().(*zstd.Decoder)
	defer decoders.Put(d)
	room := rooms.Get().(*[]byte)
	raw, err := d.DecodeAll(frame, (*room)[:0])
	if cap(raw) <= maxRoom {
		defer func() { *room = raw; rooms.Put(room) }()
	}
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		return nil, nil, fault.As(fault.TooLarge, op, err, "the batch is larger than %d bytes when it is opened", maxBatchUnpacked)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, fault.As(fault.Invalid, op, err, "the batch is not a zstd frame")
	}
	return decodeLines(raw)
}

func decodeLines(raw []byte) (good []*event.Event, bad []Refused, err error) {
	for n := 1; len(raw) > 0; n++ {
		line, rest, _ := bytes.Cut(raw, []byte{'\n'})
		raw = rest
		if len(line) == 0 {
			continue
		}
		if len(good)+len(bad) == MaxBatchEvents {
			return nil, nil, fault.New(fault.TooLarge, "bus.decode", "the batch has more than %d lines", MaxBatchEvents)
		}
		e, err := event.DecodeJSON(line)
		if err == nil {
			err = e.Validate()
		}
		if err != nil {
			bad = append(bad, Refused{Line: n, Err: err, Raw: bytes.Clone(line[:min(len(line), maxLine)])})
			continue
		}
		good = append(good, e)
	}
	return good, bad, nil
}

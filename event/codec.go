package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"noroshi/fault"
)

// Limits of one event on the wire.
const (
	MaxLine     = 64 << 10 // bytes of one JSON line
	maxDepth    = 16
	maxUnmapped = 100
)

// AppendJSON appends the event as one line of JSON, without the line break.
func AppendJSON(dst []byte, e *Event) ([]byte, error) {
	b, err := json.Marshal(e)
	if err != nil {
		return dst, fault.Wrap("event.encode", err)
	}
	if len(b) > MaxLine {
		return dst, fault.New(fault.TooLarge, "event.encode", "the event is %d bytes; at most %d are allowed", len(b), MaxLine)
	}
	return append(dst, b...), nil
}

// DecodeJSON reads one line. An attribute that the model does not have is an
// error that names it, so that nothing a source says is dropped in silence; the
// caller quarantines the line.
func DecodeJSON(line []byte) (*Event, error) {
	const op = "event.decode"
	if len(line) > MaxLine {
		return nil, fault.New(fault.TooLarge, op, "the event is %d bytes; at most %d are allowed", len(line), MaxLine)
	}
	if depth(line) > maxDepth {
		return nil, fault.New(fault.Invalid, op, "the event is nested deeper than %d", maxDepth)
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	e := new(Event)
	if err := d.Decode(e); err != nil {
		return nil, refusal(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fault.New(fault.Invalid, op, "there is more than one JSON value on the line").At("byte %d", d.InputOffset())
	}
	if len(e.Unmapped) > maxUnmapped {
		return nil, fault.New(fault.TooLarge, op, "there are %d entries; at most %d are allowed", len(e.Unmapped), maxUnmapped).At("unmapped")
	}
	return e, nil
}

// refusal says for a person what encoding/json found.
func refusal(err error) error {
	var typ *json.UnmarshalTypeError
	var syn *json.SyntaxError
	f := fault.As(fault.Invalid, "event.decode", err, "not an OCSF event: %s", err.Error())
	switch {
	case errors.As(err, &typ):
		f.Public = "a " + typ.Value + " stands where OCSF has another type"
		return f.At("%s", typ.Field)
	case errors.As(err, &syn):
		f.Public = "not JSON: " + syn.Error()
		return f.At("byte %d", syn.Offset)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		f.Public = "the JSON ends too early"
	}
	return f
}

// depth counts how deep brackets nest, outside strings, so that a hostile line
// is refused before it is parsed.
func depth(b []byte) int {
	var now, most int
	var in, esc bool
	for _, c := range b {
		switch {
		case esc:
			esc = false
		case in && c == '\\':
			esc = true
		case c == '"':
			in = !in
		case in:
		case c == '{' || c == '[':
			now++
			most = max(most, now)
		case c == '}' || c == ']':
			now--
		}
	}
	return most
}

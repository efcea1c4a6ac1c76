package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"noroshi/fault"
)

// AppendJSON appends the event as one line of JSON, without the line break.
// What it writes, DecodeJSON reads: an event that the other side would refuse
// is refused here, where it can still be counted beside its cause.
func AppendJSON(dst []byte, e *Event) ([]byte, error) {
	const op = "event.encode"
	w := bytes.NewBuffer(dst)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false) // A line is no HTML, and shells are full of < and &.
	if err := enc.Encode(e); err != nil {
		return dst, fault.Wrap(op, err)
	}
	out := bytes.TrimSuffix(w.Bytes(), []byte{'\n'})
	if _, err := checkForm(op, out[len(dst):]); err != nil {
		return dst, err
	}
	return out, nil
}

// DecodeJSON reads one line. Nothing that a source says is dropped in silence:
// an attribute that the model does not have, or that is there twice, is an
// error that names it, and the caller quarantines the line.
func DecodeJSON(line []byte) (*Event, error) {
	if e := quickly(line); e != nil {
		return e, nil
	}
	return slowly(line)
}

// slowly reads any line, and says what is wrong with it.
func slowly(line []byte) (*Event, error) {
	const op = "event.decode"
	unmapped, err := checkForm(op, line)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	e := new(Event)
	if err := d.Decode(e); err != nil {
		return nil, refusal(op, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fault.New(fault.Invalid, op, "there is more than one JSON value on the line").At("byte %d", d.InputOffset())
	}
	if len(e.Unmapped) != unmapped {
		return nil, fault.New(fault.Invalid, op, "two of its names are the same once their escapes are read").At("unmapped")
	}
	return e, nil
}

// refusal says for a person what encoding/json found.
func refusal(op string, err error) error {
	var typ *json.UnmarshalTypeError
	var syn *json.SyntaxError
	f := fault.As(fault.Invalid, op, err, "not an OCSF event: %s", err.Error())
	switch {
	case errors.As(err, &typ) && typ.Field == "":
		f.Public = "a " + typ.Value + " stands where an event should"
	case errors.As(err, &typ):
		f.Public = "a " + typ.Value + " stands where OCSF has another type"
		return f.At("%s", typ.Field)
	case errors.As(err, &syn):
		f.Public = "not JSON: " + syn.Error()
		return f.At("byte %d", syn.Offset)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		f.Public = "not JSON: it ends too early"
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		f.Public = "the attribute " + name + " is not in the model"
	}
	return f
}

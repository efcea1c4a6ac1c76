package event

import (
	"bytes"
	"unicode/utf8"

	"noroshi/fault"
)

// Limits of one event on the wire.
const (
	MaxLine     = 64 << 10 // bytes of one JSON line
	maxString   = 32 << 10 // bytes between two quotes, as they stand
	maxDepth    = 16       // brackets in brackets
	maxNames    = 128      // names in one object
	maxUnmapped = 100
)

// form reads a line once, before anything is built from it, for what
// encoding/json lets pass: it takes the last of equal names, names in any case,
// and bytes that are no text. Whether the line is JSON at all it does not say.
type form struct {
	op    string
	line  []byte
	at    int
	open  []bracket
	names [][]byte // of the open objects, innermost last

	nextIsName   bool
	unmappedNext bool
	unmapped     int
}

type bracket struct {
	object, unmapped bool
	names            int // where its names begin
}

// checkForm returns how many names stand in unmapped.
func checkForm(op string, line []byte) (unmapped int, err error) {
	if len(line) > MaxLine {
		return 0, fault.New(fault.TooLarge, op, "the event is %d bytes; at most %d are allowed", len(line), MaxLine)
	}
	if !utf8.Valid(line) {
		return 0, fault.New(fault.Invalid, op, "the line is not UTF-8")
	}
	var room [8]bracket
	var names [48][]byte
	f := form{op: op, line: line, open: room[:0], names: names[:0]}
	for f.at < len(line) {
		if err := f.step(); err != nil {
			return 0, err
		}
	}
	return f.unmapped, nil
}

func (f *form) step() error {
	c := f.line[f.at]
	f.at++
	switch c {
	case '{', '[':
		if len(f.open) == maxDepth {
			return f.fail(fault.TooLarge, "the event is nested deeper than %d", maxDepth)
		}
		f.open = append(f.open, bracket{object: c == '{', unmapped: f.unmappedNext, names: len(f.names)})
		f.nextIsName = c == '{'
	case '}', ']':
		if n := len(f.open); n > 0 {
			f.names = f.names[:f.open[n-1].names]
			f.open = f.open[:n-1]
		}
		f.nextIsName = false
	case ',':
		n := len(f.open)
		f.nextIsName = n > 0 && f.open[n-1].object
	case '"':
		return f.text()
	}
	return nil
}

// text reads a string to its end.
func (f *form) text() error {
	from := f.at
	for f.at < len(f.line) && f.line[f.at] != '"' {
		if f.line[f.at] == '\\' {
			f.at++
		}
		f.at++
	}
	s := f.line[from:min(f.at, len(f.line))]
	f.at++
	if len(s) > maxString {
		return f.fail(fault.TooLarge, "a text is %d bytes; at most %d are allowed", len(s), maxString)
	}
	if !f.nextIsName {
		return nil
	}
	f.nextIsName = false
	return f.name(s)
}

func (f *form) name(s []byte) error {
	in := f.open[len(f.open)-1]
	if in.unmapped {
		if f.unmapped++; f.unmapped > maxUnmapped {
			return f.fail(fault.TooLarge, "unmapped has more than %d entries", maxUnmapped)
		}
	} else if !plain(s) {
		return f.fail(fault.Invalid, "the attribute %q is not written as OCSF writes names: a-z, 0-9 and _", clip(s))
	}
	for _, other := range f.names[in.names:] {
		if bytes.Equal(other, s) {
			return f.fail(fault.Invalid, "the attribute %q is there twice", clip(s))
		}
	}
	if len(f.names)-in.names == maxNames {
		return f.fail(fault.TooLarge, "an object has more than %d attributes", maxNames)
	}
	f.names = append(f.names, s)
	f.unmappedNext = len(f.open) == 1 && string(s) == "unmapped"
	return nil
}

func (f *form) fail(kind fault.Kind, format string, args ...any) error {
	return fault.New(kind, f.op, format, args...).At("byte %d", f.at)
}

// plain tells a name that can be read in one way only. encoding/json takes
// Class_UID for class_uid.
func plain(s []byte) bool {
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return len(s) > 0
}

func clip(s []byte) []byte { return s[:min(len(s), 64)] }

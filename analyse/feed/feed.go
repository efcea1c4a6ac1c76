// Package feed is what the readers of published knowledge share: files that are
// opened with a limit on what they unpack to, broken entries that are put aside
// with their place, and the question whether a file is believed at all. It keeps
// nothing: what was believed last is the caller's to keep.
package feed

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"

	"noroshi/fault"
)

// maxSaid is how many problems are told one by one.
const maxSaid = 20

// Problems are the entries that were put aside: counted, and the first of them
// told with their place.
type Problems struct {
	Refused int      `json:"refused"`
	Said    []string `json:"problems,omitempty"`
}

// Refuse puts an entry aside.
func (p *Problems) Refuse(place string, err error) {
	p.Refused++
	p.Note(place, err)
}

// Note tells of a part that is passed over in an entry that is kept.
func (p *Problems) Note(place string, err error) {
	if len(p.Said) < maxSaid {
		p.Said = append(p.Said, place+": "+fault.PublicOf(err))
	}
}

// Stream shows what is in a file to read, unpacked when it is gzip. The limit
// holds for what comes out: a small file may unpack to a huge one.
func Stream(name string, max int64, read func(io.Reader) error) error {
	f, err := os.Open(name)
	if err != nil {
		return fault.As(fault.NotFound, "feed.read", err, "%v", err)
	}
	defer func() { _ = f.Close() }() // It was only read.
	in, err := Unpack(f, max)
	if err == nil {
		err = read(in)
		// Why the bytes ended says more than what was missed in them.
		if in.(*limited).err != nil {
			err = in.(*limited).err
		}
	}
	var e *fault.Error
	switch {
	case errors.As(err, &e) && e.Place != "":
		return e.At("%s, %s", name, e.Place)
	case errors.As(err, &e):
		return e.At("%s", name)
	}
	return err
}

// Unpack returns a reader of what is in another, unpacked when that is gzip, that
// gives no more than max bytes.
func Unpack(r io.Reader, max int64) (io.Reader, error) {
	b := bufio.NewReader(r)
	if head, _ := b.Peek(2); !bytes.Equal(head, []byte{0x1f, 0x8b}) {
		return &limited{in: b, max: max, left: max}, nil
	}
	z, err := gzip.NewReader(b)
	if err != nil {
		return nil, fault.As(fault.Invalid, "feed.read", err, "it begins as gzip and cannot be unpacked: %v", err)
	}
	return &limited{in: z, max: max, left: max}, nil
}

// limited fails where a reader gives more than it may.
type limited struct {
	in        io.Reader
	max, left int64
	err       error
}

func (l *limited) Read(p []byte) (int, error) {
	if l.err != nil {
		return 0, l.err
	}
	// One byte more than may be is asked for, so that exactly full is fine.
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.in.Read(p)
	if l.left -= int64(n); l.left < 0 {
		l.err = fault.New(fault.TooLarge, "feed.read", "it is larger than the %d MiB that are read", l.max>>20)
		return 0, l.err
	}
	if err != nil && err != io.EOF {
		l.err = fault.As(fault.Invalid, "feed.read", err, "it cannot be read: %v", err)
		return n, l.err
	}
	return n, err
}

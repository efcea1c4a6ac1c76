// Package feed is what the readers of published knowledge share: files that are
// opened with a limit on what they unpack to, broken entries that are put aside
// with their place, and the question whether a file is believed at all. It keeps
// nothing: what was believed last is the caller's to keep.
package feed

import (
	"bufio"
	"bytes"
	"compress/gzip"
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

// ReadFile returns what is in a file, unpacked when it is gzip, and refuses one
// of more than max bytes.
func ReadFile(name string, max int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fault.As(fault.NotFound, "feed.read", err, "%v", err)
	}
	defer func() { _ = f.Close() }() // It was only read.
	b, err := Read(f, max)
	if e, ok := err.(*fault.Error); ok {
		return nil, e.At("%s", name)
	}
	return b, err
}

// Read returns what a reader gives, unpacked when it is gzip. The limit holds
// for what comes out: a small file may unpack to a huge one.
func Read(r io.Reader, max int64) ([]byte, error) {
	b := bufio.NewReader(r)
	var in io.Reader = b
	if head, _ := b.Peek(2); bytes.Equal(head, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, fault.As(fault.Invalid, "feed.read", err, "it begins as gzip and cannot be unpacked: %v", err)
		}
		in = z
	}
	out, err := io.ReadAll(io.LimitReader(in, max+1))
	if err != nil {
		return nil, fault.As(fault.Invalid, "feed.read", err, "it cannot be read: %v", err)
	}
	if int64(len(out)) > max {
		return nil, fault.New(fault.TooLarge, "feed.read", "it is larger than the %d MiB that are read", max>>20)
	}
	return out, nil
}

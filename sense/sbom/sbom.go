// Package sbom reads bills of materials that others wrote, CycloneDX 1.x in JSON,
// XML and protobuf and SPDX 2.x in JSON and tag-value, into bom.System, says how complete
// one is, and writes CycloneDX. It trusts nothing in a file: sizes, depths and
// numbers are limited, and what is refused is refused with its place. It does
// not judge what is weak; that is analyse/affected.
package sbom

import (
	"bufio"
	"bytes"
	"io"
	"os"

	"noroshi/bom"
	"noroshi/fault"
)

// The limits of one bill of materials. The largest public ones have some ten
// thousand components in 30 MiB.
const (
	MaxBytes      = 64 << 20
	MaxComponents = 200_000
	MaxEdges      = 2_000_000
	MaxFiles      = 1_000_000
	maxDepth      = 64
	maxText       = 4096
)

// ReadFile reads the bill of materials in a file.
func ReadFile(name string) (bom.System, error) {
	f, err := os.Open(name)
	if err != nil {
		return bom.System{}, fault.As(fault.NotFound, "sbom.read", err, "%v", err)
	}
	defer func() { _ = f.Close() }() // It was only read.
	s, err := Read(f)
	if err != nil {
		return bom.System{}, in(name, err)
	}
	return s, nil
}

// ReadFiles reads what the bill of materials in a file says of files: their paths
// and hashes.
func ReadFiles(name string) ([]File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fault.As(fault.NotFound, "sbom.read", err, "%v", err)
	}
	defer func() { _ = f.Close() }() // It was only read.
	b := newBuilder()
	b.wantFiles = true
	if _, err := readInto(b, f); err != nil {
		return nil, in(name, err)
	}
	return b.files, nil
}

// in puts the file before the place of an error.
func in(name string, err error) error {
	if e, ok := err.(*fault.Error); ok {
		if e.Place != "" {
			return e.At("%s, %s", name, e.Place)
		}
		return e.At("%s", name)
	}
	return fault.As(fault.Invalid, "sbom.read", err, "%s: %v", name, err)
}

// Read reads one bill of materials; its first bytes tell the format.
func Read(r io.Reader) (bom.System, error) { return readInto(newBuilder(), r) }

func readInto(to *builder, r io.Reader) (bom.System, error) {
	limited := &limit{r: r, left: MaxBytes}
	b := bufio.NewReaderSize(limited, 64<<10)
	s, err := read(b, to)
	if limited.over {
		return bom.System{}, fault.New(fault.TooLarge, "sbom.read", "the file is larger than the %d MiB that are read", MaxBytes>>20)
	}
	if err != nil {
		return bom.System{}, err
	}
	return s, nil
}

func read(b *bufio.Reader, to *builder) (bom.System, error) {
	head, err := b.Peek(3)
	if bytes.Equal(head, []byte("\xef\xbb\xbf")) {
		_, _ = b.Discard(3) // A byte order mark says nothing in UTF-8.
	}
	if protobuf(b) {
		return readProtobuf(b, to)
	}
	for {
		head, err = b.Peek(1)
		if err != nil || !bytes.ContainsAny(head, " \t\r\n") {
			break
		}
		_, _ = b.Discard(1)
	}
	switch {
	case err != nil:
		return bom.System{}, fault.New(fault.Invalid, "sbom.read", "the file is empty")
	case head[0] == '{':
		return readJSON(b, to)
	case head[0] == '<':
		return readXML(b, to)
	}
	return readTagValue(b, to)
}

// limit ends a reader that gives more than it may.
type limit struct {
	r    io.Reader
	left int
	over bool
}

func (l *limit) Read(p []byte) (int, error) {
	if l.left < 0 {
		l.over = true
		return 0, io.ErrUnexpectedEOF
	}
	// One byte more than may be is asked for, so that exactly full is fine.
	if len(p) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.r.Read(p)
	l.left -= n
	if l.left < 0 {
		l.over = true
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

package backup

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"

	"github.com/klauspost/compress/zstd"

	"noroshi/fault"
)

// The archive's form.
const (
	format       = 1
	partSize     = 4 << 20 // bytes; larger files are several entries
	headerName   = "header.json"
	manifestName = "manifest.json"
	sealedName   = "keys.sealed"
)

// writer writes an archive.
type writer struct {
	zstd     *zstd.Encoder
	tar      *tar.Writer
	header   Header
	manifest Manifest
	part     []byte // of the file that is being written
}

func newWriter(w io.Writer, h Header) (*writer, error) {
	// Events are compressed already; most of the rest is small.
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, fault.Wrap("backup.write", err)
	}
	a := &writer{zstd: z, tar: tar.NewWriter(z), header: h, manifest: Manifest{Rows: map[string]int64{}}, part: make([]byte, 0, partSize)}
	b, err := marshal(h)
	if err != nil {
		return nil, err
	}
	return a, a.entry(headerName, b)
}

func (a *writer) entry(name string, b []byte) error {
	if err := a.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(b)), Mode: 0o600, ModTime: a.header.Made, Format: tar.FormatPAX}); err != nil {
		return fault.Wrap("backup.write", err)
	}
	_, err := a.tar.Write(b)
	return fault.Wrap("backup.write", err)
}

// file writes one file of unknown length.
func (a *writer) file(name string, fill func(io.Writer) error) error {
	if !goodName(name) {
		return fault.New(fault.Internal, "backup.write", "the name %q cannot stand in an archive", name)
	}
	f := &parts{a: a, name: name, sum: sha256.New()}
	a.part = a.part[:0]
	if err := fill(f); err != nil {
		return err
	}
	if err := f.flush(); err != nil {
		return err
	}
	a.manifest.Files = append(a.manifest.Files, File{name, f.size, hex.EncodeToString(f.sum.Sum(nil))})
	return nil
}

// parts cuts a file into entries: the first has the file's name, the others its
// number behind it.
type parts struct {
	a     *writer
	name  string
	count int
	size  int64
	sum   hash.Hash
}

func partName(name string, n int) string {
	if n == 0 {
		return name
	}
	return fmt.Sprintf("%s@%d", name, n)
}

func (p *parts) Write(b []byte) (int, error) {
	written := len(b)
	p.sum.Write(b)
	p.size += int64(len(b))
	for len(b) > 0 {
		n := min(len(b), partSize-len(p.a.part))
		p.a.part = append(p.a.part, b[:n]...)
		if b = b[n:]; len(p.a.part) == partSize {
			if err := p.flush(); err != nil {
				return 0, err
			}
		}
	}
	return written, nil
}

func (p *parts) flush() error {
	if len(p.a.part) == 0 && p.count > 0 {
		return nil
	}
	err := p.a.entry(partName(p.name, p.count), p.a.part)
	p.count++
	p.a.part = p.a.part[:0]
	return err
}

// finish writes the keys and the manifest, and ends the archive.
func (a *writer) finish(keys map[string][]byte, passphrase []byte) error {
	if !a.header.Sealed {
		for _, name := range slices.Sorted(maps.Keys(keys)) {
			if err := a.file(Keys+"/"+name, func(w io.Writer) error { _, err := w.Write(keys[name]); return err }); err != nil {
				return err
			}
		}
	}
	b, err := marshal(a.manifest)
	if err != nil {
		return err
	}
	if err := a.entry(manifestName, b); err != nil {
		return err
	}
	if a.header.Sealed {
		box, err := seal(keys, passphrase, b)
		if err != nil {
			return err
		}
		if err := a.entry(sealedName, box); err != nil {
			return err
		}
	}
	return fault.Wrap("backup.write", errors.Join(a.tar.Close(), a.zstd.Close()))
}

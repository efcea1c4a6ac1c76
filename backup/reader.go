package backup

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"noroshi/fault"
)

// Bounds of what is read.
const (
	maxHeader   = 1 << 20   // bytes
	maxManifest = 256 << 20 // bytes
	maxSealed   = 16 << 20  // bytes
	maxFiles    = 1 << 20
	maxName     = 512 // bytes
	maxWindow   = 8 << 20
)

var namePart = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)

// goodName tells whether a name leads to a place below a folder and nowhere
// else. A name is never cleaned: one that needs it is refused.
func goodName(name string) bool {
	if len(name) > maxName {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if !namePart.MatchString(part) {
			return false
		}
	}
	return true
}

func broken(err error, format string, args ...any) error {
	return fault.As(fault.Invalid, "backup.read", err, "this is no whole backup: "+format, args...)
}

// Reader reads an archive from its beginning to its end. Nothing that it hands
// out may be trusted before Next has returned io.EOF.
type Reader struct {
	Header
	plain io.Reader // what was unpacked
	close func()
	tar   *tar.Reader
	next  *tar.Header // read ahead
	file  *file       // handed out last
	seen  []File

	manifest Manifest
	raw      []byte // the manifest as it stood
	sealed   []byte
}

// Open reads the header.
func Open(r io.Reader) (*Reader, error) {
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, fault.Wrap("backup.read", err)
	}
	a, err := openTar(z, z.Close)
	if err != nil {
		z.Close()
	}
	return a, err
}

func openTar(r io.Reader, done func()) (*Reader, error) {
	a := &Reader{plain: r, close: done, tar: tar.NewReader(r)}
	return a, a.open()
}

func (a *Reader) open() error {
	b, err := a.entry(headerName, maxHeader)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, &a.Header); err != nil {
		return broken(err, "its header cannot be read")
	}
	if a.Format != format {
		return fault.New(fault.Invalid, "backup.read", "the backup has the format %d, and this program reads %d: a newer program made it", a.Format, format)
	}
	return a.advance()
}

// Close frees the decoder.
func (a *Reader) Close() { a.close() }

// advance reads the next entry's head; none is nil.
func (a *Reader) advance() error {
	h, err := a.tar.Next()
	if errors.Is(err, io.EOF) {
		a.next = nil
		return nil
	}
	if err != nil {
		return broken(err, "it is cut off or damaged")
	}
	if h.Typeflag != tar.TypeReg {
		return broken(nil, "%.100q is no file", h.Name)
	}
	a.next = h
	return nil
}

// entry reads an entry that must come now, whole.
func (a *Reader) entry(name string, limit int64) ([]byte, error) {
	if a.next == nil {
		if err := a.advance(); err != nil {
			return nil, err
		}
	}
	if a.next == nil || a.next.Name != name {
		return nil, broken(nil, "its %s is missing", name)
	}
	if a.next.Size > limit {
		return nil, broken(nil, "its %s is larger than %d bytes", name, limit)
	}
	b, err := io.ReadAll(a.tar)
	if err != nil {
		return nil, broken(err, "its %s is cut off", name)
	}
	a.next = nil
	return b, nil
}

// Next returns the next file and its content, which is read before Next is
// called again. io.EOF says that everything was there, and unchanged.
func (a *Reader) Next() (name string, content io.Reader, err error) {
	if a.file != nil {
		if _, err := io.Copy(io.Discard, a.file); err != nil {
			return "", nil, err
		}
		a.seen = append(a.seen, File{a.file.name, a.file.size, hex.EncodeToString(a.file.sum.Sum(nil))})
		a.file = nil
	}
	if a.next == nil {
		return "", nil, broken(nil, "its manifest is missing; it was cut off")
	}
	name = a.next.Name
	switch {
	case name == manifestName:
		if err := a.end(); err != nil {
			return "", nil, err
		}
		return "", nil, io.EOF
	case !goodName(name) || !slices.Contains(a.Parts, strings.SplitN(name, "/", 2)[0]) || !strings.Contains(name, "/"):
		return "", nil, broken(nil, "%.100q is no name in it", name)
	case len(a.seen) == maxFiles:
		return "", nil, broken(nil, "it has more than %d files", maxFiles)
	}
	a.file = &file{a: a, name: name, sum: sha256.New()}
	return name, a.file, a.file.begin()
}

// end checks the manifest against what was read.
func (a *Reader) end() error {
	var err error
	if a.raw, err = a.entry(manifestName, maxManifest); err != nil {
		return err
	}
	if err := json.Unmarshal(a.raw, &a.manifest); err != nil {
		return broken(err, "its manifest cannot be read")
	}
	if len(a.manifest.Files) != len(a.seen) {
		return broken(nil, "its manifest names %d files, and %d are there", len(a.manifest.Files), len(a.seen))
	}
	for i, f := range a.manifest.Files {
		if f != a.seen[i] {
			return broken(nil, "the file %.100s is not what the manifest says", a.seen[i].Name)
		}
	}
	if a.Sealed {
		if a.sealed, err = a.entry(sealedName, maxSealed); err != nil {
			return err
		}
	}
	if err := a.advance(); err != nil {
		return err
	}
	if a.next != nil {
		return broken(nil, "something follows its end")
	}
	// The frame's own end has a checksum, and nothing may stand behind it.
	if n, err := io.Copy(io.Discard, a.plain); err != nil || n > 64<<10 {
		return broken(err, "its end is cut off or damaged")
	}
	return nil
}

// Manifest is what the archive holds, once Next has returned io.EOF.
func (a *Reader) Manifest() Manifest { return a.manifest }

// Unseal opens the sealed keys, once Next has returned io.EOF.
func (a *Reader) Unseal(passphrase []byte) (map[string][]byte, error) {
	return unseal(a.sealed, passphrase, a.raw)
}

// file is one file, put together from its parts.
type file struct {
	a     *Reader
	name  string
	count int
	last  bool // the part that is being read is not full: no other follows
	left  int64
	size  int64
	sum   hash.Hash
}

// begin takes the part that was read ahead.
func (f *file) begin() error {
	f.left = f.a.next.Size
	f.last = f.left < partSize
	f.count++
	if f.left > partSize || f.left < 0 {
		return broken(nil, "a part of %.100s is %d bytes", f.name, f.left)
	}
	return nil
}

func (f *file) Read(b []byte) (int, error) {
	for f.left == 0 {
		if f.count > 0 && f.a.next != nil {
			if err := f.a.advance(); err != nil {
				return 0, err
			}
		}
		if f.last || f.a.next == nil || f.a.next.Name != partName(f.name, f.count) {
			f.last, f.left = true, -1
			return 0, io.EOF
		}
		if err := f.begin(); err != nil {
			return 0, err
		}
	}
	if f.left < 0 {
		return 0, io.EOF
	}
	n, err := f.a.tar.Read(b[:min(int64(len(b)), f.left)])
	f.left -= int64(n)
	f.size += int64(n)
	f.sum.Write(b[:n])
	if err != nil && (!errors.Is(err, io.EOF) || f.left > 0) {
		return n, broken(err, "the file %.100s is cut off", f.name)
	}
	return n, nil
}

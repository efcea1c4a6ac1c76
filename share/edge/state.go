package edge

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"noroshi/fault"
	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/share/set"
)

// state is a feed as this edge has it.
type state struct {
	Seq     uint64
	Members map[ident.ID]indicator.Wire
	digest  *set.Digest
	sum     string // of digest, made when asked for
	// verifyFrom is the sequence from which the digest must agree: right after
	// a snapshot the changes up to it are applied first. Zero: always.
	verifyFrom uint64
	journal    int // frames kept behind the snapshot on disk
}

func newState() state {
	return state{Members: map[ident.ID]indicator.Wire{}, digest: &set.Digest{}}
}

// Digest is the digest of the members.
func (s *state) Digest() string {
	if s.sum == "" {
		s.sum = s.digest.Sum()
	}
	return s.sum
}

// Verified tells whether the digest was found to agree.
func (s *state) Verified() bool { return s.verifyFrom == 0 }

// change puts or removes one member. Doing it twice is doing it once.
func (s *state) change(c set.Change) {
	s.sum = ""
	if old, ok := s.Members[c.ID]; ok {
		s.digest.Sub(set.Member(old))
		delete(s.Members, c.ID)
	}
	if c.Op == indicator.Put {
		s.Members[c.ID] = *c.Indicator
		s.digest.Add(set.Member(*c.Indicator))
	}
}

// apply applies a frame that goes on from here; false means that the result is
// not what the hub has.
func (s *state) apply(f set.Frame) bool {
	if f.From != s.Seq {
		return f.Seq == s.Seq && f.Digest == s.Digest()
	}
	for _, c := range f.Changes {
		s.change(c)
	}
	s.Seq = f.Seq
	if s.Seq < s.verifyFrom {
		return true
	}
	s.verifyFrom = 0
	return s.Digest() == f.Digest
}

// On disk a feed is one file of lines, each a checksum and JSON: first the whole
// set, then the frames since. A torn last line is cut off; anything else that is
// damaged puts the file aside.

// kept is the first line.
type kept struct {
	Seq     uint64           `json:"seq"`
	Digest  string           `json:"digest"`
	Members []indicator.Wire `json:"members"`
}

const (
	compactAfter = 500       // frames
	maxKeptLine  = 512 << 20 // bytes; a million members fit
)

func path(dir, feed string) string {
	return filepath.Join(dir, strings.ReplaceAll(feed, string(filepath.Separator), "_")+".feed")
}

func line(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%08x %s\n", crc32.ChecksumIEEE(b), b), nil
}

// keep appends a frame behind the whole set.
func (s *state) keep(dir, feed string, f set.Frame) error {
	if s.journal++; s.journal > compactAfter {
		return s.keepWhole(dir, feed)
	}
	b, err := line(f)
	if err != nil {
		return err
	}
	if _, err := os.Stat(path(dir, feed)); errors.Is(err, fs.ErrNotExist) {
		return s.keepWhole(dir, feed)
	}
	file, err := os.OpenFile(path(dir, feed), os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(b)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		s.journal = compactAfter // What stands there now may be half a frame.
	}
	return err
}

// keepWhole replaces the file by the whole set, at once or not at all.
func (s *state) keepWhole(dir, feed string) error {
	const op = "edge.keep"
	k := kept{Seq: s.Seq, Digest: s.Digest(), Members: make([]indicator.Wire, 0, len(s.Members))}
	for _, w := range s.Members {
		k.Members = append(k.Members, w)
	}
	b, err := line(k)
	if err != nil {
		return fault.Wrap(op, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fault.Wrap(op, err)
	}
	tmp := path(dir, feed) + ".new"
	file, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fault.Wrap(op, err)
	}
	_, err = file.Write(b)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fault.Wrap(op, err)
	}
	s.journal = 0
	return fault.Wrap(op, os.Rename(tmp, path(dir, feed)))
}

// load reads what was kept. A damaged file is put aside and reported.
func load(dir, feed string) (state, error) {
	const op = "edge.load"
	b, err := os.ReadFile(path(dir, feed))
	if errors.Is(err, fs.ErrNotExist) {
		return state{}, fault.New(fault.NotFound, op, "nothing was kept")
	}
	if err != nil {
		return state{}, fault.Wrap(op, err)
	}
	s, err := read(b)
	if err != nil {
		aside := path(dir, feed) + ".damaged"
		return state{}, fault.As(fault.Invalid, op, errors.Join(err, os.Rename(path(dir, feed), aside)), "the kept set was damaged; it is now %s", aside)
	}
	return s, nil
}

// read decodes the file's bytes.
func read(b []byte) (state, error) {
	r := bufio.NewReaderSize(bytes.NewReader(b), 64<<10)
	s := newState()
	for n := 0; ; n++ {
		raw, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			if n == 0 {
				return s, errors.New("there is no whole line")
			}
			if len(raw) > 0 {
				// A torn last line was never acknowledged to anybody, and nothing may
				// be written behind it.
				s.journal = compactAfter
			}
			return s, nil
		}
		if err != nil {
			return s, err
		}
		body, err := check(raw)
		if err != nil {
			return s, fmt.Errorf("line %d: %w", n+1, err)
		}
		if n == 0 {
			err = s.restore(body)
		} else {
			err = s.replay(body)
		}
		if err != nil {
			return s, fmt.Errorf("line %d: %w", n+1, err)
		}
		s.journal = n
	}
}

func check(raw []byte) ([]byte, error) {
	var sum uint32
	if len(raw) < 10 || len(raw) > maxKeptLine {
		return nil, errors.New("too short")
	}
	if _, err := fmt.Sscanf(string(raw[:8]), "%08x", &sum); err != nil {
		return nil, err
	}
	body := raw[9 : len(raw)-1]
	if crc32.ChecksumIEEE(body) != sum {
		return nil, errors.New("the checksum differs")
	}
	return body, nil
}

func (s *state) restore(body []byte) error {
	var k kept
	if err := json.Unmarshal(body, &k); err != nil {
		return err
	}
	for _, w := range k.Members {
		s.change(set.Change{Op: indicator.Put, ID: w.ID, Indicator: &w})
	}
	s.Seq = k.Seq
	if s.Digest() != k.Digest {
		return errors.New("the digest differs")
	}
	return nil
}

func (s *state) replay(body []byte) error {
	var f set.Frame
	if err := json.Unmarshal(body, &f); err != nil {
		return err
	}
	for _, c := range f.Changes {
		if c.Op == indicator.Put && c.Indicator == nil {
			return errors.New("a put without its indicator")
		}
	}
	if !s.apply(f) {
		return errors.New("the digest differs")
	}
	return nil
}

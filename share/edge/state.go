package edge

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
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

	stored  bool   // the file is there, and holds the state at
	disk    uint64 // this sequence:
	whole   int    // bytes of the set, and behind it
	journal int    // bytes of frames
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
	minJournal  = 1 << 20   // bytes; a longer one than this and the set is folded into it
	maxKeptLine = 512 << 20 // bytes; a million members fit
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

// keep makes the file hold the state, to which these frames led: it appends
// them, or writes the whole set where they do not go on from what is there.
func (s *state) keep(dir, feed string, frames []set.Frame) error {
	if s.stored && s.disk == s.Seq {
		return nil
	}
	if !s.stored || len(frames) == 0 || frames[0].From != s.disk || s.journal > max(minJournal, s.whole) {
		return s.keepWhole(dir, feed)
	}
	var b []byte
	for _, f := range frames {
		l, err := line(f)
		if err != nil {
			return err
		}
		b = append(b, l...)
	}
	// Whatever fails leaves a file of which nobody knows how it ends.
	s.stored = false
	file, err := os.OpenFile(path(dir, feed), os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return s.keepWhole(dir, feed)
	}
	_, err = file.Write(b)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	s.stored, s.disk, s.journal = true, s.Seq, s.journal+len(b)
	return nil
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
	if err := os.Rename(tmp, path(dir, feed)); err != nil {
		return fault.Wrap(op, err)
	}
	s.stored, s.disk, s.whole, s.journal = true, s.Seq, len(b), 0
	return nil
}

// load reads what was kept. Of a file that is damaged behind its beginning the
// sound part is used: it was the truth once, and an old block is better than
// none until the hub answers. A copy is put aside and the error says so; an empty
// state with an error means that nothing could be used.
func load(dir, feed string) (state, error) {
	const op = "edge.load"
	name := path(dir, feed)
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return newState(), fault.New(fault.NotFound, op, "nothing was kept")
	}
	if err != nil {
		return newState(), fault.Wrap(op, err)
	}
	s, sound, err := read(b)
	if err == nil && sound == len(b) {
		s.stored, s.disk = true, s.Seq
		return s, nil
	}
	if err == nil {
		// A torn last line was never acknowledged to anybody. It must go, or the
		// next one would be written into it.
		err = s.keepWhole(dir, feed)
		return s, err
	}
	aside := name + ".damaged"
	err = errors.Join(err, os.Rename(name, aside))
	if sound > 0 {
		err = errors.Join(err, s.keepWhole(dir, feed))
	}
	return s, fault.As(fault.Invalid, op, err, "the kept set was damaged; it is now %s", aside)
}

// read decodes the file's bytes: the state after the last sound line, and where
// that ends. The error is for damage, which a torn last line is not.
func read(b []byte) (s state, sound int, err error) {
	s = newState()
	for n := 0; ; n++ {
		raw, _, whole := bytes.Cut(b[sound:], []byte{'\n'})
		if !whole && n > 0 {
			return s, sound, nil
		}
		body, err := check(raw)
		switch {
		case err == nil && !whole:
			err = errors.New("it was not written to its end")
		case err == nil && n == 0:
			err = s.restore(body)
		case err == nil:
			err = s.replay(body)
		}
		if err != nil && (n == 0 || errors.Is(err, errDisagrees)) {
			return newState(), 0, fmt.Errorf("line %d: %w", n+1, err)
		}
		if err != nil {
			return s, sound, fmt.Errorf("line %d: %w", n+1, err)
		}
		if sound += len(raw) + 1; n == 0 {
			s.whole = sound
		}
		s.journal = sound - s.whole
	}
}

// errDisagrees is for a file that is sound by its checksums and still does not
// hold the set that it claims: nothing of it is believed.
var errDisagrees = errors.New("the digest differs")

func check(raw []byte) ([]byte, error) {
	var sum uint32
	if len(raw) < 10 || len(raw) > maxKeptLine {
		return nil, errors.New("too short")
	}
	if _, err := fmt.Sscanf(string(raw[:8]), "%08x", &sum); err != nil {
		return nil, err
	}
	body := raw[9:]
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
		return errDisagrees
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
	if f.From != s.Seq {
		return fmt.Errorf("it goes on from %d, not from %d", f.From, s.Seq)
	}
	if !s.apply(f) {
		return errDisagrees
	}
	return nil
}

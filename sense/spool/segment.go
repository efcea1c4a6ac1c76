package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// segment is one file, named by the first sequence that may be in it.
type segment struct {
	base    uint64
	path    string
	size    int64
	waiting int64 // events in it that were not acknowledged
}

const (
	suffix        = ".seg"
	unfinished    = ".new"
	quarantine    = "quarantine"
	maxQuarantine = 16 // files kept for a person to look at
)

func (s *Spool) segmentPath(base uint64) string {
	return filepath.Join(s.cfg.Dir, fmt.Sprintf("%020d%s", base, suffix))
}

// rotate begins a new segment. The one before it is durable then.
func (s *Spool) rotate() error {
	if s.active != nil {
		if err := s.active.Sync(); err != nil {
			return err
		}
	}
	seg := &segment{base: s.next, path: s.segmentPath(s.next)}
	f, err := os.OpenFile(seg.path, os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if s.active != nil {
		s.active.Close()
	}
	s.segs, s.active = append(s.segs, seg), f
	s.closed, s.open, s.openLen, s.dirty = 0, 0, 0, false
	return syncDir(s.cfg.Dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// restore reads what is in the folder: it cuts off torn tails, repairs spoiled
// segments, removes what was acknowledged, and finds the next sequence.
func (s *Spool) restore() error {
	if err := s.openCursor(); err != nil {
		return err
	}
	s.next = max(uint64(s.deps.Now().UnixMicro()), s.acked+1)
	entries, err := os.ReadDir(s.cfg.Dir) // Sorted by name, hence by sequence.
	if err != nil {
		return err
	}
	var found []*segment
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), suffix+unfinished) {
			if err := os.Remove(filepath.Join(s.cfg.Dir, e.Name())); err != nil {
				return err
			}
		}
		base, err := strconv.ParseUint(strings.TrimSuffix(e.Name(), suffix), 10, 64)
		if err != nil || !strings.HasSuffix(e.Name(), suffix) || !e.Type().IsRegular() {
			continue
		}
		found = append(found, &segment{base: base, path: filepath.Join(s.cfg.Dir, e.Name())})
	}
	for i, seg := range found {
		if err := s.examine(seg, i == len(found)-1); err != nil {
			return err
		}
	}
	return s.rotate()
}

// examine reads one segment of an earlier run and keeps it when something in it
// waits to be sent.
func (s *Spool) examine(seg *segment, last bool) error {
	data, err := os.ReadFile(seg.path)
	if err != nil {
		return err
	}
	var first int64
	end, unsent := 0, 0 // unsent is where the first waiting record begins
	s.next = max(s.next, seg.base)
	spoiled := walk(data, func(r record, at int) bool {
		s.next = max(s.next, r.seq+1)
		if r.seq > s.acked && !r.boundary() {
			if seg.waiting == 0 {
				first, unsent = r.at, at-headerSize-len(r.line)
			}
			seg.waiting++
		}
		end = at
		return true
	})
	if n := len(spoiled); last && n > 0 && spoiled[n-1].to == len(data) {
		if err := os.Truncate(seg.path, int64(end)); err != nil {
			return err
		}
		s.c.torn++
		spoiled, data = spoiled[:n-1], data[:end]
	}
	if len(spoiled) > 0 {
		if data, err = s.repair(seg, data, spoiled); err != nil {
			return err
		}
		unsent = 0
	}
	if seg.waiting == 0 {
		return os.Remove(seg.path)
	}
	if len(s.segs) == 0 {
		s.pos, s.c.oldest = int64(unsent), time.UnixMilli(first)
	}
	seg.size = int64(len(data))
	s.segs = append(s.segs, seg)
	s.total += seg.size
	s.c.pending += seg.waiting
	return nil
}

// repair sets a copy of a spoiled segment aside with the reason, and writes the
// segment anew with what is sound and waits to be sent.
func (s *Spool) repair(seg *segment, data []byte, spoiled []span) ([]byte, error) {
	reason := "spoiled records:"
	for _, p := range spoiled {
		reason += fmt.Sprintf(" bytes %d to %d", p.from, p.to)
		if len(reason) > 4<<10 {
			reason += fmt.Sprintf(", and more, %d in all", len(spoiled))
			break
		}
	}
	if err := s.setAside(filepath.Base(seg.path), data, reason); err != nil {
		return nil, err
	}
	sound, before := make([]byte, 0, len(data)), max(seg.base, s.acked+1)-1
	walk(data, func(r record, _ int) bool {
		if r.seq <= s.acked {
			return true
		}
		// Within a segment sequences have no gaps but those that were spoiled.
		missing := r.seq - before
		if !r.boundary() {
			missing--
		}
		s.c.lost += missing
		before, sound = r.seq, appendRecord(sound, r)
		return true
	})
	if spoiled[len(spoiled)-1].to == len(data) {
		s.c.lost++ // At least one; nothing behind it tells how many.
	}
	if err := replace(seg.path, sound); err != nil {
		return nil, err
	}
	return sound, syncDir(s.cfg.Dir)
}

func replace(path string, data []byte) error {
	tmp := path + unfinished
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// setAside keeps what cannot be used, beside the reason, for a person. Only the
// newest few are kept, so that a dying disk does not fill itself.
func (s *Spool) setAside(name string, data []byte, reason string) error {
	s.c.quarantined++
	dir := filepath.Join(s.cfg.Dir, quarantine)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, name+".reason"), []byte(reason+"\n"), 0o600); err != nil {
		return err
	}
	kept, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range kept[:max(0, len(kept)-2*maxQuarantine)] {
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// The cursor is the sequence of the last acknowledged event with its checksum.
// It is not synced: after a power cut an older one costs whole batches that are
// sent again, and the bus knows their ids.
func (s *Spool) openCursor() (err error) {
	if s.cursor, err = os.OpenFile(filepath.Join(s.cfg.Dir, "cursor"), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return err
	}
	var b [12]byte
	if _, err := s.cursor.ReadAt(b[:], 0); err == nil && crc32.Checksum(b[:8], castagnoli) == binary.BigEndian.Uint32(b[8:]) {
		s.acked = binary.BigEndian.Uint64(b[:])
	}
	// Its block is taken now, so that a disk that fills up later cannot keep the
	// cursor from moving. On one that is full already it does not move, and whole
	// batches are sent again after a restart.
	_ = s.saveCursor(s.acked)
	return nil
}

func (s *Spool) saveCursor(seq uint64) error {
	s.acked = seq
	b := binary.BigEndian.AppendUint64(nil, seq)
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	_, err := s.cursor.WriteAt(b, 0)
	return err
}

// dropSent removes the oldest segment when everything in it is acknowledged.
func (s *Spool) dropSent() error {
	seg := s.segs[0]
	if err := os.Remove(seg.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.segs, s.pos = s.segs[1:], 0
	s.total -= seg.size
	close(s.room)
	s.room, s.giveUp = make(chan struct{}), nil
	return nil
}

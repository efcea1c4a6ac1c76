package spool

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
	"slices"
	"strconv"
	"strings"
	"time"

	"noroshi/fault"
)

// files is a queue on disk: segments named after the sequence of their first
// event, each a file of lines "crc32 sequence json", and a cursor that says how
// far the hub has acknowledged. Its user holds the lock.
type files struct {
	dir      string
	segments []segment // oldest first
	write    *os.File  // the newest segment
	buffered *bufio.Writer
	dirty    bool
	cursor   position
}

type segment struct {
	first uint64
	size  int64
}

// position is a place in the queue.
type position struct {
	Segment uint64 `json:"segment"`
	Offset  int64  `json:"offset"`
}

func (f *files) name(first uint64) string {
	return filepath.Join(f.dir, fmt.Sprintf("%020d.seg", first))
}

// open finds what is there. A torn end of the newest segment is cut off: it was
// never sent. It returns the highest sequence.
func (f *files) open(dir string) (last, damaged uint64, err error) {
	f.dir = dir
	list, err := os.ReadDir(dir)
	if err != nil {
		return 0, 0, fault.Wrap("spool.open", err)
	}
	for _, e := range list {
		base, ok := strings.CutSuffix(e.Name(), ".seg")
		first, perr := strconv.ParseUint(base, 10, 64)
		info, ierr := e.Info()
		if !ok || perr != nil || ierr != nil {
			continue
		}
		f.segments = append(f.segments, segment{first, info.Size()})
	}
	if b, err := os.ReadFile(filepath.Join(dir, "cursor")); err == nil {
		// A damaged cursor sends again what the hub has; it counts nothing twice.
		_ = json.Unmarshal(b, &f.cursor)
	}
	for i := range f.segments {
		good, high, err := f.scan(f.segments[i].first)
		if err != nil {
			return 0, 0, err
		}
		last = max(last, high)
		if i == len(f.segments)-1 && good < f.segments[i].size {
			damaged++
			f.segments[i].size = good
			if err := os.Truncate(f.name(f.segments[i].first), good); err != nil {
				return 0, 0, fault.Wrap("spool.open", err)
			}
		}
	}
	return last, damaged, nil
}

// scan returns the end of the last whole line and the highest sequence.
func (f *files) scan(first uint64) (good int64, high uint64, err error) {
	b, err := os.ReadFile(f.name(first))
	if err != nil {
		return 0, 0, fault.Wrap("spool.scan", err)
	}
	for len(b) > 0 {
		line, rest, whole := bytes.Cut(b, []byte{'\n'})
		if !whole {
			break
		}
		good += int64(len(line)) + 1
		if seq, _, err := parse(line); err == nil {
			high = max(high, seq)
		}
		b = rest
	}
	return good, high, nil
}

// parse reads one line; an error means that it is damaged.
func parse(line []byte) (uint64, []byte, error) {
	sum, rest, ok := bytes.Cut(line, []byte{' '})
	want, err := strconv.ParseUint(string(sum), 16, 32)
	if !ok || err != nil || crc32.ChecksumIEEE(rest) != uint32(want) {
		return 0, nil, errors.New("the checksum differs")
	}
	num, body, ok := bytes.Cut(rest, []byte{' '})
	seq, err := strconv.ParseUint(string(num), 10, 64)
	if !ok || err != nil {
		return 0, nil, errors.New("there is no sequence")
	}
	return seq, body, nil
}

func (f *files) append(seq uint64, body []byte) error {
	if f.write == nil || f.segments[len(f.segments)-1].size >= segmentBytes {
		if err := f.roll(seq); err != nil {
			return err
		}
	}
	rest := append(strconv.AppendUint(nil, seq, 10), ' ')
	rest = append(rest, body...)
	n, err := fmt.Fprintf(f.buffered, "%08x %s\n", crc32.ChecksumIEEE(rest), rest)
	f.segments[len(f.segments)-1].size += int64(n)
	f.dirty = true
	return fault.Wrap("spool.append", err)
}

// roll begins a new segment.
func (f *files) roll(first uint64) error {
	if err := f.close(); err != nil {
		return err
	}
	w, err := os.OpenFile(f.name(first), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fault.Wrap("spool.roll", err)
	}
	f.write, f.buffered = w, bufio.NewWriterSize(w, 64<<10)
	f.segments = append(f.segments, segment{first: first})
	return nil
}

// sync makes durable what was appended.
func (f *files) sync() error {
	if !f.dirty || f.write == nil {
		return nil
	}
	err := errors.Join(f.buffered.Flush(), f.write.Sync())
	f.dirty = err != nil
	return fault.Wrap("spool.sync", err)
}

func (f *files) close() error {
	if f.write == nil {
		return nil
	}
	err := errors.Join(f.sync(), f.write.Close())
	f.write = nil
	return err
}

// next reads the oldest lines after the cursor, durable by then. Damaged lines
// are put aside and counted.
func (f *files) next(most int, bytesMost int) (lines [][]byte, end position, damaged uint64, err error) {
	if err := f.sync(); err != nil {
		return nil, end, 0, err
	}
	end = f.cursor
	size := 0
	for i, s := range f.segments {
		if s.first < end.Segment {
			continue
		}
		if s.first > end.Segment {
			end = position{Segment: s.first}
		}
		file, err := os.Open(f.name(s.first))
		if err != nil {
			return nil, end, damaged, fault.Wrap("spool.next", err)
		}
		r := bufio.NewReaderSize(io.NewSectionReader(file, end.Offset, s.size-end.Offset), 64<<10)
		for len(lines) < most && size < bytesMost {
			line, rerr := r.ReadBytes('\n')
			if rerr != nil {
				break
			}
			end.Offset += int64(len(line))
			_, body, perr := parse(line[:len(line)-1])
			if perr != nil {
				damaged++
				f.aside(line)
				continue
			}
			lines = append(lines, body)
			size += len(body)
		}
		if err := file.Close(); err != nil {
			return nil, end, damaged, fault.Wrap("spool.next", err)
		}
		if len(lines) > 0 || i == len(f.segments)-1 {
			break
		}
	}
	return lines, end, damaged, nil
}

// aside keeps a damaged line for whoever wants to know.
func (f *files) aside(line []byte) {
	w, err := os.OpenFile(filepath.Join(f.dir, "damaged"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return // It is counted all the same.
	}
	if info, err := w.Stat(); err == nil && info.Size() < 16<<20 {
		_, _ = w.Write(line)
	}
	_ = w.Close()
}

// done moves the cursor and removes the segments behind it.
func (f *files) done(end position) error {
	f.cursor = end
	keep := slices.IndexFunc(f.segments, func(s segment) bool { return s.first >= end.Segment })
	for _, s := range f.segments[:max(keep, 0)] {
		if err := os.Remove(f.name(s.first)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fault.Wrap("spool.done", err)
		}
	}
	f.segments = f.segments[max(keep, 0):]
	// A whole segment that was sent goes too, unless it is being written.
	if len(f.segments) == 1 && f.segments[0].first == end.Segment && end.Offset >= segmentBytes && !f.dirty {
		if err := f.close(); err != nil {
			return err
		}
		if err := os.Remove(f.name(end.Segment)); err != nil {
			return fault.Wrap("spool.done", err)
		}
		f.segments = nil
	}
	b, err := json.Marshal(f.cursor)
	if err != nil {
		return fault.Wrap("spool.done", err)
	}
	tmp := filepath.Join(f.dir, "cursor.new")
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return fault.Wrap("spool.done", err)
	}
	return fault.Wrap("spool.done", os.Rename(tmp, filepath.Join(f.dir, "cursor")))
}

// bytes is how much waits.
func (f *files) bytes() int64 {
	var n int64
	for _, s := range f.segments {
		n += s.size
		if s.first == f.cursor.Segment {
			n -= f.cursor.Offset
		}
	}
	return n
}

// oldest is the time of the oldest event that waits; sequences begin as
// microseconds, so the segment's name is a bound.
func (f *files) oldest() time.Time {
	if f.bytes() == 0 || len(f.segments) == 0 {
		return time.Time{}
	}
	info, err := os.Stat(f.name(f.segments[0].first))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// Package spool is the disk between an eye (a sensor, a resolver) and the bus:
// what an eye emits is written to a file before it is sent, and stays until the
// bus has acknowledged it. A node works without the hub for as long as the spool
// has room, and continues after any crash where it stopped.
//
// What it promises:
//
//   - An event whose Emit returned nil survives a kill of the process; it
//     survives a power cut once its batch was cut, at the latest a second later.
//   - Batches are sent in order, one at a time, for ever. While one is on its way
//     the next fills up, so a slow hub gets larger batches, not more of them. One
//     at a time is the price of order: the hub counts on sequences that grow, and
//     of two batches in flight the second could be taken and the first refused.
//   - Sequences grow strictly, over restarts and also after the folder was wiped:
//     they begin at the microseconds of the clock.
//   - What is sent twice is a whole batch under the same id.
//   - The spool is bounded. When it is full, Emit waits a short moment once and
//     then drops the new event and counts it: the oldest events tell how an
//     attack began, and what is on disk is already promised. Where the disk itself
//     runs short, it may hold only as much as a hub that answers needs.
//
// It does not know what events mean, nor the frame of a batch, nor the bus: app
// gives it an encoder and a publisher.
package spool

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"noroshi/event"
	"noroshi/fault"
	"noroshi/ident"
)

// Publisher hands a batch to the bus. It returns nil only when the bus has the
// batch durably; a batch with an id that the bus knows is not kept twice.
type Publisher interface {
	Publish(ctx context.Context, id string, batch []byte) error
}

// Config says where the spool lives, how large it may become, and whose events
// it holds. Zero values take the defaults.
type Config struct {
	Dir         string
	MaxBytes    int64         // of all segments; 1 GiB
	BatchEvents int           // in one batch; 500
	BatchBytes  int           // of JSON in one batch, which is less once compressed; 252 KiB
	Linger      time.Duration // how long the first event of a batch waits for others; 10 ms
	Patience    time.Duration // how long Emit waits for room when the spool becomes full; 50 ms

	Org      ident.ID
	Node     ident.ID
	Hostname string
	Product  string // which eye: metadata.product.feature.name
	Version  string
}

// Deps come from outside.
type Deps struct {
	Publisher Publisher
	Encode    func(lines [][]byte) ([]byte, error) // bus.EncodeBatch
	Log       *slog.Logger
	Now       func() time.Time                  // time.Now when nil
	Jitter    func(time.Duration) time.Duration // spreads a back-off; random up to it when nil
	Brake     func() error                      // an error while the disk runs short; nil when nobody looks
}

const (
	maxSegment = 8 << 20
	// tight is what the spool may hold while the disk runs short: events go on to
	// a hub that takes them, and one that is away does not fill the disk.
	tight = 2 * maxSegment
)

// Spool is one spool. Emit may be called by many; Run once.
type Spool struct {
	cfg  Config
	deps Deps
	lock *os.File

	mu      sync.Mutex
	segs    []*segment // oldest first; the last one is being written
	active  *os.File
	dirty   bool  // active has writes that were not synced
	closed  int64 // end of the last complete batch in the active segment
	open    int   // events behind it
	openLen int   // and their bytes
	openAt  time.Time
	next    uint64 // sequence of the next event
	total   int64  // bytes of all segments
	buf     []byte
	room    chan struct{} // closed when room was made
	giveUp  chan struct{} // while full: closed when patience is over
	broken  bool          // Close was called
	c       counters

	kick   chan struct{} // tells Run that there is something to look at
	pos    int64         // in segs[0]: everything before it is acknowledged
	acked  uint64        // sequence
	cursor *os.File
}

func (cfg *Config) defaults() error {
	if cfg.Dir == "" || cfg.Org == "" || cfg.Node == "" {
		return fault.New(fault.Invalid, "spool.open", "the spool needs a folder, an organisation and a node")
	}
	setDefault(&cfg.MaxBytes, 1<<30)
	setDefault(&cfg.BatchEvents, 500)
	setDefault(&cfg.BatchBytes, 252<<10)
	setDefault(&cfg.Linger, 10*time.Millisecond)
	setDefault(&cfg.Patience, 50*time.Millisecond)
	if cfg.MaxBytes < 4*maxRecord {
		return fault.New(fault.Invalid, "spool.open", "the spool must be allowed at least %d bytes", 4*maxRecord)
	}
	return nil
}

func setDefault[T int | int64 | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// Open opens the spool in its folder, repairs what a crash left, and continues.
// A folder belongs to one process at a time.
func Open(cfg Config, deps Deps) (*Spool, error) {
	const op = "spool.open"
	if err := cfg.defaults(); err != nil {
		return nil, err
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Jitter == nil {
		deps.Jitter = func(d time.Duration) time.Duration { return rand.N(d) + 1 }
	}
	s := &Spool{cfg: cfg, deps: deps, room: make(chan struct{}), kick: make(chan struct{}, 1)}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fault.As(fault.Invalid, op, err, "the spool's folder cannot be made")
	}
	var err error
	if s.lock, err = os.OpenFile(filepath.Join(cfg.Dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return nil, fault.As(fault.Invalid, op, err, "the spool's folder cannot be written to")
	}
	if err := unix.Flock(int(s.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		s.lock.Close()
		return nil, fault.As(fault.Conflict, op, err, "another process uses the spool")
	}
	if err := s.restore(); err != nil {
		s.Close()
		return nil, fault.Wrap(op, err)
	}
	return s, nil
}

// Close makes what was emitted durable and lets go of the folder. Run must have
// ended.
func (s *Spool) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = true
	var err error
	if s.active != nil {
		err = s.active.Sync()
		s.active.Close()
		s.active = nil
	}
	if s.cursor != nil {
		s.cursor.Close()
		s.cursor = nil
	}
	s.lock.Close() // Releases the lock.
	return fault.Wrap("spool.close", err)
}

// Emit stamps the event with its place and writes it down. After nil it will
// be delivered. An error is for an event that was dropped, and counted.
func (s *Spool) Emit(e *event.Event) error {
	const op = "spool.emit"
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if s.broken {
			s.c.dropped++
			return fault.New(fault.Unavailable, op, "the spool is closed")
		}
		line, err := s.stamp(e)
		if err != nil {
			s.c.refused++
			return fault.Wrap(op, err)
		}
		if s.total+int64(len(line)+2*headerSize) <= s.limit() {
			if err := s.append(line); err != nil {
				s.c.dropped++
				return fault.As(fault.Exhausted, op, err, "the spool cannot be written to")
			}
			return nil
		}
		if !s.waitForRoom() {
			s.c.dropped++
			return fault.New(fault.Exhausted, op, "the spool is full; the event was dropped and counted")
		}
	}
}

// limit is how many bytes the spool may hold now.
func (s *Spool) limit() int64 {
	if s.deps.Brake != nil && s.cfg.MaxBytes > tight && s.deps.Brake() != nil {
		return tight
	}
	return s.cfg.MaxBytes
}

// waitForRoom waits, without the lock, until there may be room. It returns false
// at once when the patience of this time of fullness is used up.
func (s *Spool) waitForRoom() bool {
	if s.giveUp == nil {
		over := make(chan struct{})
		s.giveUp = over
		time.AfterFunc(s.cfg.Patience, func() { close(over) })
	}
	room, over := s.room, s.giveUp
	s.mu.Unlock()
	defer s.mu.Lock()
	select {
	case <-over:
		return false
	default:
	}
	select {
	case <-room:
		return true
	case <-over:
		return false
	}
}

// stamp fills what the event says of its origin and encodes it.
func (s *Spool) stamp(e *event.Event) ([]byte, error) {
	e.Finish()
	m := &e.Metadata
	m.Sequence = s.next
	m.UID = string(s.cfg.Node) + "." + strconv.FormatUint(s.next, 36)
	m.Tenant = s.cfg.Org
	m.Reporter = event.Reporter{UID: s.cfg.Node, Hostname: s.cfg.Hostname}
	m.Product = event.Product{Name: "Noroshi", VendorName: "Noroshi", Version: s.cfg.Version, Feature: event.Feature{Name: s.cfg.Product}}
	m.LoggedTime = s.deps.Now().UnixMilli()
	var err error
	s.buf, err = event.AppendJSON(s.buf[:0], e)
	return s.buf, err
}

// append writes the line behind the active segment, and a boundary where a batch
// is complete. What a failed write left is overwritten by the next.
func (s *Spool) append(line []byte) error {
	if s.open > 0 && s.openLen+len(line)+1 > s.cfg.BatchBytes {
		if err := s.cut(); err != nil {
			return err
		}
	}
	now := s.deps.Now()
	if err := s.write(record{s.next, now.UnixMilli(), line}); err != nil {
		return err
	}
	if s.open == 0 {
		s.openAt = now
		s.wake()
	}
	if s.c.pending == 0 {
		s.c.oldest = now
	}
	s.next++
	s.open++
	s.openLen += len(line) + 1
	s.c.emitted++
	s.c.pending++
	s.segs[len(s.segs)-1].waiting++
	if s.open < s.cfg.BatchEvents {
		return nil
	}
	if err := s.cut(); err != nil {
		// The event is safe; only the boundary is not, and is tried again.
		s.c.problem = err.Error()
	}
	return nil
}

func (s *Spool) write(r record) error {
	seg := s.segs[len(s.segs)-1]
	b := appendRecord(make([]byte, 0, headerSize+len(r.line)), r)
	if _, err := s.active.WriteAt(b, seg.size); err != nil {
		return err
	}
	seg.size += int64(len(b))
	s.total += int64(len(b))
	s.dirty = true
	return nil
}

// cut ends the open batch, and the segment when it is large enough.
func (s *Spool) cut() error {
	if err := s.write(record{seq: s.next - 1}); err != nil {
		return err
	}
	seg := s.segs[len(s.segs)-1]
	s.closed, s.open, s.openLen = seg.size, 0, 0
	s.wake()
	if seg.size < min(maxSegment, s.cfg.MaxBytes/4) {
		return nil
	}
	return s.rotate()
}

func (s *Spool) wake() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

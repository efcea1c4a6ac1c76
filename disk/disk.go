// Package disk brakes before a disk is full. It looks at the filesystems of
// some folders, once a second, and says three things: that room is getting low,
// that nothing more may be taken in (the brake), and that there is room again.
// What takes in much asks Closed before it does; what writes little and matters
// (decisions, revocations, acknowledgements) goes on, and a reserve file is given
// up for it when even that little finds no room.
//
// It writes nothing but the reserve, and deletes nothing else: what may go is
// retention's to say. App makes a Brake for the hub's folder and one for each
// node's, the bus and the spool ask it.
package disk

import (
	"context"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"noroshi/fault"
)

// Config says what to watch and when to brake. A filesystem is low, or closed,
// when less than either of the two is free: percent or bytes.
type Config struct {
	Paths        []string // folders; those on one filesystem count once. The reserve lies in the first
	WarnPercent  float64
	BrakePercent float64 // also of inodes
	BrakeBytes   uint64
	Reserve      int64 // bytes kept in a file for what must still be written; 0 keeps none
	Every        time.Duration
}

// Level is how full the fullest of the filesystems is.
type Level int

// The levels.
const (
	Ample  Level = iota
	Low          // below WarnPercent: nothing is refused yet
	Closed       // below the brake: what comes must wait
	Spent        // and the reserve was given up
)

var levels = [...]string{"ample", "low", "closed", "spent"}

func (l Level) String() string { return levels[l] }

// State is what the last look saw.
type State struct {
	Level   Level
	Since   time.Time // of the level
	Spaces  []Space
	Short   Space  // the one that is fullest
	CloseAt uint64 // bytes free of Short below which the brake closes
	OpenAt  uint64 // and from which it opens again
	Reserve bool   // the reserve is there
	Err     error  // why a look failed; then the brake is closed
	refuse  error  // what Closed says, made once: it is asked for every event
}

// Brake watches. Closed may be asked by many, often; Run looks.
type Brake struct {
	cfg Config
	now func() time.Time
	// OnChange is called with the new state when the level changed.
	OnChange func(State)
	reserve  reserve
	look     sync.Mutex
	state    atomic.Pointer[State]
}

const reserveName = "reserve"

// New makes a brake and looks for the first time.
func New(cfg Config, now func() time.Time) *Brake {
	if cfg.Every == 0 {
		cfg.Every = time.Second
	}
	b := &Brake{cfg: cfg, now: now, OnChange: func(State) {}, reserve: reserve{filepath.Join(cfg.Paths[0], reserveName), cfg.Reserve}}
	b.state.Store(&State{Since: now()})
	b.Check()
	return b
}

// Run looks until ctx ends.
func (b *Brake) Run(ctx context.Context) error {
	tick := time.NewTicker(b.cfg.Every)
	defer tick.Stop()
	if s := b.State(); s.Level > Ample {
		b.OnChange(s) // What the first look saw, nobody could have heard yet.
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			b.Check()
		}
	}
}

// State is what the last look saw.
func (b *Brake) State() State { return *b.state.Load() }

// Closed tells, as an error for whoever sent something, that nothing may be
// taken in now. It costs nothing to ask.
func (b *Brake) Closed() error { return b.state.Load().refuse }

func (s State) refusal() error {
	switch {
	case s.Level < Closed:
		return nil
	case s.Err != nil:
		return fault.As(fault.Exhausted, "disk.brake", s.Err, "nothing is taken in: %s", fault.PublicOf(s.Err))
	}
	return fault.New(fault.Exhausted, "disk.brake", "nothing is taken in until the disk of %s has %d MiB free; it has %d. What was sent stays where it is; free some room, or make the disk larger",
		s.Short.Path, s.OpenAt>>20, s.Short.Free>>20)
}

// Check looks now, moves the brake, and keeps or gives up the reserve.
func (b *Brake) Check() {
	b.look.Lock()
	defer b.look.Unlock()
	old := b.state.Load()
	spaces, err := lookAll(b.cfg.Paths)
	s := b.judge(spaces, err, old.Level >= Closed)
	switch {
	case s.Level < Closed && b.cfg.Reserve > 0 && !b.reserve.held() && s.Short.Free > s.OpenAt+uint64(b.cfg.Reserve):
		// Without it the brake works all the same; the next look tries again.
		_ = b.reserve.take()
	case s.Level == Closed && (old.Level == Spent || s.Short.Free < uint64(b.cfg.Reserve)/2):
		// It stays spent when the room of the reserve itself is seen as free.
		if b.reserve.held() {
			_ = b.reserve.give()
		}
		s.Level = Spent
	}
	s.Reserve = b.reserve.held()
	if s.Since = old.Since; s.Level != old.Level {
		s.Since = b.now()
	}
	s.refuse = s.refusal()
	b.state.Store(&s)
	if s.Level != old.Level {
		b.OnChange(s)
	}
}

// judge finds the filesystem that is nearest to its brake. A brake that is
// closed opens only when there is a quarter more, so that it does not flutter.
func (b *Brake) judge(spaces []Space, err error, closed bool) State {
	s := State{Spaces: spaces, Err: err}
	if err != nil {
		s.Level = Closed
		return s
	}
	least := 0.0
	for i, x := range spaces {
		at := max(b.cfg.BrakeBytes, uint64(b.cfg.BrakePercent/100*float64(x.Total)))
		inodes := b.cfg.BrakePercent
		level := Ample
		if x.FreePercent < b.cfg.WarnPercent || x.InodesPercent < b.cfg.WarnPercent {
			level = Low
		}
		limit := at
		if closed {
			limit, inodes = at+at/4, inodes+inodes/4
		}
		if x.Free < limit || x.InodesPercent < inodes {
			level = Closed
		}
		s.Level = max(s.Level, level)
		if near := min(float64(x.Free)/float64(max(at, 1)), x.InodesPercent/max(b.cfg.BrakePercent, 1)); i == 0 || near < least {
			least, s.Short, s.CloseAt, s.OpenAt = near, x, at, at+at/4
		}
	}
	return s
}

// Package endpoint is the sensor of a machine: which processes start and end,
// what connects where, which names are looked up. It takes the best tier that
// the machine allows (eBPF, else the proc connector), says in every event which
// one saw it, and counts what was lost. It decides nothing and stores nothing:
// events go to the spool.
package endpoint

import (
	"context"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"noroshi/event"
	"noroshi/fault"
	"noroshi/sense/endpoint/observed"
)

// Config chooses the tier.
type Config struct {
	Tier      string // auto, ebpf, proc
	RingBytes int    // of the kernel's ring; a power of two
}

// Deps is what the sensor works with.
type Deps struct {
	Emit func(*event.Event) error
	Log  *slog.Logger
}

// Tiers of the sensor.
const (
	Auto = "auto"
	EBPF = event.TierEBPF
	Proc = event.TierProc
)

// source is a tier at work.
type source interface {
	Run(ctx context.Context, take func(observed.Fact)) error
	Stats() observed.Stats
	Limits() []string
	Close() error
}

// Stats is how the sensor is.
type Stats struct {
	Tier       string
	Seen       uint64 // by the tier
	Emitted    uint64
	Dropped    uint64 // by the kernel's ring, and by a full spool
	Unreadable uint64
	Excluded   uint64 // of the sensor's own process
	Limits     []string
}

// Sensor is a tier and what makes events of its facts.
type Sensor struct {
	d       Deps
	tier    string
	src     source
	host    string
	procs   *table
	users   *users
	self    int
	limits  []string
	counter struct{ emitted, dropped, unreadable, excluded atomic.Uint64 }
}

// New opens the best tier that is allowed.
func New(cfg Config, d Deps) (*Sensor, error) {
	s := &Sensor{d: d, procs: newTable(), users: newUsers("/etc/passwd"), self: os.Getpid()}
	s.host, _ = os.Hostname() // An unnamed machine is told apart by its node.
	var first error
	for _, t := range tiers {
		if cfg.Tier != "" && cfg.Tier != Auto && cfg.Tier != t.name {
			continue
		}
		src, err := t.open(cfg)
		if err == nil {
			s.tier, s.src = t.name, src
			s.procs.seed()
			return s, nil
		}
		s.limits = append(s.limits, t.name+" tier: "+fault.PublicOf(err))
		if first == nil {
			first = err
		}
	}
	if first == nil {
		return nil, fault.New(fault.Invalid, "endpoint.new", "%q is not a tier on this system (auto, ebpf, proc)", cfg.Tier)
	}
	return nil, fault.As(fault.Unavailable, "endpoint.new", first, "no tier of the sensor works here: %s", s.limits[0])
}

// Run senses until ctx ends.
func (s *Sensor) Run(ctx context.Context) error {
	defer func() {
		if err := s.src.Close(); err != nil {
			s.d.Log.Warn("the tier did not close well", "role", "sensor", "tier", s.tier, "err", err)
		}
	}()
	return s.src.Run(ctx, s.take)
}

func (s *Sensor) take(f observed.Fact) {
	e, own := s.event(f)
	switch {
	case own:
		s.counter.excluded.Add(1)
	case e == nil:
		s.counter.unreadable.Add(1)
	case s.d.Emit(e) != nil:
		s.counter.dropped.Add(1)
	default:
		s.counter.emitted.Add(1)
	}
}

// Stats returns the counters.
func (s *Sensor) Stats() Stats {
	src := s.src.Stats()
	return Stats{Tier: s.tier, Seen: src.Seen, Emitted: s.counter.emitted.Load(), Dropped: src.Dropped + s.counter.dropped.Load(),
		Unreadable: src.Unreadable + s.counter.unreadable.Load(), Excluded: s.counter.excluded.Load(), Limits: append(s.limits, s.src.Limits()...)}
}

// tier is one way to sense.
type tier struct {
	name string
	open func(Config) (source, error)
}

// settle is how long a process that ended is remembered, for what comes late.
const settle = 30 * time.Second

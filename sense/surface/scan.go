package surface

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"noroshi/fault"
	"noroshi/sense/surface/identify"
	"noroshi/sense/surface/syn"
	"noroshi/service"
)

// Options of a run. The zero value scans everything, by whatever the machine
// allows, and identifies nothing.
type Options struct {
	Interface string              // by which frames leave; the route's when empty
	Mode      Mode                // Auto when empty
	Identify  *identify.Engine    // asks open ports what they are; nil asks nothing
	Wait      time.Duration       // for late answers, after the last probe
	From      Position            // where to begin
	Only      []Target            // no other targets than the scope's pairs of these addresses and ports; all when empty
	Found     func(service.Port)  // each open port, in the order of knowing; one at a time
	Closed    func(Target)        // each port that answered and is not open; one at a time, may be nil
	Progress  func(Position) bool // before the positions up to it are sent; false ends the run
	Allow     Allow               // leave for more probes, where others share the cap or the run began earlier; nil where nobody does
	Numbered  []netip.Prefix      // what the numbering of targets leaves out; the scope's exclusions when nil
	Narrowed  func(*Scope)        // told of a narrower text by which the run goes on; may be nil
}

// Mode is how a port is tried.
type Mode string

// The modes. Auto is SYN where raw sockets and a router allow it, else Connect.
const (
	Auto    Mode = "auto"
	SYN     Mode = "syn"
	Connect Mode = "connect"
)

// Position is how far a run has come in its random order. The zero value is the
// beginning, in an order of its own.
type Position struct {
	Seed uint64 `json:"seed,string"`
	Next uint64 `json:"next"`
}

// run is one scan on its way.
type run struct {
	*Gate
	o       Options
	space   *space
	order   permutation
	next    atomic.Uint64
	probers []*syn.Prober // of IPv4, of IPv6; either may be missing
	stop    context.CancelFunc

	mu     sync.Mutex // of what follows, and of Found
	seen   []uint64   // a bit for each target that answered
	open   int64
	closed int64
	queue  *queue
	udp    askers

	bogus, dropped int64
}

// Scan sends to the scope's targets what its gate allows, and tells of the open
// ones. A run that a withdrawal, the hours or a cap ended is no error: the
// summary says why it ended and where another may go on.
func Scan(ctx context.Context, s *Scope, o Options) (Summary, error) {
	numbered := *s
	if o.Numbered != nil {
		numbered.Excluded = o.Numbered
	}
	sp, err := newSpace(numbered.only(o.Only))
	if err != nil {
		return Summary{}, err
	}
	if err := s.Prove(ctx, net.DefaultResolver.LookupTXT, http.DefaultTransport); err != nil {
		return Summary{}, err
	}
	if o.From.Seed == 0 {
		var b [8]byte
		_, _ = rand.Read(b[:]) // It never fails.
		o.From = Position{Seed: binary.LittleEndian.Uint64(b[:]) | 1}
	}
	if o.From.Next > sp.size() {
		return Summary{}, fault.New(fault.Invalid, "surface.scan", "the scope has %d targets; there is no position %d", sp.size(), o.From.Next)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r := &run{Gate: NewGate(s), o: o, space: sp, order: newPermutation(sp.size(), o.From.Seed), stop: stop, seen: make([]uint64, sp.size()/64+1), queue: newQueue(), udp: askers{room: make(chan struct{}, datagrams)}}
	r.Gate.allow, r.Gate.narrowed = o.Allow, o.Narrowed
	r.next.Store(o.From.Next)
	began := time.Now()
	mode, err := r.prepare(ctx)
	if err != nil {
		return Summary{}, err
	}
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		r.Watch(ctx)
		stop()
	}()
	why, err := r.all(ctx, mode)
	stop()
	<-watched
	return r.summary(began, mode, why), err
}

// prepare opens what the mode needs, and says which mode it became.
func (r *run) prepare(ctx context.Context) (Mode, error) {
	if r.o.Mode == Connect {
		return Connect, nil
	}
	err := r.openProbers(ctx)
	switch {
	case err == nil:
		return SYN, nil
	case r.o.Mode == SYN || fault.KindOf(err) != fault.Denied && fault.KindOf(err) != fault.NotFound:
		return SYN, err
	}
	return Connect, nil
}

// all runs the sender, the readers of answers and those who identify, and ends
// when everything that was sent has been answered or waited for.
func (r *run) all(ctx context.Context, mode Mode) (Reason, error) {
	asked := r.identifiers(ctx)
	listening, deaf := context.WithCancel(context.WithoutCancel(ctx))
	defer deaf()
	var hearing sync.WaitGroup
	failed := make([]error, len(r.probers))
	for i, p := range r.probers {
		if p == nil {
			continue
		}
		defer p.Close()
		hearing.Go(func() {
			if failed[i] = p.Receive(listening, r.answered); failed[i] != nil {
				r.stop()
			}
		})
	}
	send := r.sendSYN
	if mode == Connect {
		send = r.connectAll
	}
	why, err := send(ctx)
	r.udp.asking.Wait()
	if mode == SYN {
		_ = sleep(ctx, r.o.Wait) // Ending earlier is what an end of ctx asks for.
	}
	deaf()
	hearing.Wait()
	for _, p := range r.probers {
		if p != nil {
			r.bogus += p.Bogus()
			r.dropped += p.Dropped()
		}
	}
	r.queue.close()
	<-asked
	return why, errors.Join(append(failed, err)...)
}

// sendSYN sends from the next position on, in batches.
func (r *run) sendSYN(ctx context.Context) (Reason, error) {
	now := time.Now()
	var promised uint64
	for n := 0; ; n++ {
		i := r.next.Load()
		if i == r.space.size() {
			return Allowed, r.flush()
		}
		if i >= promised {
			if promised = min(i+r.stride(), r.space.size()); !r.promise(promised) {
				return Unaccounted, r.flush()
			}
		}
		to := r.space.at(r.order.at(i))
		if n%64 == 0 {
			now = time.Now()
		}
		wait, why := r.Decide(now, to)
		if wait > 0 {
			if err := r.flush(); err != nil {
				return Allowed, err
			}
			// Half a millisecond gathers a batch; what it loses the burst gives back.
			_ = sleep(ctx, min(max(wait, time.Millisecond/2), watchEvery)) // The gate knows when ctx ends.
			n = -1
			if ctx.Err() != nil {
				r.Withdraw()
			}
			continue
		}
		if why == IsExcluded { // It was when the run began, or has been since.
			r.next.Store(i + 1)
			continue
		}
		if why != Allowed {
			return why, r.flush()
		}
		r.next.Store(i + 1)
		if to.UDP {
			if err := r.flush(); err != nil { // What is queued does not wait for room.
				return Allowed, err
			}
			r.askUDP(ctx, to)
			n = -1
			continue
		}
		if err := r.probers[familyOf(to.Addr())].Send(to.AddrPort); err != nil {
			return Allowed, err
		}
	}
}

func (r *run) flush() error {
	for _, p := range r.probers {
		if p != nil {
			if err := p.Flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// stride is how many positions are promised at once: what a second can send.
func (r *run) stride() uint64 { return uint64(r.scope.Rate) }

func (r *run) promise(to uint64) bool {
	return r.o.Progress == nil || r.o.Progress(Position{Seed: r.o.From.Seed, Next: to})
}

// answered takes note of an answer, of each target once.
func (r *run) answered(a syn.Answer) {
	n, ok := r.space.number(Target{AddrPort: a.From})
	if !ok {
		return
	}
	r.mu.Lock()
	word, bit := &r.seen[n/64], uint64(1)<<(n%64)
	fresh := *word&bit == 0
	*word |= bit
	if fresh && a.Open {
		r.open++
	} else if fresh {
		r.closed++
		if r.o.Closed != nil {
			r.o.Closed(Target{AddrPort: a.From})
		}
	}
	r.mu.Unlock()
	if fresh && a.Open {
		r.queue.put(n)
	}
}

// openProbers finds one path for each family of the scope, and its sockets.
func (r *run) openProbers(ctx context.Context) error {
	var b [18]byte
	_, _ = rand.Read(b[:]) // It never fails.
	key := syn.Key{binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint64(b[8:])}
	// Above the ports that the kernel gives to connections.
	port := 61_000 + binary.LittleEndian.Uint16(b[16:])%4_000
	r.probers = make([]*syn.Prober, 2)
	var paths [2]*syn.Path
	for _, s := range r.space.spans {
		f := familyOf(s.first)
		for _, a := range []netip.Addr{s.first, s.last} {
			p, err := syn.Lookup(ctx, a, r.o.Interface)
			if err != nil {
				return err
			}
			if paths[f] != nil && *paths[f] != p {
				return fault.New(fault.NotFound, "surface.path", "the ranges are reached by %s on %s and by %s on %s; scan them by two scopes", paths[f].Via, paths[f].Name, p.Via, p.Name)
			}
			paths[f] = &p
		}
	}
	for f, p := range paths {
		if p == nil {
			continue
		}
		var err error
		if r.probers[f], err = syn.Open(*p, port, key); err != nil {
			for _, open := range r.probers[:f] {
				if open != nil {
					open.Close()
				}
			}
			r.probers = nil
			return err
		}
	}
	return nil
}

func familyOf(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}

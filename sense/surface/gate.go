package surface

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gaissmai/bart"

	"noroshi/fault"
)

// Gate decides about every probe. It is made of a scope and knows nothing of
// lists of targets: whoever asks for an address that the scope does not hold is
// refused, however the address got into a list.
type Gate struct {
	scope     *Scope
	ports     [2][1 << 16]bool // TCP, UDP
	ranges    bart.Table[int]
	excluded  bart.Lite
	withdrawn atomic.Bool

	allow    Allow        // nil where only the cap bounds
	narrowed func(*Scope) // told of each narrower text; may be nil
	stands   *Scope       // the text that holds now; whoever watches it

	mu        sync.Mutex
	open      map[*leave]netip.Addr // connections that are to be cut when their address is excluded
	allowed   int64                 // probes for which there is leave
	sent      []int64               // by range
	total     int64
	refused   [len(reasons)]int64
	second    int64 // for which inTime holds
	inTime    Reason
	due       int64 // when the rate allows the next probe, in nanoseconds
	addresses windows
	networks  windows
}

// NewGate makes the gate of a scope.
func NewGate(s *Scope) *Gate {
	addresses, networks := s.sizes()
	g := &Gate{scope: s, stands: s, open: map[*leave]netip.Addr{}, sent: make([]int64, len(s.Ranges)), addresses: newWindows(uint64(s.Rate), addresses, s.Caps.Address), networks: newWindows(uint64(s.Rate), networks, s.Caps.Network)}
	for _, p := range s.Ports {
		g.ports[tcp][p] = true
	}
	for _, p := range s.UDPPorts {
		g.ports[udp][p] = true
	}
	for i, r := range s.Ranges {
		g.ranges.Insert(r, i)
	}
	for _, r := range s.Excluded {
		g.excluded.Insert(r)
	}
	return g
}

// sizes is how many addresses and networks the ranges hold, at most: those that
// overlap are counted twice.
func (s *Scope) sizes() (addresses, networks uint64) {
	for _, r := range s.Ranges {
		free, net := r.Addr().BitLen()-r.Bits(), 8
		if r.Addr().Is6() {
			net = 64
		}
		addresses += 1 << min(free, 40)
		networks += 1 << min(max(free-net, 0), 40)
	}
	return addresses, networks
}

// burst is how far a sender that was late may catch up. It is short: a kernel
// queues a thousand frames, and a burst that is longer loses probes on the way.
const burst = 4 * time.Millisecond

// Decide says whether a probe may leave now. It is the only way to a packet: the
// senders ask it for each. Zero and Allowed count the probe as sent; a wait with
// Allowed means to ask again after it; everything else is a refusal.
func (g *Gate) Decide(now time.Time, to Target) (time.Duration, Reason) {
	g.mu.Lock()
	defer g.mu.Unlock()
	at, why := g.within(now, to)
	if why == Allowed {
		why = g.capped()
	}
	if why != Allowed {
		g.refused[why]++
		return 0, why
	}
	ns := now.UnixNano()
	interval := int64(time.Second) / int64(g.scope.Rate)
	g.due = min(max(g.due, ns-int64(burst)), ns+interval) // A clock that goes back stops nobody for long.
	if g.due > ns {
		return time.Duration(g.due - ns), Allowed
	}
	a, n := keys(to.Addr())
	address, network := g.addresses.cell(g.second, a), g.networks.cell(g.second, n)
	if *address >= g.addresses.limit || *network >= g.networks.limit {
		return time.Duration((g.second+1)*int64(time.Second) - ns), Allowed
	}
	*address++
	*network++
	g.due += interval
	g.sent[at]++
	g.total++
	return 0, Allowed
}

// Explain says how the gate would decide, and counts nothing.
func (g *Gate) Explain(now time.Time, to Target) Reason {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, why := g.within(now, to)
	return why
}

// within says by which range a target is in the scope now, or why it is not.
func (g *Gate) within(now time.Time, to Target) (int, Reason) {
	if g.withdrawn.Load() {
		return 0, Withdrawn
	}
	if s := now.Unix(); s != g.second || g.second == 0 {
		g.second, g.inTime = s, g.scope.when(now)
	}
	if g.inTime != Allowed {
		return 0, g.inTime
	}
	a := to.Addr()
	if !a.IsValid() || a.Zone() != "" || a.IsMulticast() || a.IsUnspecified() || a == broadcast {
		return 0, NoUnicast
	}
	if !g.ports[to.door().over][to.Port()] {
		return 0, WrongPort
	}
	at, ok := g.ranges.Lookup(a)
	if !ok {
		return 0, OutOfRange
	}
	if g.excluded.Contains(a) {
		return 0, IsExcluded
	}
	return at, Allowed
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// when says whether this is a time for probes.
func (s *Scope) when(now time.Time) Reason {
	if !now.Before(s.ValidUntil) {
		return Expired
	}
	if len(s.Hours) == 0 {
		return Allowed
	}
	for i := range s.Hours {
		if s.Hours[i].contain(now) {
			return Allowed
		}
	}
	return OutOfHours
}

// Wait asks until the probe may leave, is refused, or ctx ends.
func (g *Gate) Wait(ctx context.Context, to Target) error {
	for {
		wait, why := g.Decide(time.Now(), to)
		if why != Allowed {
			return Refusal{to, why}
		}
		if wait == 0 {
			return ctx.Err()
		}
		// Nobody sleeps through a withdrawal.
		if err := sleep(ctx, min(wait, watchEvery)); err != nil {
			return err
		}
	}
}

// Dial connects to a target when the gate allows it. Over UDP that is leave for
// one datagram.
func (g *Gate) Dial(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error) {
	if err := g.Wait(ctx, Target{to, network == "udp"}); err != nil {
		return nil, err
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, network, to.String())
	if err != nil {
		return nil, err
	}
	return g.keep(c, to.Addr())
}

// Refusal is a probe that the gate did not allow.
type Refusal struct {
	To  Target
	Why Reason
}

// Error says it in English.
func (r Refusal) Error() string { return r.To.String() + ": " + r.Why.Text("en") }

// asFault turns a refusal into what a person reads.
func asFault(err error) error {
	var r Refusal
	if errors.As(err, &r) {
		return fault.As(fault.Denied, "surface.gate", err, "%s", r.Error())
	}
	return fault.Wrap("surface.gate", err)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

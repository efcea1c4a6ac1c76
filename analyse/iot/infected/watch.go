// Package infected says which devices are under somebody else's command, from
// what they send: packets that arrive at addresses where nobody is (a darknet),
// and flows that a provider has seen leave its ranges. Malware of the Mirai kind
// looks for its next victims, many addresses at a few ports. The memory is
// bounded, and there is one verdict for each address and day. It reads what it is
// fed; the command line and the API feed it.
package infected

import (
	"hash/maphash"
	"math/bits"
	"net/netip"
	"slices"
	"time"

	"noroshi/fault"
)

// Packet is one packet that was seen at an address where nobody is.
type Packet struct {
	Time      time.Time  `json:"time"`
	Src       netip.Addr `json:"src"`
	Dst       netip.Addr `json:"dst"`
	Port      uint16     `json:"port"`      // of the destination
	Transport string     `json:"transport"` // tcp; others are passed over
	Flags     string     `json:"flags"`     // "S" for a SYN; answers to forged packets are no attack of their sender
	Seq       uint32     `json:"seq"`       // TCP's sequence number
}

// Flow is one flow that left the ranges of a provider.
type Flow struct {
	Time      time.Time  `json:"time"`
	Src       netip.Addr `json:"src"`
	Dst       netip.Addr `json:"dst"`
	Port      uint16     `json:"port"`
	Transport string     `json:"transport"`
	// Answered tells of a flow that was: whoever looks for victims mostly gets no
	// answer. Left out where it is not known.
	Answered bool `json:"answered,omitempty"`
}

// The ports at which malware for devices looks for victims. At those of the
// first list hardly anything else is looked for, so that flows are judged by
// them; nobody has business with a darknet at any of the second list either.
var (
	ofDevices = []uint16{23, 26, 2323, 5358, 5555, 7547, 9530, 23231, 34567, 37215, 52869, 60001}
	ofOthers  = []uint16{22, 80, 81, 88, 2222, 8000, 8080, 8081, 8291, 8443, 8888, 9000}
)

// What is enough for a verdict.
const (
	enoughMarked  = 3  // packets with Mirai's sign …
	enoughPlaces  = 2  // … at this many addresses
	enoughDarknet = 10 // addresses of a darknet without the sign
	enoughFlows   = 20 // addresses of flows
)

// Config of a watch. The zero value watches every source, by days of UTC.
type Config struct {
	Ranges   []netip.Prefix // only sources in them; none: all
	Zone     *time.Location // whose days; UTC when nil
	MaxHosts int            // remembered at once; 200,000 when 0
}

// Watch remembers what was seen of each address and day.
type Watch struct {
	cfg   Config
	seed  maphash.Seed
	hosts map[key]*host
	// First and Last are the times of the first and the last observation.
	First, Last time.Time
	Count       Count
}

// Count is what became of what was fed in.
type Count struct {
	Seen      int64 `json:"seen"`
	Passed    int64 `json:"passed_over"` // of another source, port or kind
	Late      int64 `json:"late"`        // of a day that was judged already
	Forgotten int64 `json:"forgotten"`   // addresses and days that the memory had no room for
}

type key struct {
	addr netip.Addr
	day  int64 // of the zone, since 1970
}

// places is a set of addresses as bits of their hashes: how many bits are set is
// never more than how many addresses there were.
type places [16]uint64

func (p *places) add(h uint64) { p[h>>6&15] |= 1 << (h & 63) }

func (p *places) atLeast() (n int) {
	for _, w := range p {
		n += bits.OnesCount64(w)
	}
	return n
}

// host is what one address sent in one day.
type host struct {
	first, last     time.Time
	packets, marked int64
	darknet, flows  places
	signed          places // of packets with the sign
	ports           []uint16
}

const maxPorts = 16 // named in a verdict

// New makes a watch.
func New(cfg Config) *Watch {
	if cfg.Zone == nil {
		cfg.Zone = time.UTC
	}
	if cfg.MaxHosts <= 0 {
		cfg.MaxHosts = 200_000
	}
	return &Watch{cfg: cfg, seed: maphash.MakeSeed(), hosts: map[key]*host{}}
}

// Darknet takes a packet that arrived where nobody is.
func (w *Watch) Darknet(p Packet) {
	w.saw(p.Time)
	src, dst := p.Src.Unmap(), p.Dst.Unmap()
	if p.Transport != "tcp" || p.Flags != "S" || !slices.Contains(ofDevices, p.Port) && !slices.Contains(ofOthers, p.Port) || !w.watched(src) {
		w.Count.Passed++
		return
	}
	h := w.host(src, p.Time)
	if h == nil {
		return
	}
	at := w.hash(dst)
	h.note(p.Time, p.Port)
	h.darknet.add(at)
	// Mirai and its kin send the address they look at as the sequence number, to
	// know their answers without remembering what they sent.
	if dst.Is4() && p.Seq == number(dst) {
		h.marked++
		h.signed.add(at)
	}
}

// Flow takes a flow that left the ranges.
func (w *Watch) Flow(f Flow) {
	w.saw(f.Time)
	src := f.Src.Unmap()
	if f.Transport != "tcp" || f.Answered || !slices.Contains(ofDevices, f.Port) || !w.watched(src) {
		w.Count.Passed++
		return
	}
	if h := w.host(src, f.Time); h != nil {
		h.note(f.Time, f.Port)
		h.flows.add(w.hash(f.Dst.Unmap()))
	}
}

// Zone is whose days they are.
func (w *Watch) Zone() *time.Location { return w.cfg.Zone }

func (w *Watch) saw(at time.Time) {
	w.Count.Seen++
	if w.First.IsZero() || at.Before(w.First) {
		w.First = at
	}
	if at.After(w.Last) {
		w.Last = at
	}
}

func number(a netip.Addr) uint32 {
	b := a.As4()
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

func (w *Watch) watched(a netip.Addr) bool {
	return len(w.cfg.Ranges) == 0 || slices.ContainsFunc(w.cfg.Ranges, func(p netip.Prefix) bool { return p.Contains(a) })
}

// hash is seeded anew by each watch, so that nobody chooses addresses that look
// like one.
func (w *Watch) hash(a netip.Addr) uint64 {
	b := a.As16()
	return maphash.Bytes(w.seed, b[:])
}

func (h *host) note(at time.Time, port uint16) {
	h.packets++
	if h.first.IsZero() || at.Before(h.first) {
		h.first = at
	}
	if at.After(h.last) {
		h.last = at
	}
	if len(h.ports) < maxPorts && !slices.Contains(h.ports, port) {
		h.ports = append(h.ports, port)
	}
}

// patience is how long after its end a day is still open for what comes late.
const patience = 2 * time.Hour

// dayOf numbers the day of a moment in a zone.
func dayOf(at time.Time, zone *time.Location) int64 {
	_, offset := at.In(zone).Zone()
	s := at.Unix() + int64(offset)
	if s < 0 {
		s -= 86_399
	}
	return s / 86_400
}

// host finds or makes what is remembered of an address; nil when its day is over.
func (w *Watch) host(a netip.Addr, at time.Time) *host {
	k := key{a, dayOf(at, w.cfg.Zone)}
	if k.day < dayOf(w.Last.Add(-patience), w.cfg.Zone) {
		w.Count.Late++
		return nil
	}
	h := w.hosts[k]
	if h == nil {
		if len(w.hosts) >= w.cfg.MaxHosts {
			w.forget()
		}
		h = &host{}
		w.hosts[k] = h
	}
	return h
}

// forget makes room: addresses that did least go first, at least a tenth of all.
func (w *Watch) forget() {
	goal := w.cfg.MaxHosts - max(1, w.cfg.MaxHosts/10)
	for least := int64(1); len(w.hosts) > goal; least *= 2 {
		for k, h := range w.hosts {
			if len(w.hosts) <= goal {
				return
			}
			if h.packets <= least {
				delete(w.hosts, k)
				w.Count.Forgotten++
			}
		}
	}
}

// checkTime refuses what no clock says.
func checkTime(at time.Time) error {
	if at.Year() < 1990 || at.Year() > 2200 {
		return fault.New(fault.Invalid, "infected.time", "it has no time, such as 2026-11-25T00:00:00Z")
	}
	return nil
}

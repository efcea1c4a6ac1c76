package surface

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"
	"sort"

	"noroshi/fault"
)

// span is addresses in a row, both ends within.
type span struct {
	first, last netip.Addr
	before      uint64 // addresses of the spans before this one
}

// space numbers the targets of a scope, each pair of address and port once,
// however ranges overlap. The numbers are the same for the same scope, so an
// interrupted run goes on at a number.
type space struct {
	spans []span
	ports []uint16
	index map[uint16]uint64
	addrs uint64
}

func newSpace(s *Scope) (*space, error) {
	p := &space{ports: s.Ports, index: map[uint16]uint64{}}
	if len(s.Ports) == 0 {
		return nil, fault.New(fault.Invalid, "surface.scope", "no port of the scope is left to be asked")
	}
	for i, port := range s.Ports {
		p.index[port] = uint64(i)
	}
	for _, sp := range subtract(merge(s.Ranges), merge(s.Excluded)) {
		n, ok := count(sp.first, sp.last)
		if ok {
			sp.before = p.addrs
			p.addrs += n
			p.spans = append(p.spans, sp)
		}
		if !ok || p.addrs > maxProbes/uint64(len(s.Ports)) {
			return nil, fault.New(fault.TooLarge, "surface.scope", "that is more than %d pairs of address and port; name smaller ranges, of IPv6 such as /112", uint64(maxProbes))
		}
	}
	if p.addrs == 0 {
		return nil, fault.New(fault.Invalid, "surface.scope", "the excluded ranges leave nothing of the ranges")
	}
	return p, nil
}

// size is how many targets there are.
func (p *space) size() uint64 { return p.addrs * uint64(len(p.ports)) }

// at is the target of a number below size.
func (p *space) at(n uint64) netip.AddrPort {
	a, port := n/uint64(len(p.ports)), n%uint64(len(p.ports))
	i := 0
	if len(p.spans) > 1 {
		i = sort.Search(len(p.spans), func(i int) bool { return p.spans[i].before > a }) - 1
	}
	return netip.AddrPortFrom(plus(p.spans[i].first, a-p.spans[i].before), p.ports[port])
}

// number is the inverse of at; false for what is no target.
func (p *space) number(t netip.AddrPort) (uint64, bool) {
	port, ok := p.index[t.Port()]
	i := sort.Search(len(p.spans), func(i int) bool { return p.spans[i].first.Compare(t.Addr()) > 0 }) - 1
	if !ok || i < 0 || p.spans[i].last.Less(t.Addr()) {
		return 0, false
	}
	n, _ := count(p.spans[i].first, t.Addr())
	return (p.spans[i].before+n-1)*uint64(len(p.ports)) + port, true
}

// merge sorts ranges into spans that neither overlap nor touch.
func merge(ranges []netip.Prefix) []span {
	var all []span
	for _, r := range ranges {
		all = append(all, span{first: r.Addr(), last: lastOf(r)})
	}
	slices.SortFunc(all, func(a, b span) int { return a.first.Compare(b.first) })
	out := all[:0]
	for _, s := range all {
		if n := len(out); n > 0 && out[n-1].first.BitLen() == s.first.BitLen() && !out[n-1].last.Less(s.first) {
			if out[n-1].last.Less(s.last) {
				out[n-1].last = s.last
			}
			continue
		}
		out = append(out, s)
	}
	return out
}

// subtract cuts the second spans out of the first.
func subtract(from, cut []span) (out []span) {
	for _, s := range from {
		whole := true
		for _, c := range cut {
			if c.first.BitLen() != s.first.BitLen() || c.last.Less(s.first) || s.last.Less(c.first) {
				continue
			}
			if s.first.Less(c.first) {
				out = append(out, span{first: s.first, last: c.first.Prev()})
			}
			if whole = c.last.Less(s.last); !whole {
				break
			}
			s.first = c.last.Next()
		}
		if whole {
			out = append(out, s)
		}
	}
	return out
}

func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// count is how many addresses stand from first to last; false beyond what a
// scope may hold.
func count(first, last netip.Addr) (uint64, bool) {
	a, b := first.As16(), last.As16()
	low, borrow := bits.Sub64(binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(a[8:]), 0)
	high, _ := bits.Sub64(binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(a[:]), borrow)
	return low + 1, high == 0 && low < maxProbes
}

func plus(a netip.Addr, n uint64) netip.Addr {
	if a.Is4() {
		b := a.As4()
		binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])+uint32(n))
		return netip.AddrFrom4(b)
	}
	b := a.As16()
	low, carry := bits.Add64(binary.BigEndian.Uint64(b[8:]), n, 0)
	binary.BigEndian.PutUint64(b[8:], low)
	binary.BigEndian.PutUint64(b[:], binary.BigEndian.Uint64(b[:])+carry)
	return netip.AddrFrom16(b)
}

package surface

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

const (
	countBits = 20
	maxCount  = 1<<countBits - 1
)

// windows counts what was sent to each of many in the present second, in a table
// of fixed size. Two that share a cell share its cap: a collision makes the
// sender more polite, never less.
type windows struct {
	cells []uint32 // the second's low bits above, the count below
	shift uint
	limit uint32
}

func newWindows(rate, limit int) windows {
	// Eight cells for each probe of a second keep collisions rare.
	n := min(max(bits.Len(uint(8*rate)), 12), 22)
	return windows{cells: make([]uint32, 1<<n), shift: uint(64 - n), limit: uint32(limit)}
}

func (w *windows) room(second int64, key uint64) bool {
	c := w.cells[mix(key)>>w.shift]
	return c>>countBits != uint32(second)&(1<<(32-countBits)-1) || c&maxCount < w.limit
}

func (w *windows) take(second int64, key uint64) {
	c := &w.cells[mix(key)>>w.shift]
	epoch := uint32(second) << countBits
	if *c>>countBits != epoch>>countBits {
		*c = epoch
	}
	*c++
}

// keys names an address and its network, a /24 or of IPv6 a /64.
func keys(a netip.Addr) (address, network uint64) {
	if a.Is4() {
		b := a.As4()
		n := uint64(binary.BigEndian.Uint32(b[:]))
		return n, n >> 8
	}
	b := a.As16()
	high := binary.BigEndian.Uint64(b[:])
	return mix(high) ^ binary.BigEndian.Uint64(b[8:]), high
}

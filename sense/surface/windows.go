package surface

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// maxCount is the highest cap that a cell can count to.
const maxCount = 1<<16 - 2

// windows counts what was sent to each of many in the present second, in a table
// of fixed size that is cleared when the second is over. Two that share a cell
// share its cap: a collision makes the sender more polite, never less.
type windows struct {
	cells  []uint16
	shift  uint
	limit  uint16
	second int64
}

// newWindows makes the table for so many a second of at most so many kinds.
// Eight cells for each keep collisions rare; four megabytes stay near the
// processor.
func newWindows(rate, kinds uint64, limit int) windows {
	n := min(max(bits.Len64(8*min(rate, kinds)), 8), 21)
	return windows{cells: make([]uint16, 1<<n), shift: uint(64 - n), limit: uint16(limit)}
}

// cell is where a key is counted in a second.
func (w *windows) cell(second int64, key uint64) *uint16 {
	if second != w.second {
		clear(w.cells)
		w.second = second
	}
	return &w.cells[mix(key)>>w.shift]
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

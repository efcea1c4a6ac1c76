package syn

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// Key seals the cookies of one run.
type Key [2]uint64

// cookie is the sequence number of the probe to a target: whoever does not know
// the key guesses it once in four thousand million. It is SipHash-2-4 (Aumasson
// and Bernstein, 2012) of the address and the port, cut to 32 bits.
func (k Key) cookie(to netip.AddrPort) uint32 {
	b := to.Addr().As16()
	h := k.sip(binary.LittleEndian.Uint64(b[:8]), binary.LittleEndian.Uint64(b[8:]), 18<<56|uint64(to.Port()))
	return uint32(h) ^ uint32(h>>32)
}

// sip hashes words, the last of which ends as SipHash pads: its highest byte is
// the length of the message in bytes.
func (k Key) sip(words ...uint64) uint64 {
	v0, v1, v2, v3 := k[0]^0x736f6d6570736575, k[1]^0x646f72616e646f6d, k[0]^0x6c7967656e657261, k[1]^0x7465646279746573
	for _, w := range words {
		v3 ^= w
		v0, v1, v2, v3 = round(v0, v1, v2, v3)
		v0, v1, v2, v3 = round(v0, v1, v2, v3)
		v0 ^= w
	}
	v2 ^= 0xff
	for range 4 {
		v0, v1, v2, v3 = round(v0, v1, v2, v3)
	}
	return v0 ^ v1 ^ v2 ^ v3
}

func round(v0, v1, v2, v3 uint64) (uint64, uint64, uint64, uint64) {
	v0 += v1
	v1 = bits.RotateLeft64(v1, 13) ^ v0
	v0 = bits.RotateLeft64(v0, 32)
	v2 += v3
	v3 = bits.RotateLeft64(v3, 16) ^ v2
	v0 += v3
	v3 = bits.RotateLeft64(v3, 21) ^ v0
	v2 += v1
	v1 = bits.RotateLeft64(v1, 17) ^ v2
	v2 = bits.RotateLeft64(v2, 32)
	return v0, v1, v2, v3
}

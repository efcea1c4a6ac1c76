package surface

import "math/bits"

// permutation is a random order of the numbers below n that needs no memory: a
// Feistel network over the next power of four, walked until it falls below n.
// Whoever has key and position can go on where another stopped.
type permutation struct {
	n    uint64
	half uint // bits of each half
	mask uint64
	keys [6]uint64
}

func newPermutation(n, key uint64) permutation {
	p := permutation{n: n, half: uint(max(1, (bits.Len64(n-1)+1)/2))}
	p.mask = 1<<p.half - 1
	for i := range p.keys {
		key += 0x9e3779b97f4a7c15
		p.keys[i] = mix(key)
	}
	return p
}

// mix is the finaliser of SplitMix64.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// at is the number at a position below n. Walking ends: the network is one to
// one, so the cycle that begins below n comes back there, on the average within
// four steps.
func (p *permutation) at(i uint64) uint64 {
	for {
		l, r := i>>p.half, i&p.mask
		for _, k := range p.keys {
			x := (r ^ k) * 0xff51afd7ed558ccd
			l, r = r, l^(x^x>>32)&p.mask
		}
		if i = l<<p.half | r; i < p.n {
			return i
		}
	}
}

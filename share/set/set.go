// Package set is what the hub and an edge must agree on: the set of indicators
// of one feed, its digest, and the frames that change it. The digest is a
// homomorphic hash (LtHash of Bellare and Micciancio 1997, with 1,024 lanes of
// 16 bits, as in Lewi et al. 2019), so that it is updated by each change alone
// and does not depend on the order. It enforces nothing and stores nothing.
package set

import (
	"crypto/sha256"
	"crypto/sha3"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"

	"noroshi/fault"
	"noroshi/indicator"
)

const lanes = 1024

// Digest is the state of the hash.
type Digest struct{ lane [lanes]uint16 }

// Add puts a member's bytes in, Sub takes them out.
func (d *Digest) Add(member []byte) { d.apply(member, 1) }

// Sub takes a member's bytes out.
func (d *Digest) Sub(member []byte) { d.apply(member, ^uint16(0)) }

func (d *Digest) apply(member []byte, sign uint16) {
	b := sha3.SumSHAKE256(member, lanes*2)
	for i := range lanes {
		d.lane[i] += sign * binary.LittleEndian.Uint16(b[2*i:])
	}
}

// Sum is the digest in hexadecimal: SHA-256 of the state.
func (d *Digest) Sum() string {
	sum := sha256.Sum256(d.Bytes())
	return hex.EncodeToString(sum[:])
}

// Bytes is the state, to be kept.
func (d *Digest) Bytes() []byte {
	out := make([]byte, 0, lanes*2)
	for _, l := range d.lane {
		out = binary.LittleEndian.AppendUint16(out, l)
	}
	return out
}

// FromBytes reads a kept state; the empty text is the empty set.
func FromBytes(b []byte) (*Digest, error) {
	d := &Digest{}
	if len(b) == 0 {
		return d, nil
	}
	if len(b) != lanes*2 {
		return nil, fault.New(fault.Invalid, "set.digest", "the digest's state is %d bytes, not %d", len(b), lanes*2)
	}
	for i := range lanes {
		d.lane[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return d, nil
}

// Member is the canonical form of an indicator in a set: what is hashed.
func Member(w indicator.Wire) []byte {
	b, err := json.Marshal(w)
	if err != nil {
		return nil // Plain data always marshals.
	}
	return b
}

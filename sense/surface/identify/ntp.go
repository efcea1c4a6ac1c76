package identify

import (
	"encoding/binary"
	"math/rand/v2"
	"strconv"
)

// ntp asks for the time, as any client does, and then for the server's variables
// (RFC 9327), which a server that shows them to everybody says its version in.
func (a *asking) ntp() bool {
	// Version 4, client; the answer repeats the time that we claim to have sent it.
	q := make([]byte, 48)
	q[0] = 4<<3 | 3
	binary.BigEndian.PutUint64(q[40:], rand.Uint64())
	known := func(b []byte) bool {
		return len(b) >= 48 && b[0]&7 == 4 && string(b[24:32]) == string(q[40:])
	}
	b := a.datagram(q, known)
	if b == nil {
		return false
	}
	a.s.Service = "ntp"
	a.tell("ntp.stratum", strconv.Itoa(int(b[1])))
	var v variables
	v.sequence = uint16(rand.Uint32())
	a.datagram(v.question(), v.add)
	a.tell("ntp.readvar", string(v.text()))
	if a.datagram([]byte(monlist), isMonlist) != nil {
		a.tell("ntp.monlist", "answered")
	}
	return true
}

// monlist asks an old ntpd whom it has talked to, which made it the amplifier of
// floods (CVE-2013-5211). The first datagram of the answer is enough.
const monlist = "\x17\x00\x03\x2a\x00\x00\x00\x00"

// isMonlist tells of an answer of mode 7 without an error and with items.
func isMonlist(b []byte) bool {
	return len(b) > 8 && b[0]&0x87 == 0x87 && b[2] == 3 && b[3] == 0x2a && b[4]>>4 == 0 && binary.BigEndian.Uint16(b[4:])&0xfff > 0
}

// maxFragments is how many parts the list of variables may come in.
const maxFragments = 8

// variables is the answer to a readvar, which comes in parts in any order.
type variables struct {
	sequence uint16
	parts    map[int][]byte // by offset
	end      int            // where the last part ends; nought before it has come
}

func (v *variables) question() []byte {
	q := make([]byte, 12)
	q[0], q[1] = 2<<3|6, 2
	binary.BigEndian.PutUint16(q[2:], v.sequence)
	return q
}

// add takes one part, and tells whether all have come.
func (v *variables) add(b []byte) bool {
	if len(b) < 12 || b[0]&7 != 6 || b[1]&0xdf != 0x82 || binary.BigEndian.Uint16(b[2:]) != v.sequence {
		return false // no answer, or one that says an error
	}
	offset, n := int(binary.BigEndian.Uint16(b[8:])), int(binary.BigEndian.Uint16(b[10:]))
	if n > len(b)-12 || len(v.parts) == maxFragments {
		return false
	}
	if v.parts == nil {
		v.parts = map[int][]byte{}
	}
	v.parts[offset] = append([]byte{}, b[12:12+n]...)
	if b[1]&0x20 == 0 {
		v.end = offset + n
	}
	return v.end > 0 && len(v.text()) >= v.end
}

// text is what has come without a gap.
func (v *variables) text() (all []byte) {
	for range maxFragments {
		part := v.parts[len(all)]
		if len(part) == 0 {
			break
		}
		all = append(all, part...)
	}
	return all
}

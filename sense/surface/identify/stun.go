package identify

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"

	"noroshi/service"
)

// stun asks which address we have (RFC 8489), over TCP.
func (a *asking) stun() bool {
	q := binding()
	return a.stunSays(a.exchange(q, func(b []byte) bool { return len(b) >= 20 && len(b)-20 >= int(binary.BigEndian.Uint16(b[2:])) }), q)
}

func (a *asking) stunUDP() bool {
	q := binding()
	return a.stunSays(a.datagram(q, func(b []byte) bool { _, ok := decodeBinding(b, q); return ok }), q)
}

func (a *asking) stunSays(b, q []byte) bool {
	software, ok := decodeBinding(b, q)
	if !ok {
		return false
	}
	a.s.Service = "stun"
	a.tell("stun.software", software)
	return true
}

func binding() []byte {
	q := append([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, make([]byte, 12)...)
	_, _ = rand.Read(q[8:]) // It never fails.
	return q
}

// decodeBinding reads the answer to a question, or that it is refused, and the
// attribute in which a server may say what it is.
func decodeBinding(b, q []byte) (software string, ok bool) {
	if len(b) < 20 || b[0] != 1 || b[1] != 1 && b[1] != 0x11 || !bytes.Equal(b[4:20], q[4:20]) {
		return "", false
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	for b = b[20:min(20+n, len(b))]; len(b) >= 4; {
		kind, n := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		if n > len(b)-4 {
			break
		}
		if kind == 0x8022 {
			software = service.Text(string(bytes.ToValidUTF8(b[4:4+n], []byte(" "))))
		}
		b = b[min(4+(n+3)&^3, len(b)):]
	}
	return software, true
}

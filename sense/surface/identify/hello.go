package identify

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"net"
)

// A handshake is begun by hand where crypto/tls would not: with suites and
// versions that it refuses for good reasons, which is why they are looked for.
// It ends with the server's choice; no key is ever agreed on.

const (
	ssl30         = 0x0300
	recordShake   = 22
	helloOfClient = 1
	helloOfServer = 2
	maxHello      = 16 << 10
)

// hello is a ClientHello that offers suites at one version.
func hello(version uint16, suites []uint16) []byte {
	named := version
	if version == tls.VersionTLS13 {
		named = tls.VersionTLS12 // The extension says more.
	}
	body := binary.BigEndian.AppendUint16(nil, named)
	random := make([]byte, 32)
	_, _ = rand.Read(random) // It never fails.
	body = append(append(body, random...), 0)
	body = binary.BigEndian.AppendUint16(body, uint16(2*len(suites)))
	for _, s := range suites {
		body = binary.BigEndian.AppendUint16(body, s)
	}
	body = append(body, 1, 0) // no compression
	if version > ssl30 {
		body = append(body, prefixed(extensions(version))...)
	}
	shake := append([]byte{helloOfClient, byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}, body...)
	outer := min(version, tls.VersionTLS10) // as old as can be, for servers that look at it
	return append([]byte{recordShake, byte(outer >> 8), byte(outer), byte(len(shake) >> 8), byte(len(shake))}, shake...)
}

// prefixed puts a length of two bytes before something.
func prefixed(b []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
}

func extensions(version uint16) (all []byte) {
	add := func(kind uint16, body []byte) {
		all = append(binary.BigEndian.AppendUint16(all, kind), prefixed(body)...)
	}
	list := func(values ...uint16) (b []byte) {
		for _, v := range values {
			b = binary.BigEndian.AppendUint16(b, v)
		}
		return prefixed(b)
	}
	add(10, list(29, 23, 24, 25, 256, 257))                                                                       // groups: X25519, NIST's, two of finite fields
	add(11, []byte{1, 0})                                                                                         // points as they are
	add(13, list(0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0807, 0x0203, 0x0201)) // signatures
	if version == tls.VersionTLS13 {
		add(43, []byte{2, 3, 4})
		add(51, []byte{0, 0}) // no share of a key: the server's choice is in its request for one
	} else {
		add(0xff01, []byte{0}) // secure renegotiation, without which some do not answer
	}
	return all
}

// choice is what a server chose of what was offered.
type choice struct{ version, suite uint16 }

// decodeChoice reads a ServerHello; more says that it has not all come.
func decodeChoice(b []byte) (c choice, more, ok bool) {
	var shake []byte
	for len(b) >= 5 && len(shake) < maxHello {
		if b[0] != recordShake || b[1] != 3 {
			return c, false, false // an alert, or no TLS
		}
		n := int(binary.BigEndian.Uint16(b[3:]))
		shake = append(shake, b[5:min(5+n, len(b))]...)
		b = b[min(5+n, len(b)):]
		if len(shake) >= 4 && len(shake) >= 4+int(shake[1])<<16|int(shake[2])<<8|int(shake[3]) {
			break
		}
	}
	if len(shake) < 4 || shake[0] != helloOfServer {
		return c, len(shake) < 4, false
	}
	n := int(shake[1])<<16 | int(shake[2])<<8 | int(shake[3])
	if n > len(shake)-4 {
		return c, n <= maxHello, false
	}
	b = shake[4 : 4+n]
	if len(b) < 35 || len(b) < 35+int(b[34])+3 {
		return c, false, false
	}
	c.version = binary.BigEndian.Uint16(b)
	b = b[35+int(b[34]):]
	c.suite = binary.BigEndian.Uint16(b)
	if b = b[3:]; len(b) < 2 {
		return c, false, true
	}
	for b = b[2:]; len(b) >= 4; {
		kind, n := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		if n > len(b)-4 {
			break
		}
		if kind == 43 && n == 2 {
			c.version = binary.BigEndian.Uint16(b[4:])
		}
		b = b[4+n:]
	}
	return c, false, true
}

// choose offers suites at a version, on a connection that has come to TLS, and
// says which one the server takes.
func choose(c net.Conn, version uint16, suites []uint16) (uint16, bool) {
	b := converse(c, hello(version, suites), func(b []byte) bool { _, more, _ := decodeChoice(b); return !more }, perAnswer)
	got, _, ok := decodeChoice(b)
	return got.suite, ok && got.version == version
}

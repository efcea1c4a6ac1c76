package identify

import "encoding/binary"

// element reads one element of BER with a definite length, believing the length
// only as far as there are bytes. Longer forms than needed, which Active
// Directory writes, are read; DER's readers refuse them.
func element(b []byte) (tag byte, value, rest []byte, ok bool) {
	if len(b) < 2 || b[0]&0x1f == 0x1f {
		return 0, nil, nil, false
	}
	tag, n, b := b[0], uint64(b[1]), b[2:]
	if n&0x80 != 0 {
		size := int(n & 0x7f)
		if size == 0 || size > 8 || size > len(b) {
			return 0, nil, nil, false
		}
		var long [8]byte
		copy(long[8-size:], b)
		n, b = binary.BigEndian.Uint64(long[:]), b[size:]
	}
	if n > uint64(len(b)) {
		return 0, nil, nil, false
	}
	return tag, b[:n], b[n:], true
}

// inner reads one element that must have the tag.
func inner(b []byte, tag byte) (value, rest []byte, ok bool) {
	t, value, rest, ok := element(b)
	return value, rest, ok && t == tag
}

// encode writes one element around others, which are short.
func encode(tag byte, parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	b := []byte{tag, 0x82, byte(n >> 8), byte(n)}
	if n < 0x80 {
		b = []byte{tag, byte(n)}
	}
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

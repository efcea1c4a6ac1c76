package sbom_test

import (
	"strings"
	"testing"

	"noroshi/fault"
	"noroshi/sense/sbom"
)

// message is a field of protobuf that has text or other fields in it.
func message(number byte, parts ...string) string {
	text := strings.Join(parts, "")
	n := len(text)
	length := string([]byte{byte(n)})
	if n > 127 {
		length = string([]byte{byte(n&127) | 128, byte(n >> 7)})
	}
	tag := string([]byte{number<<3 | 2})
	if number > 15 {
		tag = string([]byte{number<<3&127 | 2 | 128, number >> 4})
	}
	return tag + length + text
}

// binary is the system of forms in protobuf.
var binary = message(1, "1.6") + "\x10\x01" + // version 1
	message(4, message(1, "\x08\xa5\xeb\xdc\xca\x06"), message(3, message(1, "Bob")), message(4, message(3, "r"), message(8, "shop"), message(9, "7"))) +
	message(5, "\x08\x03", message(3, "a"), message(4, message(1, "Ann")), message(8, "web"), message(9, "v1.2.0"), message(12, "\x08\x02", message(2, "12")), message(12, "\x08\x01", message(2, "d41d8cd98f00b204e9800998ecf8427e")), message(13, message(1, message(1, "MIT"))), message(13, message(1, message(2, "Own words"))), message(16, "pkg:golang/example.test/web@v1.2.0")) +
	message(5, message(3, "b"), message(7, "@s"), message(8, "left"), message(9, "2"), message(13, message(2, "MIT OR Apache-2.0")), message(16, "pkg:npm/%40s/left@2")) +
	message(8, message(1, "r"), message(2, message(1, "a"))) + message(8, message(1, "a"), message(2, message(1, "b")), message(2, message(1, "gone")))

func TestBadProtobufIsRefusedWithItsPlace(t *testing.T) {
	nested := ""
	for range 70 {
		nested = message(21, nested)
	}
	for _, c := range []struct{ name, text, place, says string }{
		{"cut", binary[:len(binary)-3], "byte", "ends in the middle"},
		{"a length that lies", message(1, "1.6") + "\x2a\xff\xff\xff\x0f", "byte 10", "ends in the middle"},
		{"a length that lies inside", message(1, "1.6") + "\x2a\x02\x42\x7f", "byte 9", "is none"},
		{"a length beyond all", message(1, "1.6") + "\x2a\xff\xff\xff\xff\xff\x0f", "byte", "claims to have"},
		{"an unknown wire type", message(1, "1.6") + "\x2b", "byte 6", "is none"},
		{"nested", message(1, "1.6") + message(5, nested), "byte", "nested deeper"},
	} {
		_, err := sbom.Read(strings.NewReader(c.text))
		said := fault.PublicOf(err)
		if k := fault.KindOf(err); k != fault.Invalid && k != fault.TooLarge || !strings.Contains(said, c.says) || !strings.HasPrefix(said, c.place) {
			t.Errorf("%s: says %q", c.name, said)
		}
	}
}

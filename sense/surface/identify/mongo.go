package identify

import (
	"encoding/binary"
	"math/rand/v2"

	"noroshi/service"
)

// mongo asks a MongoDB server for its version, which it tells before a login, and
// whether it would list databases to everybody: of those that have a name that
// nobody gives.
func (a *asking) mongo() bool {
	build, ok := a.command(bson(0x10, "buildInfo", "\x01\x00\x00\x00"))
	if !ok {
		return false
	}
	a.claim("mongodb", "MongoDB", build["version"])
	a.tell("mongodb.version", build["version"])
	nobody := document(bson(0x02, "name", "\x10\x00\x00\x00noroshi.invalid\x00"))
	if list, ok := a.command(bson(0x10, "listDatabases", "\x01\x00\x00\x00") + bson(0x08, "nameOnly", "\x01") + bson(0x03, "filter", nobody)); ok && list["ok"] == "1" {
		a.tell("mongodb.databases", "listed to everybody")
	}
	return true
}

const opMessage = 2013

// command runs one command of the administrative database (OP_MSG).
func (a *asking) command(elements string) (map[string]string, bool) {
	body := "\x00\x00\x00\x00\x00" + document(elements+bson(0x02, "$db", "\x06\x00\x00\x00admin\x00"))
	id := rand.Uint32() >> 1
	var q []byte
	for _, n := range []uint32{uint32(16 + len(body)), id, 0, opMessage} {
		q = binary.LittleEndian.AppendUint32(q, n)
	}
	b := a.exchange(append(q, body...), func(b []byte) bool { return len(b) >= 4 && uint64(len(b)) >= uint64(binary.LittleEndian.Uint32(b)) })
	return decodeMessage(b, id)
}

func bson(kind byte, name, value string) string { return string(kind) + name + "\x00" + value }

func document(elements string) string {
	return string(binary.LittleEndian.AppendUint32(nil, uint32(len(elements)+5))) + elements + "\x00"
}

// decodeMessage reads the reply to a command: its texts, and whether it is well.
func decodeMessage(b []byte, id uint32) (map[string]string, bool) {
	if len(b) < 16+5+5 || binary.LittleEndian.Uint32(b[8:]) != id || binary.LittleEndian.Uint32(b[12:]) != opMessage || b[20] != 0 {
		return nil, false
	}
	said := map[string]string{}
	for b = b[25:]; len(b) > 1 && b[0] != 0 && len(said) < 64; {
		kind, name, rest, ok := bsonElement(b)
		if !ok {
			break
		}
		size, ok := bsonSize(kind, rest)
		if !ok || size > len(rest) {
			break
		}
		switch {
		case kind == 0x02 && size > 5:
			said[name] = service.Text(string(rest[4 : size-1]))
		case kind == 0x01 && name == "ok" && string(rest[:8]) == "\x00\x00\x00\x00\x00\x00\xf0\x3f": // 1.0
			said[name] = "1"
		case name == "ok":
			said[name] = "0"
		}
		b = rest[size:]
	}
	_, is := said["ok"]
	return said, is
}

// bsonElement cuts an element into its kind, its name and what follows.
func bsonElement(b []byte) (kind byte, name string, rest []byte, ok bool) {
	for i := 1; i < min(len(b), 256); i++ {
		if b[i] == 0 {
			return b[0], string(b[1:i]), b[i+1:], true
		}
	}
	return 0, "", nil, false
}

// bsonSize is how many bytes the value of an element takes.
func bsonSize(kind byte, b []byte) (int, bool) {
	fixed := map[byte]int{0x01: 8, 0x07: 12, 0x08: 1, 0x09: 8, 0x0a: 0, 0x10: 4, 0x11: 8, 0x12: 8}
	if n, ok := fixed[kind]; ok {
		return n, true
	}
	if len(b) < 4 {
		return 0, false
	}
	n := uint64(binary.LittleEndian.Uint32(b))
	switch kind {
	case 0x02:
		n += 4
	case 0x03, 0x04:
	case 0x05:
		n += 5
	default:
		return 0, false
	}
	return int(n), n <= maxAnswer && n >= 4
}

package identify

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strconv"
)

// snmp asks which engine is there (RFC 3414 §4), which every agent of SNMPv3
// tells without a user. A community is a password, and none is tried.
func (a *asking) snmp() bool {
	id := rand.Uint32()>>1 | 1<<24 // Four bytes, not negative.
	b := a.datagram(engineQuestion(id), func(b []byte) bool { _, ok := decodeEngine(b, id); return ok })
	e, ok := decodeEngine(b, id)
	if !ok {
		return false
	}
	a.s.Service = "snmp"
	a.tell("snmp.engine_id", hex.EncodeToString(e.id))
	a.tell("snmp.enterprise", strconv.FormatUint(uint64(e.enterprise()), 10))
	return true
}

const (
	berInteger     = 0x02
	berOctetString = 0x04
	berEnumerated  = 0x0a
	berSequence    = 0x30
	berSet         = 0x31
)

func engineQuestion(id uint32) []byte {
	number := func(n uint32) []byte { return encode(berInteger, binary.BigEndian.AppendUint32(nil, n)) }
	nothing := encode(berOctetString)
	return encode(berSequence,
		encode(berInteger, []byte{3}), // SNMPv3
		encode(berSequence, number(id), number(maxAnswer-1), encode(berOctetString, []byte{4}), encode(berInteger, []byte{3})), // reportable, by USM
		encode(berOctetString, encode(berSequence, nothing, encode(berInteger, []byte{0}), encode(berInteger, []byte{0}), nothing, nothing, nothing)),
		encode(berSequence, nothing, nothing, encode(0xa0, number(id), encode(berInteger, []byte{0}), encode(berInteger, []byte{0}), encode(berSequence))))
}

// engine is what an agent says of itself.
type engine struct{ id []byte }

// enterprise is the number under which IANA knows the maker (RFC 3411).
func (e engine) enterprise() uint32 { return binary.BigEndian.Uint32(e.id) &^ (1 << 31) }

// decodeEngine reads the report that answers the question.
func decodeEngine(b []byte, id uint32) (e engine, ok bool) {
	message, _, ok := inner(b, berSequence)
	version, rest, ok2 := inner(message, berInteger)
	header, rest, ok3 := inner(rest, berSequence)
	echo, _, ok4 := inner(header, berInteger)
	wrapped, _, ok5 := inner(rest, berOctetString)
	usm, _, ok6 := inner(wrapped, berSequence)
	e.id, _, _ = inner(usm, berOctetString)
	if !ok || !ok2 || !ok3 || !ok4 || !ok5 || !ok6 || len(version) != 1 || version[0] != 3 {
		return engine{}, false
	}
	// RFC 3411: 5 to 32 bytes. Agents write integers with or without leading noughts.
	if len(e.id) < 5 || len(e.id) > 32 || len(echo) > 5 {
		return engine{}, false
	}
	var n uint64
	for _, x := range echo {
		n = n<<8 | uint64(x)
	}
	return e, n == uint64(id)
}

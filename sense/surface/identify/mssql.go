package identify

import (
	"encoding/binary"
	"fmt"
)

// mssql says what comes before a login ([MS-TDS] 2.2.6.5): each side its version.
func (a *asking) mssql() bool {
	const options = "\x00\x00\x0b\x00\x06\x01\x00\x11\x00\x01\xff" // the version, whether to encrypt, the end
	body := options + "\x00\x00\x00\x00\x00\x00" + "\x02"          // no version of ours, no encryption by us
	q := append([]byte{0x12, 1, 0, byte(8 + len(body)), 0, 0, 0, 0}, body...)
	b := a.exchange(q, func(b []byte) bool { return len(b) >= 8 && len(b) >= int(binary.BigEndian.Uint16(b[2:])) })
	version, ok := decodePrelogin(b)
	if !ok {
		return false
	}
	a.claim("mssql", "SQL Server", version)
	a.tell("mssql.version", version)
	return true
}

func decodePrelogin(b []byte) (string, bool) {
	if len(b) < 8+5 || b[0] != 4 || b[8] != 0 {
		return "", false
	}
	at, n := int(binary.BigEndian.Uint16(b[9:])), int(binary.BigEndian.Uint16(b[11:]))
	if n < 4 || at+n > len(b)-8 {
		return "", false
	}
	v := b[8+at:]
	return fmt.Sprintf("%d.%d.%d", v[0], v[1], binary.BigEndian.Uint16(v[2:])), true
}

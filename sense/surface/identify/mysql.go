package identify

import (
	"bytes"
	"encoding/binary"
	"strings"

	"noroshi/service"
)

// greeting is what a MySQL server says first: its version, or why it will not
// talk to us.
type greeting struct{ version, refusal string }

// decodeGreeting reads the first packet of a MySQL server (protocol 10).
func decodeGreeting(b []byte) (g greeting, ok bool) {
	if len(b) < 7 || b[3] != 0 {
		return g, false
	}
	n := int(b[0]) | int(b[1])<<8 | int(b[2])<<16
	if n < 3 || n > len(b)-4 {
		return g, false
	}
	b = b[4 : 4+n]
	switch {
	case b[0] == 10:
		v, _, found := bytes.Cut(b[1:], []byte{0})
		if !found || len(v) == 0 || len(v) > 200 || !printable(v) {
			return g, false
		}
		g.version = string(v)
		return g, true
	case b[0] == 0xff && binary.LittleEndian.Uint16(b[1:]) >= 1000:
		g.refusal = service.Text(string(b[3:]))
		return g, g.refusal != ""
	}
	return g, false
}

func (a *asking) mysql(g greeting) {
	a.s.Service = "mysql"
	a.tell("mysql.error", g.refusal)
	// MariaDB says a version before its own, which old replicas need.
	a.tell("mysql.banners", strings.TrimPrefix(g.version, "5.5.5-"))
}

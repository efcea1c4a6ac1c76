package identify

import (
	"encoding/binary"
	"net"
	"slices"
	"strings"
)

// protections are the security types of RFB (RFC 6143 §7.1.2) by their names.
var protections = map[byte]string{1: "None", 2: "VNC password", 5: "RA2", 16: "Tight", 18: "TLS", 19: "VeNCrypt", 20: "SASL", 30: "Apple", 35: "Mac OS X"}

// vnc goes on to where a server says how it may be logged in to, and no further.
func (a *asking) vnc(c net.Conn, version string) {
	if !slices.Contains([]string{"RFB 003.003", "RFB 003.007", "RFB 003.008"}, version) {
		version = "RFB 003.008"
	}
	old := version == "RFB 003.003" // which chooses for the client
	b := converse(c, []byte(version+"\n"), func(b []byte) bool { return old && len(b) >= 4 || !old && len(b) > int(b[0]) }, perBanner)
	a.tell("rfb.security", strings.Join(decodeProtections(b, old), ", "))
}

func decodeProtections(b []byte, old bool) (names []string) {
	switch {
	case old && len(b) >= 4 && binary.BigEndian.Uint32(b) < 256:
		b = b[3:4]
	case !old && len(b) > 0 && len(b) > int(b[0]):
		b = b[1 : 1+int(b[0])]
	default:
		return nil
	}
	for _, t := range b {
		if n := protections[t]; n != "" && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names
}

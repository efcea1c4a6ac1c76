package identify

import (
	"bytes"
	"encoding/binary"
	"net"
	"slices"
	"strings"

	"noroshi/service"
)

const msgKexInit = 20

// ssh reads the identification string, and after one of ours the offer.
func (a *asking) ssh(c net.Conn, first []byte) {
	a.s.Service = "ssh"
	text, rest, _ := bytes.Cut(first, []byte("\n"))
	id := service.Text(string(text))
	// RFC 4253: SSH-protoversion-softwareversion SP comments.
	if parts := strings.SplitN(id, "-", 3); len(parts) == 3 {
		a.tell("ssh.banner", parts[2])
	}
	whole := func(b []byte) bool { return len(b) >= 4 && len(b)-4 >= int(min(binary.BigEndian.Uint32(b), maxAnswer)) }
	if !whole(rest) {
		left := rest
		rest = append(left, converse(c, []byte("SSH-2.0-noroshi\r\n"), func(b []byte) bool { return whole(append(left[:len(left):len(left)], b...)) }, perAnswer)...)
	}
	if offer, ok := decodeKexInit(rest); ok {
		a.s.SSH = &offer
	}
}

// decodeKexInit reads a KEXINIT packet, believing none of its lengths.
func decodeKexInit(b []byte) (s service.SSH, ok bool) {
	if len(b) < 6 {
		return s, false
	}
	n, padding := binary.BigEndian.Uint32(b), uint32(b[4])
	if n < padding+1 || uint64(n)+4 > uint64(len(b)) || b[5] != msgKexInit {
		return s, false
	}
	b = b[5 : 4+n-padding]
	if len(b) < 17 {
		return s, false
	}
	b = b[17:] // message and cookie
	for i := range 10 {
		if len(b) < 4 {
			return s, false
		}
		n := binary.BigEndian.Uint32(b)
		if uint64(n) > uint64(len(b)-4) {
			return s, false
		}
		list := names(string(b[4 : 4+n]))
		b = b[4+n:]
		switch i {
		case 0:
			s.Kex = list
		case 1:
			s.HostKeys = list
		case 3: // from the server to us; 2 is the other way
			s.Ciphers = list
		case 5:
			s.MACs = list
		}
	}
	s.PostQuantum = slices.ContainsFunc(s.Kex, func(k string) bool { return strings.Contains(k, "mlkem") || strings.Contains(k, "sntrup") })
	return s, true
}

// names splits a name-list into at most a hundred names of at most 64 bytes each,
// which RFC 4251 allows.
func names(list string) (all []string) {
	for n := range strings.SplitSeq(list, ",") {
		if n = service.Text(n); n != "" && len(n) <= 64 && len(all) < 100 {
			all = append(all, n)
		}
	}
	return all
}

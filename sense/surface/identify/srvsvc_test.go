package identify

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"testing"
)

// smbAnswer is a message of the server, with the status, tree and session that its
// header says.
func smbAnswer(command byte, status uint32, body []byte) []byte {
	b := smbMessage(command, 0, body)
	binary.LittleEndian.PutUint32(b[4+8:], status)
	binary.LittleEndian.PutUint32(b[4+36:], 0x77)
	binary.LittleEndian.PutUint64(b[4+40:], 0x1122334455667788)
	return b
}

// serverInfo is the answer of the pipe to NetrServerGetInfo.
func serverInfo(name, comment string) []byte {
	text := func(s string) []byte {
		w := narrow(s + "\x00")
		n := uint32(len(w) / 2)
		b := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, n), 0), n)
		b = append(b, w...)
		return append(b, make([]byte, -len(b)&3)...)
	}
	words := func(all ...uint32) (b []byte) {
		for _, w := range all {
			b = binary.LittleEndian.AppendUint32(b, w)
		}
		return b
	}
	info := append(words(101, 0x20000, 500, 0x20004, 6, 1, 0x809a03, 0x20008), text(name)...)
	info = append(append(info, text(comment)...), 0, 0, 0, 0)
	said := rpc(2, append(make([]byte, 8), info...))
	body := make([]byte, 48)
	body[0], body[32] = 49, smbHeader+48
	binary.LittleEndian.PutUint32(body[36:], uint32(len(said)))
	return append(body, said...)
}

// samba32 is a Samba that lets everybody see its comment; it takes a while for
// each answer of the pipe, and says so. At the step denied it says no.
func samba32(comment string, denied int) func(net.Conn) {
	return func(c net.Conn) {
		read := func() []byte {
			head := make([]byte, 4)
			if _, err := io.ReadFull(c, head); err != nil {
				return nil
			}
			b := make([]byte, binary.BigEndian.Uint32(head)&0xffff)
			_, _ = io.ReadFull(c, b)
			return b
		}
		read()
		_, _ = c.Write(negotiatedSMB())
		read()
		challenge := challengeSMB()
		copy(challenge[4+40:], "\x88\x77\x66\x55\x44\x33\x22\x11")
		_, _ = c.Write(challenge)
		created := make([]byte, 88)
		copy(created[64:], "a pipe of theirs")
		for step, want := range []struct {
			command byte
			holds   []byte
			answer  []byte
		}{
			{1, []byte("NTLMSSP\x00\x03"), make([]byte, 8)},
			{3, narrow(`\IPC$`), make([]byte, 16)},
			{5, narrow("srvsvc"), created},
			{11, []byte("a pipe of theirs"), make([]byte, 48)},
			{11, []byte("a pipe of theirs"), serverInfo("bed", comment)},
		} {
			b := read()
			if len(b) < smbHeader || b[12] != want.command || int(b[24]) != step+2 || !bytes.Contains(b, want.holds) ||
				string(b[40:48]) != "\x88\x77\x66\x55\x44\x33\x22\x11" || step > 1 && b[36] != 0x77 {
				return
			}
			status := uint32(0)
			if step == denied {
				status = 0xc0000022
			}
			said := smbAnswer(want.command, status, want.answer)
			if want.command == 11 {
				said = append(smbAnswer(11, 0x103, make([]byte, 9)), said...)
			}
			_, _ = c.Write(said)
		}
		_, _ = io.Copy(io.Discard, c)
	}
}

func TestSambaTellsItsVersionToEverybody(t *testing.T) {
	const none = -1
	for name, c := range map[string]struct {
		comment, version string
		denied           int
	}{
		"Debian's":              {"Samba 4.17.12-Debian", "4.17.12", none},
		"a maker's own":         {"Samba 4.20.1", "4.20.1", none},
		"words of the house":    {"We left Samba 4.1.0", "", none},
		"words behind":          {"Samba 4.1.0 is gone from here", "", none},
		"no words":              {"", "", none},
		"half a version":        {"Samba 4.17", "", none},
		"nobody is let in":      {"Samba 4.17.12-Debian", "", 0},
		"nobody sees the share": {"Samba 4.17.12-Debian", "", 1},
		"there is no such pipe": {"Samba 4.17.12-Debian", "", 2},
		"the pipe is deaf":      {"Samba 4.17.12-Debian", "", 3},
		"the pipe says no":      {"Samba 4.17.12-Debian", "", 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, 445, samba32(c.comment, c.denied))
			want := c.comment
			if c.denied != none {
				want = ""
			}
			if s.Product != "Samba" || s.Version != c.version || s.Evidence["smb.comment"] != want {
				t.Errorf("said %+v", s)
			}
		})
	}
}

// FuzzServerInfo is the answer of a pipe, and the messages before it.
func FuzzServerInfo(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		comment, _ := decodeServerInfo(b)
		shown(t, comment)
		if rest := settled(b); !bytes.HasSuffix(b, rest) {
			t.Errorf("%d bytes became %d", len(b), len(rest))
		}
	})
}

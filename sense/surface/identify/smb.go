package identify

import (
	"encoding/binary"
	"fmt"

	"unicode/utf16"

	"noroshi/service"
)

const smbHeader = 64

// smb asks in the present dialects, and whether the old one is spoken, too.
func (a *asking) smb() bool {
	known := a.smb2()
	signing, old := a.smb1()
	if old && !known {
		a.s.Service, a.s.SMB = "smb", &service.SMB{Dialect: "NT LM 0.12", Signing: signing}
	}
	if old {
		a.s.SMB.Old = true
	}
	return known || old
}

// smb2 agrees on a dialect, and asks to be challenged: the challenge, which comes
// before any name or password, says which system asks it. Samba's says no version,
// and so is asked further.
func (a *asking) smb2() bool {
	c, err := a.connect()
	if err != nil {
		return false
	}
	defer func() { _ = c.Close() }() // What it said is read.
	s, ok := decodeNegotiated(converse(c, smbMessage(0, 0, smbNegotiate()), wholeSMB, perAnswer))
	if !ok {
		return false
	}
	a.s.Service, a.s.SMB = "smb", &s
	b := converse(c, smbMessage(1, 1, smbSetup(ntlmNegotiate())), wholeSMB, perAnswer)
	ch, ok := decodeChallenge(b)
	if !ok {
		return true
	}
	s.Name, s.Domain = ch.name, ch.domain
	a.tell("smb.ntlm_version", fmt.Sprintf("%d.%d.%d", ch.major, ch.minor, ch.build))
	// Samba claims to be 6.1 and has no build; every Windows has one.
	if ch.major == 6 && ch.build == 0 {
		a.claim("smb", "Samba", "")
		in := session{Conn: c, id: 2, key: binary.LittleEndian.Uint64(b[4+40:])}
		if comment, ok := in.srvsvc(); ok {
			a.tell("smb.comment", comment)
			a.claim("smb", "Samba", samba(comment))
		}
	} else {
		a.s.OS = fmt.Sprintf("Windows %d.%d build %d", ch.major, ch.minor, ch.build)
	}
	return true
}

// wholeSMB tells whether a whole answer has been read.
func wholeSMB(b []byte) bool {
	return len(b) >= 4 && len(b)-4 >= int(binary.BigEndian.Uint32(b)&0xffffff)
}

// smbMessage is one request with its headers ([MS-SMB2] 2.2.1).
func smbMessage(command, id byte, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(smbHeader+len(body)))
	h := make([]byte, smbHeader)
	copy(h, "\xfeSMB")
	h[4], h[12], h[14], h[24] = smbHeader, command, 1, id
	return append(append(b, h...), body...)
}

var dialects = map[uint16]string{0x0202: "2.0.2", 0x0210: "2.1", 0x0300: "3.0", 0x0302: "3.0.2"}

func smbNegotiate() []byte {
	b := make([]byte, 36)
	b[0], b[2], b[4] = 36, 4, 1 // four dialects, signing possible
	copy(b[12:], "noroshi-surface!")
	for _, d := range []uint16{0x0202, 0x0210, 0x0300, 0x0302} {
		b = binary.LittleEndian.AppendUint16(b, d)
	}
	return b
}

// ntlmNegotiate asks for a challenge (NTLMSSP NEGOTIATE, [MS-NLMP] 2.2.1.1).
func ntlmNegotiate() []byte {
	b := append([]byte("NTLMSSP\x00\x01\x00\x00\x00"), 0x07, 0x82, 0x08, 0xa2) // Unicode, target, NTLM, version
	return append(b, make([]byte, 24)...)
}

// smbSetup is one step of a session's setup ([MS-SMB2] 2.2.5).
func smbSetup(ntlm []byte) []byte {
	b := make([]byte, 24)
	b[0], b[3] = 25, 1
	binary.LittleEndian.PutUint16(b[12:], smbHeader+24)
	binary.LittleEndian.PutUint16(b[14:], uint16(len(ntlm)))
	return append(b, ntlm...)
}

// smbBody is a response's body, when it answers the command.
func smbBody(b []byte, command byte) ([]byte, bool) {
	if len(b) < 4+smbHeader+8 || string(b[4:8]) != "\xfeSMB" || b[4+12] != command {
		return nil, false
	}
	return b[4+smbHeader:], true
}

func decodeNegotiated(b []byte) (s service.SMB, ok bool) {
	body, ok := smbBody(b, 0)
	if !ok {
		return s, false
	}
	s.Dialect = dialects[binary.LittleEndian.Uint16(body[4:])]
	s.Signing = body[2]&2 != 0
	return s, s.Dialect != ""
}

// challenge is what NTLMSSP CHALLENGE ([MS-NLMP] 2.2.1.2) says of the server.
type challenge struct {
	major, minor byte
	build        uint16
	name, domain string
}

func decodeChallenge(b []byte) (c challenge, ok bool) {
	body, ok := smbBody(b, 1)
	if !ok {
		return c, false
	}
	at, n := int(binary.LittleEndian.Uint16(body[4:]))-smbHeader, int(binary.LittleEndian.Uint16(body[6:]))
	if at < 8 || at+n > len(body) {
		return c, false
	}
	m := body[at : at+n]
	// Some answer in SPNEGO's clothes, which are longer than what they hold.
	for ; len(m) >= 56 && string(m[:8]) != "NTLMSSP\x00"; m = m[1:] {
	}
	if len(m) < 56 || m[8] != 2 {
		return c, false
	}
	c.major, c.minor, c.build = m[48], m[49], binary.LittleEndian.Uint16(m[50:])
	n, at = int(binary.LittleEndian.Uint16(m[40:])), int(binary.LittleEndian.Uint32(m[44:]))
	if at < 56 || at > len(m) || n > len(m)-at {
		return c, true // without its names
	}
	for info := m[at : at+n]; len(info) >= 4; {
		kind, n := binary.LittleEndian.Uint16(info), int(binary.LittleEndian.Uint16(info[2:]))
		if kind == 0 || n > len(info)-4 {
			break
		}
		switch text := wide(info[4 : 4+n]); kind {
		case 1, 3: // by NetBIOS, by DNS
			c.name = text
		case 2, 4:
			c.domain = text
		}
		info = info[4+n:]
	}
	return c, true
}

// wide reads UTF-16.
func wide(b []byte) string {
	u := make([]uint16, len(b)/2)
	for i := range u {
		u[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return service.Text(string(utf16.Decode(u)))
}

package identify

import (
	"encoding/binary"
	"net"
	"regexp"
	"unicode/utf16"
)

// session is what each later request of a conversation over SMB repeats.
type session struct {
	net.Conn
	id   byte // of the next message
	tree uint32
	key  uint64
}

// ask sends one request, and returns the body of the answer when the server did
// as it was asked.
func (s *session) ask(command byte, body []byte) (header, answer []byte) {
	b := smbMessage(command, s.id, body)
	binary.LittleEndian.PutUint32(b[4+36:], s.tree)
	binary.LittleEndian.PutUint64(b[4+40:], s.key)
	s.id++
	b = settled(converse(s, b, func(b []byte) bool { return wholeSMB(settled(b)) }, perAnswer))
	answer, ok := smbBody(b, command)
	if !ok || binary.LittleEndian.Uint32(b[4+8:]) != 0 {
		return nil, nil
	}
	return b[4 : 4+smbHeader], answer
}

// settled leaves out the messages that say that an answer takes a while
// (STATUS_PENDING).
func settled(b []byte) []byte {
	for len(b) >= 4+smbHeader && wholeSMB(b) && binary.LittleEndian.Uint32(b[4+8:]) == 0x103 {
		b = b[4+int(binary.BigEndian.Uint32(b)&0xffffff):]
	}
	return b
}

// srvsvc asks a server for the words about it that everybody is shown who looks
// for servers in a network, as anybody: without a name and without a password
// ([MS-SRVS] 3.1.4.17). A server that lets nobody in without a name is left in
// peace.
func (s *session) srvsvc() (comment string, ok bool) {
	const setup, connect, create, ioctl = 1, 3, 5, 11
	if h, _ := s.ask(setup, smbSetup(anonymous())); h == nil {
		return "", false
	}
	path := narrow(`\\` + theirName + `\IPC$`)
	h, _ := s.ask(connect, append([]byte{9, 0, 0, 0, smbHeader + 8, 0, byte(len(path)), 0}, path...))
	if h == nil {
		return "", false
	}
	s.tree = binary.LittleEndian.Uint32(h[36:])
	_, file := s.ask(create, smbCreate("srvsvc"))
	if len(file) < 80 {
		return "", false
	}
	pipe := file[64:80]
	if _, b := s.ask(ioctl, smbTransceive(pipe, rpcBind())); b == nil {
		return "", false
	}
	_, b := s.ask(ioctl, smbTransceive(pipe, rpcServerGetInfo()))
	return decodeServerInfo(b)
}

// theirName is what we call the server; it answers to any.
const theirName = "server"

// narrow is the inverse of wide.
func narrow(text string) (b []byte) {
	for _, u := range utf16.Encode([]rune(text)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// anonymous is the answer to a challenge of who says no name (NTLMSSP
// AUTHENTICATE, [MS-NLMP] 2.2.1.3 and 3.2.5.1.2).
func anonymous() []byte {
	b := append([]byte("NTLMSSP\x00\x03\x00\x00\x00"), make([]byte, 52)...)
	// Of six texts the first has one byte, a nought, and the others none.
	b[12], b[14] = 1, 1
	for at := 16; at < 60; at += 8 {
		b[at] = 64
		if at > 16 {
			b[at] = 65
		}
	}
	binary.LittleEndian.PutUint32(b[60:], 0xa2088a05) // Unicode, target, NTLM, anonymous, extended security, version
	return append(b, 0)
}

// smbCreate opens a pipe ([MS-SMB2] 2.2.13).
func smbCreate(name string) []byte {
	b := make([]byte, 56)
	b[0], b[4], b[24], b[32], b[36] = 57, 2, 3, 7, 1 // impersonated, read and write, shared, must be there
	wide := narrow(name)
	b[44], b[46] = smbHeader+56, byte(len(wide))
	return append(b, wide...)
}

// smbTransceive says something into a pipe and takes the answer ([MS-SMB2] 2.2.31,
// FSCTL_PIPE_TRANSCEIVE).
func smbTransceive(pipe, say []byte) []byte {
	b := make([]byte, 56)
	b[0], b[48] = 57, 1
	binary.LittleEndian.PutUint32(b[4:], 0x0011c017)
	copy(b[8:], pipe)
	b[24], b[28] = smbHeader+56, byte(len(say))
	binary.LittleEndian.PutUint32(b[44:], 4096)
	return append(b, say...)
}

// rpc is one whole request of DCE/RPC (C706 §12.6).
func rpc(kind byte, body []byte) []byte {
	b := []byte{5, 0, kind, 3, 0x10, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0}
	binary.LittleEndian.PutUint16(b[8:], uint16(len(b)+len(body)))
	return append(b, body...)
}

// rpcBind asks for the interface srvsvc 3.0, with NDR 2.
func rpcBind() []byte {
	return rpc(11, []byte("\xb8\x10\xb8\x10\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x01\x00"+
		"\xc8\x4f\x32\x4b\x70\x16\xd3\x01\x12\x78\x5a\x47\xbf\x6e\xe1\x88\x03\x00\x00\x00"+
		"\x04\x5d\x88\x8a\xeb\x1c\xc9\x11\x9f\xe8\x08\x00\x2b\x10\x48\x60\x02\x00\x00\x00"))
}

// rpcServerGetInfo is NetrServerGetInfo of level 101, of no server by name.
func rpcServerGetInfo() []byte {
	return rpc(0, []byte("\x08\x00\x00\x00\x00\x00\x15\x00"+"\x00\x00\x00\x00"+"\x65\x00\x00\x00"))
}

// decodeServerInfo reads the comment of SERVER_INFO_101 ([MS-SRVS] 2.2.4.41) out
// of the answer to FSCTL_PIPE_TRANSCEIVE.
func decodeServerInfo(body []byte) (comment string, ok bool) {
	if len(body) < 48 {
		return "", false
	}
	at, n := uint64(binary.LittleEndian.Uint32(body[32:])), uint64(binary.LittleEndian.Uint32(body[36:]))
	if at < smbHeader+48 || at-smbHeader+n > uint64(len(body)) {
		return "", false
	}
	b := body[at-smbHeader : at-smbHeader+n]
	const head = 24 // of RPC's answer
	if len(b) < head+32 || b[0] != 5 || b[2] != 2 || binary.LittleEndian.Uint32(b[head:]) != 101 {
		return "", false
	}
	name, said := binary.LittleEndian.Uint32(b[head+12:]) != 0, binary.LittleEndian.Uint32(b[head+28:]) != 0
	b = b[head+32:]
	if name {
		if _, b, ok = ndrText(b); !ok {
			return "", false
		}
	}
	if !said {
		return "", false
	}
	comment, _, ok = ndrText(b)
	return comment, ok
}

// ndrText reads a text as NDR has it: how long it may be, where it begins, how
// long it is, and its characters, up to a multiple of four bytes.
func ndrText(b []byte) (text string, rest []byte, ok bool) {
	if len(b) < 12 || binary.LittleEndian.Uint32(b[4:]) != 0 {
		return "", nil, false
	}
	n := 2 * uint64(binary.LittleEndian.Uint32(b[8:]))
	if n > uint64(len(b)-12) {
		return "", nil, false
	}
	end := min(12+(n+3)/4*4, uint64(len(b)))
	return wide(b[12 : 12+n]), b[end:], true
}

// ofSamba is how Samba speaks of itself where nobody gave it other words, with the
// maker of the package behind the version.
var ofSamba = regexp.MustCompile(`^Samba (\d+\.\d+\.\d+)(?:-[\w.+~]+)?$`)

// samba takes the version out of those words.
func samba(comment string) string {
	if m := ofSamba.FindStringSubmatch(comment); m != nil {
		return m[1]
	}
	return ""
}

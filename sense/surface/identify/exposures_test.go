package identify

import (
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// oldSMB answers the first SMB, and the present one where it is spoken, too.
func oldSMB(also bool) func(net.Conn) {
	return func(c net.Conn) {
		b := make([]byte, 4096)
		for {
			n, err := c.Read(b)
			switch {
			case err != nil:
				return
			case n > 8 && string(b[4:9]) == "\xffSMB\x72":
				_, _ = c.Write(agreedSMB1(0))
			case also:
				challengedTo(c)
				return
			default:
				return
			}
		}
	}
}

func challengedTo(c net.Conn) {
	_, _ = c.Write(negotiatedSMB())
	_, _ = io.Copy(io.Discard, c)
}

func agreedSMB1(index byte) []byte {
	b := make([]byte, 4+32+1+34+2)
	b[3] = byte(len(b) - 4)
	copy(b[4:], "\xffSMB\x72")
	b[13], b[36], b[37], b[39] = 0x98, 17, index, 0x0b
	return b
}

// terminal is a terminal server that takes these protections, and wants one.
func terminal(takes, wants byte) func(net.Conn) {
	return func(c net.Conn) {
		b := make([]byte, 19)
		if _, err := io.ReadFull(c, b); err != nil {
			return
		}
		kind, value := byte(refused), byte(credSSPRequired)
		if both := b[15] & takes; both&wants != 0 || wants == 0 {
			kind, value = negotiated, both
		}
		_, _ = c.Write([]byte{3, 0, 0, 19, 14, 0xd0, 0, 0, 0x12, 0x34, 0, kind, 0, 8, 0, value, 0, 0, 0})
		_, _ = io.Copy(io.Discard, c)
	}
}

// mongod answers commands as a server whose data needs a login, or none.
func mongod(open bool) func(net.Conn) {
	return func(c net.Conn) {
		b := make([]byte, 4096)
		n, err := c.Read(b)
		if err != nil {
			return
		}
		ok, said := "\x00\x00\x00\x00\x00\x00\xf0\x3f", bson(0x02, "version", "\x07\x00\x00\x006.0.14\x00")+bson(0x04, "versionArray", document(bson(0x10, "0", "\x06\x00\x00\x00")))
		if strings.Contains(string(b[:n]), "listDatabases") {
			if said = bson(0x04, "databases", document("")); !open {
				ok, said = "\x00\x00\x00\x00\x00\x00\x00\x00", bson(0x02, "codeName", "\x0d\x00\x00\x00Unauthorized\x00")
			}
		}
		body := "\x00\x00\x00\x00\x00" + document(said+bson(0x01, "ok", ok))
		var a []byte
		for _, x := range []uint32{uint32(16 + len(body)), 9, binary.LittleEndian.Uint32(b[4:]), opMessage} {
			a = binary.LittleEndian.AppendUint32(a, x)
		}
		_, _ = c.Write(append(a, body...))
	}
}

func prelogin() []byte {
	body := "\x00\x00\x0b\x00\x06\x01\x00\x11\x00\x01\xff\x0f\x00\x07\xd0\x00\x00\x02"
	return append([]byte{4, 1, 0, byte(8 + len(body)), 0, 0, 0, 0}, body...)
}

// resolver answers who asks it, and for the root when it resolves.
func resolver(q []byte, resolves bool) []byte {
	var p dnsmessage.Parser
	h, err := p.Start(q)
	if err != nil {
		return nil
	}
	question, err := p.Question()
	if err != nil {
		return nil
	}
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: h.ID, Response: true, RecursionAvailable: resolves, RCode: dnsmessage.RCodeRefused}, Questions: []dnsmessage.Question{question}}
	if question.Type == dnsmessage.TypeNS && resolves && h.RecursionDesired {
		m.RCode = dnsmessage.RCodeSuccess
		m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: question.Name, Type: dnsmessage.TypeNS, Class: dnsmessage.ClassINET}, Body: &dnsmessage.NSResource{NS: dnsmessage.MustNewName("a.root-servers.net.")}}}
	}
	b, err := m.Pack()
	if err != nil {
		return nil
	}
	return b
}

func TestWhatShouldNotBeExposedSaysSo(t *testing.T) {
	for name, c := range map[string]struct {
		port           uint16
		serve          func(net.Conn)
		service, kind  string
		text, product  string
		version, smbIs string
	}{
		"smb 1 alone":            {445, oldSMB(false), "smb", "", "", "", "", "NT LM 0.12, smb1"},
		"smb 1, too":             {445, oldSMB(true), "smb", "", "", "", "", "3.0.2, smb1"},
		"no smb 1":               {445, challenged, "smb", "", "", "Samba", "", "3.0.2"},
		"nla optional":           {3389, terminal(byTLS|byCredSSP, 0), "rdp", "rdp.nla", "optional", "", "", ""},
		"nla required":           {3389, terminal(byTLS|byCredSSP, byCredSSP), "rdp", "rdp.nla", "required", "", "", ""},
		"no nla":                 {3389, terminal(byTLS, 0), "rdp", "rdp.nla", "not offered", "", "", ""},
		"mongo, open":            {27017, mongod(true), "mongodb", "mongodb.databases", "listed to everybody", "MongoDB", "6.0.14", ""},
		"mongo, closed":          {27017, mongod(false), "mongodb", "mongodb.databases", "", "MongoDB", "6.0.14", ""},
		"mssql":                  {1433, once(prelogin()), "mssql", "mssql.version", "15.0.2000", "SQL Server", "15.0.2000", ""},
		"vnc, open":              {5900, talk("RFB 003.008\n", map[string]string{"RFB 003.008": "\x02\x01\x02"}), "vnc", "rfb.security", "None, VNC password", "", "", ""},
		"vnc, old":               {5900, talk("RFB 003.003\n", map[string]string{"RFB 003.003": "\x00\x00\x00\x02"}), "vnc", "rfb.security", "VNC password", "", "", ""},
		"vnc, of an odd version": {5900, talk("RFB 004.001\n", map[string]string{"RFB 003.008": "\x01\x13"}), "vnc", "rfb.security", "VeNCrypt", "", "", ""},
		"portmap": {111, func(c net.Conn) {
			b := make([]byte, 44)
			if _, err := io.ReadFull(c, b); err == nil {
				_, _ = c.Write(append([]byte{0x80, 0, 0, 24, b[4], b[5], b[6], b[7], 0, 0, 0, 1}, make([]byte, 16)...))
			}
		}, "portmap", "", "", "", "", ""},
		"a resolver over TCP": {53, func(c net.Conn) {
			b := make([]byte, 2048)
			if n, err := c.Read(b); err == nil && n > 2 {
				a := resolver(b[2:n], true)
				_, _ = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(a))), a...))
			}
		}, "dns", "dns.recursion", "for everybody", "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, c.port, c.serve)
			if s.Service != c.service || s.Evidence[c.kind] != c.text || s.Product != c.product || s.Version != c.version {
				t.Errorf("said %+v", s)
			}
			if s.SMB != nil {
				is := s.SMB.Dialect
				if s.SMB.Old {
					is += ", smb1"
				}
				if is != c.smbIs || !s.SMB.Signing {
					t.Errorf("it is %+v", s.SMB)
				}
			}
		})
	}
}

func TestWhatAnswersEverybodyOverUDP(t *testing.T) {
	same := func(q []byte, from int, more string) [][]byte {
		return [][]byte{append(append([]byte{}, q[:from]...), more...)}
	}
	for name, c := range map[string]struct {
		port    uint16
		answer  func(q []byte) [][]byte
		service string
		kind    string
		text    string
	}{
		"memcached": {11211, func(q []byte) [][]byte { return same(q, 8, "VERSION 1.6.18\r\n") }, "memcached", "memcached.version", "1.6.18"},
		"portmap":   {111, func(q []byte) [][]byte { return same(q, 4, "\x00\x00\x00\x01"+strings.Repeat("\x00", 16)) }, "portmap", "", ""},
		"netbios": {137, func(q []byte) [][]byte {
			return same(q, 2, "\x84\x00\x00\x00\x00\x01\x00\x00\x00\x00"+string(q[12:46])+"\x00\x21\x00\x01\x00\x00\x00\x00\x00\x41\x01FILESERVER     \x00\x04\x00")
		}, "netbios-ns", "netbios.name", "FILESERVER"},
		"mdns": {5353, func(q []byte) [][]byte {
			q[2] |= 0x80
			q[7] = 1
			return same(q, len(q), "\xc0\x0c\x00\x0c\x00\x01\x00\x00\x00\x0a\x00\x02\xc0\x0c")
		}, "mdns", "", ""},
		"mdns that is no name server's": {5353, func(q []byte) [][]byte { q[2] |= 0x80; return [][]byte{q} }, "", "", ""},
		"ipmi": {623, func(q []byte) [][]byte {
			return same([]byte("\x06\x00\xff\x06\x00\x00\x11\xbe\x40"+string(q[9:10])), 10, "\x00\x10"+strings.Repeat("\x00", 16))
		}, "ipmi", "", ""},
		"cldap":       {389, func([]byte) [][]byte { return [][]byte{rootDSE("domainFunctionality", "7")} }, "cldap", "", ""},
		"chargen":     {19, func([]byte) [][]byte { return [][]byte{[]byte(` !"#$%&'()*+,-./0123456789`)} }, "chargen", "", ""},
		"echo":        {19, func(q []byte) [][]byte { return [][]byte{q} }, "", "", ""},
		"resolver":    {53, func(q []byte) [][]byte { return [][]byte{resolver(q, true)} }, "dns", "dns.recursion", "for everybody"},
		"no resolver": {53, func(q []byte) [][]byte { return [][]byte{resolver(q, false)} }, "dns", "dns.recursion", ""},
		"monlist": {123, func(q []byte) [][]byte {
			if q[0] == 0x17 {
				return [][]byte{append([]byte("\xd7\x00\x03\x2a\x00\x01\x00\x48"), make([]byte, 72)...)}
			}
			return [][]byte{timeFor(q)}
		}, "ntp", "ntp.monlist", "answered"},
		"monlist that is refused": {123, func(q []byte) [][]byte {
			if q[0] == 0x17 {
				return [][]byte{[]byte("\x97\x00\x03\x2a\x40\x00\x00\x00\x00")}
			}
			return [][]byte{timeFor(q)}
		}, "ntp", "ntp.monlist", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _, _ := serveUDP(t, c.port, c.answer)
			if s.Service != c.service || s.Evidence[c.kind] != c.text {
				t.Errorf("said %+v", s)
			}
		})
	}
}

// timeFor answers a client's question for the time, and repeats any other.
func timeFor(q []byte) []byte {
	if len(q) < 48 {
		return q
	}
	b := make([]byte, 48)
	b[0], b[1] = 4<<3|4, 2
	copy(b[24:], q[40:48])
	return b
}

// FuzzExposures reads the short answers of what should not be exposed.
func FuzzExposures(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		if said, ok := decodeMessage(b, 7); ok {
			for _, v := range said {
				shown(t, v)
			}
		}
		if v, ok := decodePrelogin(b); ok {
			shown(t, v)
		}
		if v, ok := decodeNames(b, 7); ok {
			shown(t, v)
		}
		if signing, spoken := decodeSMB1(b); signing && !spoken {
			t.Error("what is not spoken is signed")
		}
		for _, old := range []bool{true, false} {
			if n := len(decodeProtections(b, old)); n > len(protections) {
				t.Errorf("%d protections", n)
			}
		}
		isRPC(b, 7)
		isMonlist(b)
		isAnswer(b, 7)
	})
}

package identify

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"

	"noroshi/service"
)

// challenged is a server of SMB 3.0.2 that is Samba.
func challenged(c net.Conn) {
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
	if b := read(); len(b) > smbHeader && strings.Contains(string(b), "NTLMSSP\x00\x01") {
		_, _ = c.Write(challengeSMB())
	}
}

func negotiatedSMB() []byte {
	body := make([]byte, 64)
	body[0], body[2] = 65, 3
	binary.LittleEndian.PutUint16(body[4:], 0x0302)
	return smbMessage(0, 0, body)
}

func challengeSMB() []byte {
	info := "\x03\x00\x06\x00b\x00e\x00d\x00\x04\x00\x04\x00a\x00b\x00\x00\x00\x00\x00"
	ntlm := append([]byte("NTLMSSP\x00\x02\x00\x00\x00"), make([]byte, 44)...)
	binary.LittleEndian.PutUint16(ntlm[40:], uint16(len(info)))
	ntlm[44], ntlm[48], ntlm[49], ntlm[55] = 56, 6, 1, 15
	blob := append([]byte("\x60\x12SPNEGO's clothes"), append(ntlm, info...)...)
	body := make([]byte, 8)
	body[0], body[4] = 9, smbHeader+8
	binary.LittleEndian.PutUint16(body[6:], uint16(len(blob)))
	return smbMessage(1, 1, append(body, blob...))
}

// rootDSE is the answer of a directory, its lengths in longer forms than needed.
func rootDSE(attributes ...string) []byte {
	long := func(tag byte, parts ...[]byte) []byte {
		b := encode(tag, parts...)
		body := b[2:]
		if b[1] == 0x82 {
			body = b[4:]
		}
		return append([]byte{tag, 0x84, 0, 0, byte(len(body) >> 8), byte(len(body))}, body...)
	}
	var list [][]byte
	for i := 0; i < len(attributes); i += 2 {
		list = append(list, long(berSequence, encode(berOctetString, []byte(attributes[i])), long(berSet, encode(berOctetString, []byte(attributes[i+1])))))
	}
	entry := long(berSequence, encode(berInteger, []byte{1}), long(0x64, encode(berOctetString), long(berSequence, list...)))
	return append(entry, long(berSequence, encode(berInteger, []byte{1}), encode(0x65, encode(berEnumerated, []byte{0})))...)
}

// rabbit is connection.start with a table in its properties.
func rabbit() []byte {
	long := func(s string) string { return string(binary.BigEndian.AppendUint32(nil, uint32(len(s)))) + s }
	table := "\x0ccapabilitiesF" + long("\x05basict\x01") + "\x07productS" + long("RabbitMQ") + "\x07versionS" + long("3.10.8")
	body := "\x00\x0a\x00\x0a\x00\x09" + long(table) + long("PLAIN") + long("en_US")
	return []byte("\x01\x00\x00" + long(body) + "\xce")
}

// once reads something and answers it.
func once(answer []byte) func(net.Conn) {
	return func(c net.Conn) {
		if _, err := c.Read(make([]byte, 2048)); err == nil {
			_, _ = c.Write(answer)
		}
		_, _ = io.Copy(io.Discard, c)
	}
}

func TestFurtherServicesAreWhatTheySay(t *testing.T) {
	for name, c := range map[string]struct {
		port                      uint16
		serve                     func(net.Conn)
		service, product, version string
		evidence, text            string
	}{
		"smb": {445, challenged, "smb", "Samba", "", "smb.ntlm_version", "6.1.0"},
		"rdp": {3389, once([]byte("\x03\x00\x00\x13\x0e\xd0\x00\x00\x12\x34\x00\x03\x00\x08\x00\x05\x00\x00\x00")), "rdp", "", "", "rdp.security", "refused, code 5"},
		"openldap": {389, once(rootDSE("structuralObjectClass", "OpenLDAProotDSE", "namingContexts", "dc=example")),
			"ldap", "OpenLDAP", "", "ldap.namingcontexts", "dc=example"},
		"389": {389, once(rootDSE("vendorName", "389 Project", "vendorVersion", "389-Directory/2.3.1 B2023.041.0000")),
			"ldap", "389-Directory", "2.3.1", "ldap.vendorname", "389 Project"},
		"amqp":      {5672, once(rabbit()), "amqp", "RabbitMQ", "3.10.8", "amqp.product", "RabbitMQ"},
		"nats":      {4222, talk(`INFO {"server_id":"x","version":"2.9.10","auth_required":true,"pad":"`+strings.Repeat("x", 1024)+"\"}\r\n", nil), "nats", "NATS Server", "2.9.10", "nats.auth_required", "true"},
		"gpsd":      {2947, talk(`{"class":"VERSION","release":"3.22","rev":"3.22"}`+"\r\n", nil), "gpsd", "gpsd", "3.22", "gpsd.release", "3.22"},
		"munin":     {4949, talk("# munin node at bed\n", map[string]string{"version": "munins node on bed version: 2.0.73\n"}), "munin", "Munin", "2.0.73", "munin.version", "2.0.73"},
		"beanstalk": {11300, talk("", map[string]string{"stats": "OK 60\r\n---\ncurrent-jobs-ready: 0\nversion: \"1.12\"\n\r\n"}), "beanstalk", "beanstalkd", "1.12", "beanstalk.version", "1.12"},
		"gearman":   {4730, talk("", map[string]string{"version": "OK 1.1.20\n"}), "gearman", "Gearman", "1.1.20", "gearman.version", "1.1.20"},
		"clamd":     {3310, once([]byte("ClamAV 1.4.6/27812/Tue Nov 24 09:00:00 2026\x00")), "clamd", "ClamAV", "1.4.6", "clamd.version", "1.4.6/27812/Tue Nov 24 09:00:00 2026"},
		"sip":       {5060, talk("", map[string]string{"OPTIONS": "SIP/2.0 200 OK\r\nUser-Agent: FPBX-16(18.9)\r\n\r\n"}), "sip", "", "", "sip_header.user_agent", "FPBX-16(18.9)"},
		"nntp":      {119, talk("200 bed InterNetNews NNRP server INN 2.7.1 ready\r\n", nil), "nntp", "", "", "nntp.banner", "bed InterNetNews NNRP server INN 2.7.1 ready"},
		"telnet that negotiates": {23, func(c net.Conn) {
			_, _ = io.WriteString(c, "\xff\xfd\x18\xff\xfb\x01")
			b := make([]byte, 6)
			if _, err := io.ReadFull(c, b); err == nil && string(b) == "\xff\xfc\x18\xff\xfe\x01" {
				_, _ = io.WriteString(c, "\r\nDebian GNU/Linux 12\r\n\xff\xfb\x03bed login: ")
			}
			_, _ = io.Copy(io.Discard, c)
		}, "telnet", "", "", "telnet.banner", "Debian GNU/Linux 12  bed login:"},
		"a name server at a port that is nobody's": {5301, func(c net.Conn) {
			r := bufio.NewReader(c)
			var head [2]byte
			if _, err := io.ReadFull(r, head[:]); err != nil {
				return
			}
			q := make([]byte, binary.BigEndian.Uint16(head[:]))
			if _, err := io.ReadFull(r, q); err != nil || len(q) < 12 { // of the others it waits for the rest, in vain
				return
			}
			q[2] |= 0x80
			_, _ = c.Write(append(head[:], q...))
		}, "dns", "", "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, c.port, c.serve)
			if s.Service != c.service || s.Product != c.product || s.Version != c.version || s.Evidence[c.evidence] != c.text {
				t.Errorf("said %+v", s)
			}
			if name == "smb" && (s.SMB == nil || *s.SMB != service.SMB{Dialect: "3.0.2", Signing: true, Name: "bed", Domain: "ab"}) {
				t.Errorf("it is %+v", s.SMB)
			}
		})
	}
}

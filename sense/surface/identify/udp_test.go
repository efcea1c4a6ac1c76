package identify

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"golang.org/x/net/dns/dnsmessage"

	"noroshi/service"
)

// serveUDP answers each datagram by f, and asks the engine what is there. The
// engine believes to speak to the port given.
func serveUDP(t *testing.T, port uint16, f func(q []byte) [][]byte) (s service.Answer, heard Heard, asked int) {
	t.Helper()
	var questions atomic.Int32
	synctest.Test(t, func(t *testing.T) {
		at := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)
		dial := func(_ context.Context, network string, to netip.AddrPort) (net.Conn, error) {
			if network != "udp" || to != at {
				t.Errorf("it dials %s %s", network, to)
			}
			here, there := connection(at, true)
			go func() {
				b := make([]byte, 2048)
				for n, err := there.Read(b); err == nil; n, err = there.Read(b) {
					questions.Add(1)
					for _, answer := range f(b[:n]) {
						_, _ = there.Write(answer)
					}
				}
			}()
			return here, nil
		}
		s, heard = (&Engine{}).IdentifyUDP(t.Context(), dial, at)
	})
	return s, heard, int(questions.Load())
}

// engineReport is what an agent of Net-SNMP answers.
func engineReport(q []byte, forged bool) []byte {
	message, _, _ := inner(q, berSequence)
	_, rest, _ := inner(message, berInteger)
	header, _, _ := inner(rest, berSequence)
	id, _, _ := inner(header, berInteger)
	if forged {
		id = []byte{1}
	}
	engineID := []byte("\x80\x00\x1f\x88\x80\x01\x02\x03\x04")
	usm := encode(berSequence, encode(berOctetString, engineID), encode(berInteger, []byte{7}))
	return encode(berSequence, encode(berInteger, []byte{3}), encode(berSequence, encode(berInteger, id)), encode(berOctetString, usm))
}

func control(q []byte, more bool, offset int, text string) []byte {
	b := append([]byte{0xd6, 0x82, q[2], q[3], 0, 0, 0, 0}, binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, uint16(offset)), uint16(len(text)))...)
	if more {
		b[1] |= 0x20
	}
	return append(b, text...)
}

func TestDatagramsAreAnsweredByWhatTheySay(t *testing.T) {
	const variables = `processor="x86_64", version="ntpd 4.2.8p15"`
	for name, c := range map[string]struct {
		port                    uint16
		answer                  func(q []byte) [][]byte
		service, evidence, text string
	}{
		"dns": {53, func(q []byte) [][]byte {
			var m dnsmessage.Message
			if m.Unpack(q) != nil {
				return nil
			}
			m.Response = true
			m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassCHAOS}, Body: &dnsmessage.TXTResource{TXT: []string{"unbound 1.17.1"}}}}
			good, _ := m.Pack()
			m.ID++
			m.Answers[0].Body = &dnsmessage.TXTResource{TXT: []string{"forged"}}
			bad, _ := m.Pack()
			return [][]byte{bad, good}
		}, "dns", "dns.versionbind", "unbound 1.17.1"},
		"ntp": {123, func(q []byte) [][]byte {
			if q[0]&7 == 6 { // the parts in the wrong order, and one of another question
				return [][]byte{control([]byte{0, 0, q[2] + 1, 0}, false, 0, "forged"), control(q, false, 22, variables[22:]), control(q, true, 0, variables[:22])}
			}
			b := make([]byte, 48)
			b[0], b[1] = 4<<3|4, 2
			forged := bytes.Clone(b)
			copy(b[24:], q[40:48])
			return [][]byte{forged, b}
		}, "ntp", "ntp.readvar", variables},
		"snmp": {161, func(q []byte) [][]byte { return [][]byte{engineReport(q, true), engineReport(q, false)} }, "snmp", "snmp.enterprise", "8072"},
		"stun": {3478, func(q []byte) [][]byte {
			return [][]byte{append(append([]byte{1, 1, 0, 12}, q[4:20]...), "\x80\x22\x00\x05Coturxxx"...)}
		}, "stun", "stun.software", "Cotur"},
		"sip": {5060, func(q []byte) [][]byte {
			if !bytes.HasPrefix(q, []byte("OPTIONS sip:127.0.0.1:5060 ")) || !bytes.Contains(q, []byte("Max-Forwards: 0\r\n")) {
				return nil
			}
			return [][]byte{[]byte("SIP/2.0 483 Too Many Hops\r\nServer: kamailio (5.6.3)\r\n\r\n")}
		}, "sip", "sip_header.server", "kamailio (5.6.3)"},
		"ssdp": {1900, func([]byte) [][]byte {
			return [][]byte{[]byte("HTTP/1.1 200 OK\r\nServer: Linux UPnP/1.0 MiniUPnPd/2.3.1\r\nLocation: http://192.0.2.9/root.xml\r\n\r\n")}
		}, "ssdp", "ssdp.server", "Linux UPnP/1.0 MiniUPnPd/2.3.1"},
		"mumble": {64738, func(q []byte) [][]byte { return [][]byte{append([]byte{0, 1, 3, 4}, q[4:12]...)} }, "mumble", "mumble.version", "1.3.4"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, heard, _ := serveUDP(t, c.port, c.answer)
			if heard != Answered || s.Service != c.service || s.Evidence[c.evidence] != c.text {
				t.Errorf("heard %d, said %+v", heard, s)
			}
		})
	}
}

// TestAPortIsAskedItsOwnProtocolAlone counts what a port meets that answers
// nonsense, and one at which nobody knows what is there.
func TestAPortIsAskedItsOwnProtocolAlone(t *testing.T) {
	for port, want := range map[uint16]int{161: 1, 40000: 6} {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			s, heard, asked := serveUDP(t, port, func([]byte) [][]byte { return [][]byte{[]byte(strings.Repeat("?", 100))} })
			if heard != Answered || s.Service != "" || asked != want {
				t.Errorf("port %d: heard %d after %d questions, said %+v", port, heard, asked, s)
			}
		})
	}
}

func TestAClosedPortIsRefusedAndASilentOneIsNot(t *testing.T) {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	to := c.LocalAddr().(*net.UDPAddr).AddrPort()
	dial := func(ctx context.Context, network string, _ netip.AddrPort) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, to.String())
	}
	at := netip.AddrPortFrom(to.Addr(), 161)
	if _, heard := (&Engine{}).IdentifyUDP(t.Context(), dial, at); heard != Silence {
		t.Errorf("a silent port: heard %d", heard)
	}
	_ = c.Close()
	if _, heard := (&Engine{}).IdentifyUDP(t.Context(), dial, at); heard != Refused {
		t.Errorf("a closed port: heard %d", heard)
	}
}

package identify

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/textproto"
	"strings"

	"noroshi/service"
)

// sip asks what a server can do (RFC 3261 §11). Nobody behind it is asked: the
// message may be forwarded no further.
func (a *asking) sip() bool {
	return a.sipSays(a.exchange(a.options("TCP"), func(b []byte) bool { return bytes.Contains(b, []byte("\r\n\r\n")) }))
}

func (a *asking) sipUDP() bool {
	return a.sipSays(a.datagram(a.options("UDP"), func(b []byte) bool { return bytes.HasPrefix(b, []byte("SIP/2.0 ")) }))
}

func (a *asking) options(over string) []byte {
	n := rand.Uint64()
	return fmt.Appendf(nil, "OPTIONS sip:%s SIP/2.0\r\nVia: SIP/2.0/%s noroshi.invalid;rport;branch=z9hG4bK%x\r\nMax-Forwards: 0\r\nFrom: <sip:noroshi.invalid>;tag=%x\r\nTo: <sip:%s>\r\nCall-ID: %x\r\nCSeq: 1 OPTIONS\r\nAccept: application/sdp\r\nUser-Agent: %s\r\nContent-Length: 0\r\n\r\n", a.to, over, n, n, a.to, n, a.agent())
}

func (a *asking) sipSays(b []byte) bool {
	first, h, ok := decodeHeaders(b, "SIP/2.0 ")
	if !ok {
		return false
	}
	a.s.Service = "sip"
	a.tell("sip.status", first)
	a.tell("sip_header.server", h.Get("Server"))
	a.tell("sip_header.user_agent", h.Get("User-Agent"))
	return true
}

// decodeHeaders reads the first line, which must begin as said, and the headers
// of a message that is not the web's but looks like it.
func decodeHeaders(b []byte, begin string) (first string, h textproto.MIMEHeader, ok bool) {
	r := textproto.NewReader(bufio.NewReader(bytes.NewReader(b)))
	first, err := r.ReadLine()
	if err != nil || !strings.HasPrefix(first, begin) {
		return "", nil, false
	}
	h, _ = r.ReadMIMEHeader() // What stands before an error is what there is.
	return service.Text(strings.TrimPrefix(first, begin)), h, true
}

// ssdp asks a device of UPnP what it is. Where it says that more is to be read
// is kept, and nobody goes there.
func (a *asking) ssdp() bool {
	const ok = "HTTP/1.1 200"
	q := fmt.Appendf(nil, "M-SEARCH * HTTP/1.1\r\nHOST: %s\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: upnp:rootdevice\r\n\r\n", a.to)
	b := a.datagram(q, func(b []byte) bool { return bytes.HasPrefix(b, []byte(ok)) })
	_, h, known := decodeHeaders(b, ok)
	if !known {
		return false
	}
	a.s.Service = "ssdp"
	a.tell("ssdp.server", h.Get("Server"))
	a.tell("ssdp.location", h.Get("Location"))
	return true
}

package identify

import (
	"bytes"
	"net"
	"strings"

	"noroshi/service"
)

const ehlo = "EHLO noroshi.invalid\r\n"

func trim(s string) string { return strings.TrimSpace(s) }

// line tells whether a whole line has been read.
func line(b []byte) bool { return bytes.IndexByte(b, '\n') >= 0 }

// some tells whether anything has been read.
func some(b []byte) bool { return len(b) > 0 }

// banner waits for a server that speaks first.
func (a *asking) banner() bool {
	c, err := a.connect()
	if err != nil {
		return false
	}
	defer func() { _ = c.Close() }() // What it said is read.
	first := converse(c, nil, func(b []byte) bool { return line(b) || len(b) > 4 && !printable(b[:5]) }, perBanner)
	return len(first) > 0 && a.speaksFirst(c, first)
}

// speaksFirst recognises a protocol by the server's first words, and goes on as
// its clients would.
func (a *asking) speaksFirst(c net.Conn, first []byte) bool {
	whole, _, _ := strings.Cut(string(first), "\n")
	text := service.Text(whole)
	upper := strings.ToUpper(text)
	switch {
	case strings.HasPrefix(text, "SSH-"):
		a.ssh(c, first)
	case strings.HasPrefix(text, "220") && (strings.Contains(upper, "SMTP") || a.to.Port() == 25 || a.to.Port() == 587 || a.to.Port() == 465):
		a.s.Service = "smtp"
		a.tell("smtp.banner", after(text, "220"))
		more := converse(c, []byte(ehlo), ended("250 "), perAnswer)
		a.tell("smtp.ehlo", string(more))
		a.startTLS(more, "STARTTLS", step{"", line, "220"}, step{ehlo, ended("250 "), "250"}, step{"STARTTLS\r\n", line, "220"})
	case strings.HasPrefix(text, "220"):
		a.s.Service = "ftp"
		a.tell("ftp.banner", after(text, "220"))
		more := converse(c, []byte("FEAT\r\n"), ended("211 "), perBanner)
		a.startTLS(more, "AUTH TLS", step{"", line, "220"}, step{"AUTH TLS\r\n", line, "234"})
	case strings.HasPrefix(upper, "* OK"), strings.HasPrefix(upper, "* PREAUTH"), strings.HasPrefix(upper, "* BYE"):
		a.s.Service = "imap"
		a.tell("imap4.banner", after(text, "* OK"))
		more := converse(c, []byte("a CAPABILITY\r\n"), ended("a "), perAnswer)
		a.tell("imap4.capability", string(more))
		a.startTLS(more, "STARTTLS", step{"", line, "* "}, step{"b STARTTLS\r\n", line, "b OK"})
	case strings.HasPrefix(upper, "+OK"):
		a.s.Service = "pop3"
		a.tell("pop3.banner", after(text, "+OK"))
		more := converse(c, []byte("CAPA\r\n"), ended("."), perAnswer)
		a.tell("pop3.capability", string(more))
		a.startTLS(more, "STLS", step{"", line, "+OK"}, step{"STLS\r\n", line, "+OK"})
	case strings.HasPrefix(text, "RFB "):
		a.s.Service = "vnc"
		a.tell("rfb.banner", text)
		a.vnc(c, text)
	case strings.HasPrefix(text, "@RSYNCD:"):
		a.s.Service = "rsync"
		a.tell("rsync.banner", text)
	case strings.HasPrefix(text, "200 "), strings.HasPrefix(text, "201 "):
		a.s.Service = "nntp"
		a.tell("nntp.banner", text[4:])
	case strings.HasPrefix(text, "INFO {"):
		a.nats(strings.TrimPrefix(whole, "INFO "))
	case strings.HasPrefix(text, `{"class":"VERSION"`):
		a.gps(whole)
	case strings.HasPrefix(text, "# munin node"):
		a.munin(c)
	case strings.HasPrefix(text, "HTTP/"):
		return false // It answered nothing we asked; the web's own question does better.
	case first[0] == 0xff:
		a.s.Service = "telnet"
		a.tell("telnet.banner", string(options(a.refuseAll(c, first))))
	default:
		if g, ok := decodeGreeting(first); ok {
			a.mysql(g)
			return true
		}
		a.tell("banner", string(first))
		return printable(first[:min(len(first), 16)])
	}
	return true
}

// after is a text behind a prefix, of any case.
func after(text, prefix string) string {
	if len(text) >= len(prefix) && strings.EqualFold(text[:len(prefix)], prefix) {
		text = text[len(prefix):]
	}
	return strings.TrimLeft(text, " -")
}

// ended tells whether a line begins as the last one of an answer does.
func ended(last string) func([]byte) bool {
	return func(b []byte) bool {
		if !bytes.HasSuffix(b, []byte("\n")) {
			return false
		}
		b = bytes.TrimRight(b, "\r\n")
		return bytes.HasPrefix(b[bytes.LastIndexByte(b, '\n')+1:], []byte(last))
	}
}

func printable(b []byte) bool {
	for _, c := range b {
		if c != '\r' && c != '\n' && c != '\t' && (c < ' ' || c == 0x7f) {
			return false
		}
	}
	return true
}

// maxNegotiation is how many turns a Telnet server may take to offer options.
const maxNegotiation = 6

// refuseAll goes on with a Telnet server until it asks for a name, or has nothing
// more to say: who refuses all options is shown the banner.
func (a *asking) refuseAll(c net.Conn, said []byte) (all []byte) {
	for range maxNegotiation {
		all = append(all, said...)
		if bytes.HasSuffix(bytes.TrimSpace(options(all)), []byte(":")) {
			break
		}
		if said = converse(c, refusals(said), some, perBanner); len(said) == 0 {
			break
		}
	}
	return all
}

// refusals answers each option that a server wants or offers: it is refused.
func refusals(b []byte) (say []byte) {
	const will, wont, do, dont = 0xfb, 0xfc, 0xfd, 0xfe
	for i := 0; i+2 < len(b) && len(say) < 300; i++ {
		if b[i] != 0xff || b[i+1] != will && b[i+1] != do {
			continue
		}
		refuse := byte(dont)
		if b[i+1] == do {
			refuse = wont
		}
		say = append(say, 0xff, refuse, b[i+2])
		i += 2
	}
	return say
}

// options takes Telnet's negotiation (RFC 854) out of a banner.
func options(b []byte) (text []byte) {
	for len(b) > 0 {
		switch {
		case b[0] != 0xff:
			text, b = append(text, b[0]), b[1:]
		case len(b) > 1 && b[1] == 0xfa: // a subnegotiation, up to its end
			if _, rest, ok := bytes.Cut(b, []byte{0xff, 0xf0}); ok {
				b = rest
			} else {
				return text
			}
		case len(b) > 1 && b[1] < 0xfb:
			b = b[2:]
		default:
			b = b[min(3, len(b)):]
		}
	}
	return text
}

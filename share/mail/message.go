package mail

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"mime"
	netmail "net/mail"
	"strings"
	"time"

	"noroshi/fault"
)

// maxAddress is the longest address of RFC 5321.
const maxAddress = 254

// Address reads an address as it goes over the line: plain ASCII, without a name.
func Address(s string) (string, error) {
	const op = "mail.address"
	a, err := netmail.ParseAddress(s)
	at := strings.LastIndexByte(s, '@')
	switch {
	case err != nil || a.Address != s || a.Name != "" || at < 1:
		return "", fault.New(fault.Invalid, op, "%.80q is no address such as name@example.jp", s)
	case len(s) > maxAddress:
		return "", fault.New(fault.TooLarge, op, "an address has at most %d bytes", maxAddress)
	case strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`<>"\,;:()[]`, r) }):
		return "", fault.New(fault.Invalid, op, "%.80q has a letter that not every relay takes: plain ASCII only, a domain of other letters as xn--…", s)
	}
	return s[:at] + "@" + strings.ToLower(s[at+1:]), nil
}

// File is an attachment.
type File struct {
	Name, Type string
	Content    []byte
}

// message is what goes over the line.
type message struct {
	ID                        string // the Message-ID, without brackets
	From, FromName, To, Reply string
	Subject, Lang, Text       string
	At                        time.Time
	Files                     []File
}

// bytes writes a message by RFC 5322. All bodies are base64, so that a relay
// without 8BITMIME changes nothing, and no line is too long or begins with a dot.
func (m message) bytes() []byte {
	var b bytes.Buffer
	head := func(name, value string) { fmt.Fprintf(&b, "%s: %s\r\n", name, value) }
	from := "<" + m.From + ">"
	if m.FromName != "" {
		from = encode(m.FromName) + "\r\n " + from
	}
	head("From", from)
	head("To", "<"+m.To+">")
	head("Reply-To", "<"+m.Reply+">")
	head("Subject", encode(m.Subject))
	head("Date", m.At.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	head("Message-ID", "<"+m.ID+">")
	// Nothing that answers by itself answers this (RFC 3834).
	head("Auto-Submitted", "auto-generated")
	head("X-Auto-Response-Suppress", "All")
	_, domain, _ := strings.Cut(m.From, "@")
	head("List-Id", "<digest.noroshi."+domain+">")
	head("List-Unsubscribe", "<mailto:"+m.Reply+"?subject=unsubscribe>")
	head("Content-Language", m.Lang)
	head("MIME-Version", "1.0")
	if len(m.Files) == 0 {
		part(&b, "text/plain; charset=utf-8", "", []byte(lines(m.Text)))
		return b.Bytes()
	}
	mark := "=_" + strings.NewReplacer("@", "_").Replace(m.ID) // "=_" is never in base64.
	if len(mark) > 70 {
		mark = mark[:70]
	}
	head("Content-Type", "multipart/mixed;\r\n boundary=\""+mark+"\"")
	b.WriteString("\r\n--" + mark + "\r\n")
	part(&b, "text/plain; charset=utf-8", "", []byte(lines(m.Text)))
	for _, f := range m.Files {
		b.WriteString("--" + mark + "\r\n")
		part(&b, f.Type, f.Name, f.Content)
	}
	b.WriteString("--" + mark + "--\r\n")
	return b.Bytes()
}

// part writes the headers and the content of one part.
func part(b *bytes.Buffer, typ, name string, content []byte) {
	b.WriteString("Content-Type: " + typ + "\r\n")
	if name != "" {
		b.WriteString("Content-Disposition: " + mime.FormatMediaType("attachment", map[string]string{"filename": name}) + "\r\n")
	}
	b.WriteString("Content-Transfer-Encoding: base64\r\n\r\n")
	text := base64.StdEncoding.EncodeToString(content)
	for len(text) > 76 {
		b.WriteString(text[:76] + "\r\n")
		text = text[76:]
	}
	b.WriteString(text + "\r\n")
}

// lines ends each line as mail does.
func lines(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\n", "\r\n")
}

// encode makes a header's text of any text (RFC 2047), one word a line.
func encode(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "�"))
	if len(s) > 60 || strings.Contains(s, "=?") || strings.ContainsAny(s, `"(),:;<>@[\]`) {
		return folded(s)
	}
	for _, r := range s {
		if r >= 0x80 {
			return folded(s)
		}
	}
	return s
}

// folded writes words of at most 45 bytes of text, between letters.
func folded(s string) string {
	var out []string
	for len(s) > 0 {
		n := 0
		for i, r := range s {
			if end := i + len(string(r)); end <= 42 {
				n = end
			}
		}
		out, s = append(out, "=?utf-8?b?"+base64.StdEncoding.EncodeToString([]byte(s[:n]))+"?="), s[n:]
	}
	return strings.Join(out, "\r\n ")
}

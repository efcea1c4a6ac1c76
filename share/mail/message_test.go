package mail_test

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	netmail "net/mail"
	"strings"
	"testing"

	"noroshi/share/mail"
)

// check reads a message as a stranger does, and says what its text is.
func check(t testing.TB, raw []byte, subject, name string) (*netmail.Message, string) {
	t.Helper()
	for _, line := range bytes.Split(bytes.TrimSuffix(raw, []byte("\r\n")), []byte("\r\n")) {
		if len(line) > 78 || bytes.ContainsAny(line, "\r\n\x00") || bytes.IndexFunc(line, func(r rune) bool { return r >= 0x80 }) >= 0 {
			t.Fatalf("a line is not for all relays: %q", line)
		}
	}
	m, err := netmail.ReadMessage(bytes.NewReader(raw))
	must(t, err)
	got, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil || got != subject {
		t.Fatalf("the subject is %q instead of %q, %v", got, subject, err)
	}
	from, err := m.Header.AddressList("From")
	if err != nil || len(from) != 1 || from[0].Name != name || from[0].Address != "noroshi@example.jp" {
		t.Fatalf("it is from %v instead of %q, %v", from, name, err)
	}
	for key, want := range map[string]string{"Auto-Submitted": "auto-generated", "Reply-To": "<help@example.jp>", "Message-Id": "<ltr_1@example.jp>", "To": "<a@example.jp>"} {
		if m.Header.Get(key) != want || len(m.Header[key]) != 1 {
			t.Fatalf("%s is %q", key, m.Header[key])
		}
	}
	if _, err := m.Header.Date(); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(m.Body)
	must(t, err)
	return m, string(b)
}

func FuzzMessage(f *testing.F) {
	f.Add("【狼煙】2026-11-26 対応が必要な件のお知らせ(是正 12件、注意喚起 3件)", "統括センター")
	f.Add("a\r\nBcc: x@example.jp", `x" <y@z>`)
	f.Add("=?utf-8?q?x?=", strings.Repeat("長い名前", 40))
	f.Fuzz(func(t *testing.T, subject, name string) {
		clean := func(s string) string {
			return strings.Map(func(r rune) rune {
				if r < ' ' || r == 0x7f {
					return ' '
				}
				return r
			}, strings.ToValidUTF8(s, "�"))
		}
		if name = clean(name); strings.TrimSpace(name) != name || strings.TrimSpace(clean(subject)) != clean(subject) || strings.Contains(clean(subject), "  ") || strings.Contains(name, "  ") {
			t.Skip("spaces at ends and in a row are a header's own")
		}
		check(t, mail.Compose(subject, name, "x"), clean(subject), name)
	})
}

func TestAttachmentsArrive(t *testing.T) {
	content := []byte("住所,時刻\n" + strings.Repeat("x", 1000))
	m, body := check(t, mail.Compose("件名", "", "本文\n.点\n", mail.File{Name: "isp-notices.csv", Type: "text/csv; charset=utf-8", Content: content}), "件名", "")
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	must(t, err)
	r := multipart.NewReader(strings.NewReader(body), params["boundary"])
	for i, want := range []string{"本文\r\n.点\r\n", string(content)} {
		p, err := r.NextPart()
		must(t, err)
		b, err := io.ReadAll(base64Of(p))
		if err != nil || string(b) != want || i == 1 && p.FileName() != "isp-notices.csv" {
			t.Errorf("part %d, %s, is %q, %v", i, p.FileName(), b, err)
		}
	}
	if _, err := r.NextPart(); err != io.EOF {
		t.Errorf("and more: %v", err)
	}
}

func TestOnlyPlainAddressesAreTaken(t *testing.T) {
	for _, s := range []string{"", "a", "a@", "@b.jp", "a@b.jp, c@d.jp", "A <a@b.jp>", "a b@c.jp", "a\r\nX: y@b.jp", "名前@example.jp", "a@例え.jp", `"a b"@c.jp`, strings.Repeat("a", 260) + "@b.jp"} {
		if got, err := mail.Address(s); err == nil {
			t.Errorf("%q is taken as %q", s, got)
		}
	}
	if got, err := mail.Address("Sec.Team+x@Example.JP"); err != nil || got != "Sec.Team+x@example.jp" {
		t.Errorf("%q, %v", got, err)
	}
}

package mail_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"noroshi/fault"
	"noroshi/share/mail"
)

// postOffice is a relay on this machine.
type postOffice struct {
	addr  string
	trust *tls.Config
	cert  tls.Certificate
	plain bool // it offers no TLS
	auth  string

	mu      sync.Mutex
	answers map[string]string // to the beginning of a command, instead of yes
	took    []taken
	said    []string // by whoever came, the letters apart
}

type taken struct{ from, to, content string }

func openPostOffice(t *testing.T) *postOffice {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	leaf, err := x509.ParseCertificate(der)
	must(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	p := &postOffice{addr: l.Addr().String(), trust: &tls.Config{RootCAs: pool}, cert: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, answers: map[string]string{}}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	return p
}

func (p *postOffice) relay() mail.Relay {
	return mail.Relay{Addr: p.addr, Security: mail.StartTLS, Trust: p.trust, Hello: "localhost"}
}

func (p *postOffice) answer(command, say string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers[command] = say
}

func (p *postOffice) letters() []taken {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]taken{}, p.took...)
}

func (p *postOffice) serve(c net.Conn) {
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	in := textproto.NewReader(bufio.NewReader(c))
	say := func(s string) { _, _ = io.WriteString(c, s+"\r\n") }
	var now taken
	say("220 post office")
	for secure := false; ; {
		line, err := in.ReadLine()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.said = append(p.said, line)
		instead := ""
		for begin, s := range p.answers {
			if strings.HasPrefix(line, begin) {
				instead = s
			}
		}
		p.mu.Unlock()
		verb, _, _ := strings.Cut(line, " ")
		switch {
		case instead != "":
			say(instead)
		case verb == "EHLO" && !secure && !p.plain:
			say("250-post office\r\n250 STARTTLS")
		case verb == "EHLO":
			say("250-post office\r\n250 AUTH PLAIN")
		case verb == "STARTTLS":
			say("220 go on")
			t := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{p.cert}})
			c, in, secure = t, textproto.NewReader(bufio.NewReader(t)), true
		case verb == "AUTH":
			p.auth = line
			say("235 known")
		case verb == "MAIL":
			now = taken{from: line}
			say("250 yes")
		case verb == "RCPT":
			now.to = strings.TrimSuffix(strings.TrimPrefix(line, "RCPT TO:<"), ">")
			say("250 yes")
		case verb == "DATA":
			say("354 go on")
			b, err := in.ReadDotBytes()
			if err != nil {
				return
			}
			now.content = string(b)
			p.mu.Lock()
			p.took = append(p.took, now)
			p.mu.Unlock()
			say("250 taken")
		case verb == "QUIT":
			say("221 bye")
			return
		default:
			say("500 what?")
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestALetterGoesOverAProtectedLineOrNotAtAll hands letters to relays of all kinds.
func TestALetterGoesOverAProtectedLineOrNotAtAll(t *testing.T) {
	ctx, p := t.Context(), openPostOffice(t)
	r := p.relay()
	r.User, r.Password = "hub", "秘密"
	must(t, mail.Hand(ctx, r, "noroshi@example.jp", "a@example.jp", []byte("X: 1\r\n\r\n.a line with a dot\r\n")))
	if got := p.letters(); len(got) != 1 || got[0].to != "a@example.jp" || got[0].content != "X: 1\n\n.a line with a dot\n" || !strings.HasPrefix(p.auth, "AUTH PLAIN ") {
		t.Errorf("taken was %+v after %s", got, p.auth)
	}
	stranger := r
	stranger.Trust = nil
	if err := mail.Hand(ctx, stranger, "a@b.jp", "c@d.jp", nil); err == nil {
		t.Error("a relay that nobody vouches for is believed")
	}
	p.plain = true
	for _, security := range []string{mail.StartTLS, mail.Clear} {
		r.Security = security
		if err := mail.Hand(ctx, r, "a@b.jp", "c@d.jp", []byte("x")); fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "clear") {
			t.Errorf("%s: a password or a letter goes in clear: %v", security, err)
		}
	}
	p.mu.Lock()
	for _, line := range p.said[len(p.said)-2:] {
		if !strings.HasPrefix(line, "EHLO") {
			t.Errorf("it was said %s", line)
		}
	}
	p.mu.Unlock()
	r.User = ""
	must(t, mail.Hand(ctx, r, "a@b.jp", "c@d.jp", []byte("x"))) // To a relay on this machine.
	if n := len(p.letters()); n != 2 {
		t.Errorf("%d letters were taken instead of 2", n)
	}
}

// TestARelayThatNeverEndsIsLeft hears a relay that talks without end.
func TestARelayThatNeverEndsIsLeft(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		for err == nil {
			_, err = fmt.Fprint(c, strings.Repeat("220-hello ", 1000))
		}
		_ = c.Close()
	}()
	err = mail.Hand(t.Context(), mail.Relay{Addr: l.Addr().String(), Security: mail.Clear, Hello: "localhost"}, "a@b.jp", "c@d.jp", nil)
	if fault.KindOf(err) != fault.Unavailable {
		t.Errorf("it is heard to its end: %v", err)
	}
	_ = l.Close()
	<-done
}

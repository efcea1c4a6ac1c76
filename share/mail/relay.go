package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/smtp"
	"net/textproto"
	"time"

	"noroshi/fault"
)

// How the line to the relay is protected.
const (
	StartTLS = "starttls" // as a port for submission does
	TLS      = "tls"      // from the first byte
	Clear    = "none"     // only on this machine, and never with a password
)

// Relay is where letters are handed in.
type Relay struct {
	Addr     string // host:port
	Security string
	User     string
	Password string
	Trust    *tls.Config // nil takes the system's authorities
	Hello    string      // how this machine is called
}

// Bounds of one talk with a relay.
const (
	talkTime  = 2 * time.Minute
	talkBytes = 1 << 20 // that a relay may say
)

// refused tells that the relay does not take this letter, now or ever: nothing is
// wrong with the relay.
type refused struct{ error }

func (r refused) Unwrap() error { return r.error }

// permanent tells whether trying again is of no use.
func permanent(err error) bool {
	var r refused
	var code *textproto.Error
	return errors.As(err, &r) && errors.As(err, &code) && code.Code >= 500
}

// ofLetter tells whether an error is about one letter, and not the relay.
func ofLetter(err error) bool {
	var r refused
	return errors.As(err, &r)
}

// send hands one letter in.
func (r Relay) send(ctx context.Context, from, to string, content []byte) error {
	host, _, err := net.SplitHostPort(r.Addr)
	if err != nil {
		return fault.As(fault.Invalid, "mail.send", err, "%q is not of the form host:port", r.Addr)
	}
	ctx, cancel := context.WithTimeout(ctx, talkTime)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", r.Addr)
	if err != nil {
		return fault.As(fault.Unavailable, "mail.send", err, "the relay %s cannot be reached: %v", r.Addr, err)
	}
	defer func() { _ = conn.Close() }() // What was to be said was said, or failed.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	c, err := r.greet(conn, host)
	if err != nil {
		return fault.As(fault.Unavailable, "mail.send", err, "the relay %s: %v", r.Addr, err)
	}
	if err := c.Mail(from); err != nil {
		return fault.As(fault.Unavailable, "mail.send", err, "the relay %s takes nothing from %s: %v", r.Addr, from, err)
	}
	if err := c.Rcpt(to); err != nil {
		return refused{fault.As(fault.Invalid, "mail.send", err, "the relay takes nothing for this address: %v", err)}
	}
	w, err := c.Data()
	if err == nil {
		if _, err = w.Write(content); err == nil {
			err = w.Close()
		}
	}
	if err != nil {
		return refused{fault.As(fault.Unavailable, "mail.send", err, "the relay does not take the letter: %v", err)}
	}
	_ = c.Quit() // It has the letter.
	return nil
}

// greet protects the line and says who we are.
func (r Relay) greet(conn net.Conn, host string) (*smtp.Client, error) {
	trust := &tls.Config{}
	if r.Trust != nil {
		trust = r.Trust.Clone()
	}
	trust.ServerName, trust.MinVersion = host, tls.VersionTLS12
	var line net.Conn = &bounded{conn, talkBytes}
	if r.Security == TLS {
		line = tls.Client(line, trust)
	}
	c, err := smtp.NewClient(line, host)
	if err != nil {
		return nil, err
	}
	if err := c.Hello(r.Hello); err != nil {
		return nil, err
	}
	if r.Security == StartTLS {
		if ok, _ := c.Extension("STARTTLS"); !ok {
			return nil, errors.New("it offers no TLS, and nothing is sent in clear (hub.mail.tls)")
		}
		if err := c.StartTLS(trust); err != nil {
			return nil, err
		}
	}
	if r.User == "" {
		return c, nil
	}
	if _, protected := c.TLSConnectionState(); !protected {
		return nil, errors.New("a password is not said in clear (hub.mail.tls)")
	}
	return c, c.Auth(smtp.PlainAuth("", r.User, r.Password, host))
}

// bounded is a connection that says no more than it may.
type bounded struct {
	net.Conn
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, io.ErrShortBuffer
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// Package identify asks an open port what it is, by saying what any client of
// the protocol would say first, and reading what comes back. It only reads: it
// tries no password, changes nothing, follows no redirect, unpacks nothing, and
// takes from a hostile server a bounded number of bytes in a bounded time. Every
// connection is made by its caller's dial, which asks the gate of the scope.
package identify

import (
	"context"
	"crypto/x509"
	"net"
	"net/netip"
	"time"

	"noroshi/sense/surface/recog"
	"noroshi/service"
)

// Dial connects to a target, when that is allowed.
type Dial func(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error)

// The limits of what one server may take of us.
const (
	maxAnswer = 64 << 10        // bytes of one answer
	perAnswer = 3 * time.Second // for one exchange
	perBanner = time.Second     // for a server to speak first
	perGuess  = 2 * time.Second // for a web server to show its first page where none is expected
	perPort   = time.Minute     // for all exchanges with one port, what the gate makes them wait included
)

// Engine identifies.
type Engine struct {
	Fingerprints *recog.DB                 // none when nil
	Contact      string                    // said to web servers, so that their owner knows whom to ask
	Pages        []Page                    // that web servers are asked for
	Roots        *x509.CertPool            // that are trusted; nil judges no chain
	Names        func(netip.Addr) []string // by which an address is known; may be nil
}

// asking is the exchanges with one port.
type asking struct {
	*Engine
	ctx   context.Context
	dial  Dial
	to    netip.AddrPort
	s     service.Answer
	heard Heard         // over UDP
	guess time.Duration // how long to wait for the first page
}

// Identify asks one open port. What it finds until ctx ends, it says.
func (e *Engine) Identify(ctx context.Context, dial Dial, to netip.AddrPort) service.Answer {
	ctx, cancel := context.WithTimeout(ctx, perPort)
	defer cancel()
	a := &asking{Engine: e, ctx: ctx, dial: dial, to: to, s: service.Answer{Evidence: map[string]string{}}}
	for i, round := range rounds(to.Port()) {
		if a.guess = perGuess; i == 0 {
			a.guess = perAnswer
		}
		if ctx.Err() != nil || a.try(round) {
			break
		}
	}
	a.conclude()
	return a.s
}

// tell keeps a text as evidence.
func (a *asking) tell(kind, text string) {
	if text = service.Text(text); text != "" {
		a.s.Evidence[kind] = text
	}
}

// exchange connects, says what is to be said, and reads until enough is read or
// the time is over. An error with bytes is an answer.
func (a *asking) exchange(say []byte, enough func([]byte) bool) []byte {
	c, err := a.connect()
	if err != nil {
		return nil
	}
	defer func() { _ = c.Close() }() // What it said is read.
	return converse(c, say, enough, perAnswer)
}

// connect dials and bounds the whole life of the connection; it ends with ctx.
func (a *asking) connect() (net.Conn, error) {
	ctx, cancel := context.WithTimeout(a.ctx, perAnswer)
	defer cancel()
	c, err := a.dial(ctx, "tcp", a.to)
	if err != nil {
		return nil, err
	}
	return &bound{Conn: c, stop: context.AfterFunc(a.ctx, func() { _ = c.Close() })}, nil
}

// bound is a connection that is closed when its context ends.
type bound struct {
	net.Conn
	stop func() bool
}

// Close closes the connection and forgets the context.
func (b *bound) Close() error {
	b.stop()
	return b.Conn.Close()
}

// converse says something and reads the answer, at most maxAnswer bytes.
func converse(c net.Conn, say []byte, enough func([]byte) bool, within time.Duration) []byte {
	_ = c.SetDeadline(time.Now().Add(within)) // A dead connection says so when it is used.
	if len(say) > 0 {
		if _, err := c.Write(say); err != nil {
			return nil
		}
	}
	var all []byte
	b := make([]byte, 4<<10)
	for len(all) < maxAnswer {
		n, err := c.Read(b)
		if all = append(all, b[:n]...); err != nil || enough(all) {
			break
		}
	}
	return all[:min(len(all), maxAnswer)]
}

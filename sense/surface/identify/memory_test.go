package identify

import (
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// The tests speak to their servers in memory and by a clock that stands still while
// anybody works: what a server says is never late because the machine is slow.

// direction is one half of a connection: what was written waits there until it is
// read, as the kernel lets it.
type direction struct {
	mu      sync.Mutex
	changed *sync.Cond
	parts   [][]byte // a stream's bytes, or datagrams
	size    int
	ended   bool      // nobody writes any more
	left    bool      // nobody reads any more
	late    time.Time // when who waits to read gives up
}

// set changes it, and lets everybody look who waits for a change.
func (d *direction) set(change func(*direction)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(d)
	d.changed.Broadcast()
}

// window is how much waits to be read before who writes waits.
const window = 64 << 10

func newDirection() *direction {
	d := &direction{}
	d.changed = sync.NewCond(&d.mu)
	return d
}

// plug is one end of a connection.
type plug struct {
	in, out   *direction
	datagrams bool
	at        net.Addr
}

// connection makes one; the two ends are those of the client and the server.
func connection(at netip.AddrPort, datagrams bool) (client, server net.Conn) {
	there, back := newDirection(), newDirection()
	addr := net.Addr(net.TCPAddrFromAddrPort(at))
	return &plug{back, there, datagrams, addr}, &plug{there, back, datagrams, addr}
}

func (p *plug) Read(b []byte) (int, error) {
	d := p.in
	d.mu.Lock()
	defer d.mu.Unlock()
	for {
		switch {
		case d.left:
			return 0, net.ErrClosed
		case !d.late.IsZero() && !time.Now().Before(d.late):
			return 0, os.ErrDeadlineExceeded
		case len(d.parts) > 0:
			n := copy(b, d.parts[0])
			if d.size -= n; p.datagrams || n == len(d.parts[0]) {
				d.parts = d.parts[1:]
			} else {
				d.parts[0] = d.parts[0][n:]
			}
			d.changed.Broadcast()
			return n, nil
		case d.ended:
			return 0, io.EOF
		}
		d.changed.Wait()
	}
}

func (p *plug) Write(b []byte) (int, error) {
	d := p.out
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.size > window && !d.left && !d.ended {
		d.changed.Wait()
	}
	if d.ended {
		return 0, net.ErrClosed
	}
	if d.left {
		return 0, syscall.EPIPE
	}
	if len(b) > 0 {
		d.parts, d.size = append(d.parts, append([]byte(nil), b...)), d.size+len(b)
	}
	d.changed.Broadcast()
	return len(b), nil
}

func (p *plug) Close() error {
	p.in.set(func(d *direction) { d.left = true })
	p.out.set(func(d *direction) { d.ended = true })
	return nil
}

func (p *plug) SetReadDeadline(t time.Time) error {
	p.in.set(func(d *direction) { d.late = t })
	if !t.IsZero() {
		time.AfterFunc(time.Until(t), p.in.changed.Broadcast)
	}
	return nil
}

// SetDeadline bounds reading; who writes waits for its reader, which closes.
func (p *plug) SetDeadline(t time.Time) error    { return p.SetReadDeadline(t) }
func (p *plug) SetWriteDeadline(time.Time) error { return nil }
func (p *plug) LocalAddr() net.Addr              { return p.at }
func (p *plug) RemoteAddr() net.Addr             { return p.at }

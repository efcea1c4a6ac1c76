package syn

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"noroshi/fault"
)

// batch is how many frames one system call hands over.
const batch = 256

// mmsghdr is the kernel's struct mmsghdr.
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
	_   [4]byte
}

// frames is memory for a batch, laid out once as the kernel wants it.
type frames struct {
	buf  [batch][128]byte
	iovs [batch]unix.Iovec
	msgs [batch]mmsghdr
}

func newFrames() *frames {
	f := &frames{}
	for i := range f.msgs {
		f.iovs[i].Base = &f.buf[i][0]
		f.iovs[i].SetLen(len(f.buf[i]))
		f.msgs[i].hdr.Iov = &f.iovs[i]
		f.msgs[i].hdr.SetIovlen(1)
	}
	return f
}

// call is sendmmsg or recvmmsg of the frames from first up to last.
func (f *frames) call(trap uintptr, fd, first, last, flags int) (int, error) {
	n, _, errno := unix.Syscall6(trap, uintptr(fd), uintptr(unsafe.Pointer(&f.msgs[first])), uintptr(last-first), uintptr(flags), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// Prober sends the probes of one family along one path, and reads the answers.
type Prober struct {
	path     Path
	port     uint16
	key      Key
	send     int
	receive  int
	template template
	out      *frames
	queued   int
	bogus    atomic.Int64
}

// Open makes the sockets, which needs CAP_NET_RAW: without it the error is of
// the kind Denied. The port is the source of all probes.
func Open(path Path, port uint16, key Key) (*Prober, error) {
	p := &Prober{path: path, port: port, key: key, template: newTemplate(path, port), out: newFrames(), receive: -1}
	for i := range p.out.iovs {
		p.out.iovs[i].SetLen(p.template.n)
	}
	var err error
	if p.send, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
		return nil, fault.As(fault.Denied, "syn.open", err, "there are no raw sockets here: %v; root or CAP_NET_RAW has them", err)
	}
	if err = p.set(); err != nil {
		p.Close()
		return nil, fault.As(fault.Unavailable, "syn.open", err, "the raw sockets cannot be set up on %s: %v", path.Name, err)
	}
	return p, nil
}

func (p *Prober) set() error {
	// Bound to no protocol: this socket only sends.
	if err := unix.Bind(p.send, &unix.SockaddrLinklayer{Ifindex: p.path.Index}); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(p.send, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1); err != nil {
		return err
	}
	_ = unix.SetsockoptInt(p.send, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 8<<20) // The default only means more waiting.
	var err error
	if p.receive, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
		return err
	}
	raw, err := filter(p.path.Source, p.port)
	if err != nil {
		return err
	}
	prog := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		prog[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	// The filter stands before the socket hears anything.
	if err := unix.SetsockoptSockFprog(p.receive, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}); err != nil {
		return err
	}
	_ = unix.SetsockoptInt(p.receive, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20) // What is lost is counted.
	kind := uint16(etherIPv4)
	if p.path.Source.Is6() {
		kind = etherIPv6
	}
	return unix.Bind(p.receive, &unix.SockaddrLinklayer{Protocol: kind>>8 | kind<<8, Ifindex: p.path.Index})
}

// Close gives the sockets back.
func (p *Prober) Close() {
	_ = unix.Close(p.send) // Neither has anything left to say.
	if p.receive >= 0 {
		_ = unix.Close(p.receive)
	}
}

// Send queues one probe; a full queue leaves at once.
func (p *Prober) Send(to netip.AddrPort) error {
	p.template.write(p.out.buf[p.queued][:], to, p.key.cookie(to))
	if p.queued++; p.queued == batch {
		return p.Flush()
	}
	return nil
}

// Flush sends what is queued.
func (p *Prober) Flush() error {
	first, last := 0, p.queued
	p.queued = 0
	for first < last {
		n, err := p.out.call(unix.SYS_SENDMMSG, p.send, first, last, 0)
		switch {
		case err == nil:
			first += n
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.ENOBUFS), errors.Is(err, unix.EAGAIN):
			time.Sleep(100 * time.Microsecond) // The card's queue is full.
		default:
			return fault.As(fault.Unavailable, "syn.send", err, "%s does not send: %v", p.path.Name, err)
		}
	}
	return nil
}

// Receive hands every answer over until ctx ends. It looks rather than waits: at
// many answers one look finds many, and at few it looks fifty times a second.
func (p *Prober) Receive(ctx context.Context, each func(Answer)) error {
	in := newFrames()
	pause := time.Millisecond
	for ctx.Err() == nil {
		n, err := in.call(unix.SYS_RECVMMSG, p.receive, 0, batch, unix.MSG_DONTWAIT)
		switch {
		case err == nil:
			pause = time.Millisecond
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
			pause = min(2*pause, 20*time.Millisecond)
		default:
			return fault.As(fault.Unavailable, "syn.receive", err, "%s does not receive: %v", p.path.Name, err)
		}
		for i := range n {
			a, cookie, port, ok := parse(in.buf[i][:min(int(in.msgs[i].n), len(in.buf[i]))])
			if !ok || port != p.port || cookie != p.key.cookie(a.From) {
				p.bogus.Add(1)
				continue
			}
			each(a)
		}
		if n < batch {
			time.Sleep(pause)
		}
	}
	return nil
}

// Bogus is how many frames looked like answers and repeated no cookie.
func (p *Prober) Bogus() int64 { return p.bogus.Load() }

// Dropped is how many frames the kernel had no room for since the last asking.
func (p *Prober) Dropped() int64 {
	st, err := unix.GetsockoptTpacketStats(p.receive, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return 0
	}
	return int64(st.Drops)
}

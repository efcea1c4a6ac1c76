package dns

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"noroshi/fault"
)

// Bounds of a TCP client.
const (
	tcpIdle      = 10 * time.Second
	tcpWrite     = 5 * time.Second
	tcpPerClient = 4    // of one client's connections: a quarter of all
	maxQuery     = 4096 // bytes of a UDP query
)

// udpSocket is one socket. One that listens on all addresses must answer from
// the address that was asked, which the kernel tells beside the packet.
type udpSocket struct {
	*net.UDPConn
	local netip.AddrPort
	all   bool
}

// Listen opens the sockets, so that Addr is known before Run.
func (r *Resolver) Listen() error {
	for _, l := range r.cfg.Listen {
		if err := r.listen(l); err != nil {
			for _, s := range r.udp {
				s.Close()
			}
			for _, t := range r.tcp {
				t.Close()
			}
			r.udp, r.tcp = nil, nil
			return fault.As(fault.Invalid, "dns.listen", err, "the resolver cannot listen on %s", l)
		}
	}
	return nil
}

// listen opens UDP and TCP on one port. When the system chooses the port, the
// one that is free for TCP may be taken for UDP: then another is tried.
func (r *Resolver) listen(address string) error {
	a, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return err
	}
	var tcp *net.TCPListener
	var udp *net.UDPConn
	for try := 0; ; try++ {
		if tcp, err = net.ListenTCP("tcp", a); err != nil {
			return err
		}
		bound := tcp.Addr().(*net.TCPAddr)
		if udp, err = net.ListenUDP("udp", &net.UDPAddr{IP: a.IP, Port: bound.Port, Zone: a.Zone}); err == nil {
			break
		}
		tcp.Close()
		if a.Port != 0 || try == 10 || !errors.Is(err, syscall.EADDRINUSE) {
			return err
		}
	}
	s := &udpSocket{UDPConn: udp, local: unmap(udp.LocalAddr().(*net.UDPAddr).AddrPort()), all: a.IP == nil || a.IP.IsUnspecified()}
	if s.all {
		// One of the two fails where the socket is of the other family only.
		err4 := ipv4.NewPacketConn(udp).SetControlMessage(ipv4.FlagDst, true)
		err6 := ipv6.NewPacketConn(udp).SetControlMessage(ipv6.FlagDst, true)
		if err4 != nil && err6 != nil {
			udp.Close()
			tcp.Close()
			return errors.Join(err4, err6)
		}
	}
	r.udp, r.tcp = append(r.udp, s), append(r.tcp, tcp)
	return nil
}

// Addr is the first address that is listened on, by UDP and TCP alike; not valid
// before Listen.
func (r *Resolver) Addr() netip.AddrPort {
	if len(r.udp) == 0 {
		return netip.AddrPort{}
	}
	return r.udp[0].local
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

func (r *Resolver) serveUDP(ctx context.Context, s *udpSocket) error {
	stop := context.AfterFunc(ctx, func() { _ = s.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	var answering sync.WaitGroup
	defer s.Close()
	defer answering.Wait() // Before the socket is closed.
	buf, oob := make([]byte, maxQuery), make([]byte, 128)
	for {
		n, oobn, _, from, err := s.ReadMsgUDPAddrPort(buf, oob)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		if err != nil {
			continue // An ICMP error of an earlier answer; the socket is sound.
		}
		select {
		case r.handlers <- struct{}{}:
		default:
			r.st.overloaded.Add(1)
			continue
		}
		packet, source := append([]byte(nil), buf[:n]...), s.source(oob[:oobn])
		answering.Go(func() {
			defer func() { <-r.handlers }()
			if out := r.respond(ctx, packet, client{addr: unmap(from), local: s.local}); out != nil {
				_, _, _ = s.WriteMsgUDPAddrPort(out, source, from) // A client that is gone is no error of ours.
			}
		})
	}
}

// source turns what the kernel said of a packet's destination into the wish to
// answer from there.
func (s *udpSocket) source(oob []byte) []byte {
	if !s.all || len(oob) == 0 {
		return nil
	}
	var to net.IP
	var m6 ipv6.ControlMessage
	var m4 ipv4.ControlMessage
	if m6.Parse(oob) == nil && m6.Dst != nil {
		to = m6.Dst
	} else if m4.Parse(oob) == nil {
		to = m4.Dst
	}
	if to == nil {
		return nil
	}
	if v4 := to.To4(); v4 != nil { // Also on a socket of both families.
		return (&ipv4.ControlMessage{Src: v4}).Marshal()
	}
	return (&ipv6.ControlMessage{Src: to}).Marshal()
}

func (r *Resolver) serveTCP(ctx context.Context, l *net.TCPListener) error {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	conns := connections{max: r.cfg.MaxTCP, of: map[netip.Addr]int{}}
	var serving sync.WaitGroup
	defer serving.Wait()
	for {
		c, err := l.AcceptTCP()
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		if err != nil {
			// No descriptors are left: connections must end before there is one.
			t := time.NewTimer(50 * time.Millisecond)
			select {
			case <-ctx.Done():
			case <-t.C:
			}
			continue
		}
		from := unmap(c.RemoteAddr().(*net.TCPAddr).AddrPort())
		if !r.allowed(from.Addr()) || !conns.enter(from.Addr()) {
			r.st.refused.Add(1)
			c.Close()
			continue
		}
		serving.Go(func() {
			defer conns.leave(from.Addr())
			r.serveConn(ctx, c, client{addr: from, local: unmap(c.LocalAddr().(*net.TCPAddr).AddrPort()), tcp: true})
		})
	}
}

// serveConn answers the questions of one connection in their order.
func (r *Resolver) serveConn(ctx context.Context, c *net.TCPConn, who client) {
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	for {
		if err := c.SetReadDeadline(time.Now().Add(tcpIdle)); err != nil {
			return
		}
		packet, err := readFrame(c)
		if err != nil {
			return
		}
		out := r.respond(ctx, packet, who)
		if out == nil {
			return // What is no question ends the connection.
		}
		if err := c.SetWriteDeadline(time.Now().Add(tcpWrite)); err != nil {
			return
		}
		if _, err := c.Write(append(binary.BigEndian.AppendUint16(make([]byte, 0, len(out)+2), uint16(len(out))), out...)); err != nil {
			return
		}
	}
}

// connections bounds how many connections there are, and how many of one client.
type connections struct {
	max int
	mu  sync.Mutex
	all int
	of  map[netip.Addr]int
}

func (c *connections) enter(a netip.Addr) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all >= c.max || c.of[a] >= max(1, c.max/tcpPerClient) {
		return false
	}
	c.all++
	c.of[a]++
	return true
}

func (c *connections) leave(a netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all--
	if c.of[a]--; c.of[a] == 0 {
		delete(c.of, a)
	}
}

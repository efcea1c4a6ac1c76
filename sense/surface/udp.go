package surface

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"noroshi/sense/surface/identify"
	"noroshi/service"
)

// datagrams is how many UDP ports are asked at once. Each that keeps silent holds
// its place for as long as it may take to answer.
const datagrams = 1_024

// askers ask UDP ports. There is no probe but a question that the port's own
// protocol answers, so trying and identifying are one.
type askers struct {
	asking sync.WaitGroup
	room   chan struct{}
}

// askUDP asks one port, by a leave of the gate that has been given for the first
// datagram. It waits while too many others are asked.
func (r *run) askUDP(ctx context.Context, to Target) {
	r.udp.room <- struct{}{} // Each is free again when its port has had its time.
	r.udp.asking.Go(func() {
		defer func() { <-r.udp.room }()
		engine := r.o.Identify
		if engine == nil {
			engine = &identify.Engine{Contact: r.scope.Contact}
		}
		leave := true
		dial := func(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error) {
			if !leave {
				return r.Gate.Dial(ctx, network, to)
			}
			leave = false
			var d net.Dialer
			return d.DialContext(ctx, network, to.String())
		}
		p := service.Port{Address: to.Addr(), Port: to.Port(), Transport: to.Network(), FirstSeen: time.Now().UTC()}
		s, heard := engine.IdentifyUDP(ctx, dial, to.AddrPort)
		if r.o.Identify != nil {
			p.Answer = s
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		switch heard {
		case identify.Answered:
			r.open++
			r.o.Found(p)
		case identify.Refused:
			r.closed++
			if r.o.Closed != nil {
				r.o.Closed(to)
			}
		case identify.Silence:
		}
	})
}

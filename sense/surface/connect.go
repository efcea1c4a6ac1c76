package surface

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"

	"noroshi/sense/surface/syn"
	"noroshi/service"
)

const (
	connecting     = 256 // connections that are tried at once
	connectTimeout = 3 * time.Second
	identifying    = 32 // open ports that are asked at once
)

// connectAll tries the ports by whole connections, where the machine gives no
// raw sockets or no router lies before the targets.
func (r *run) connectAll(ctx context.Context) (Reason, error) {
	var trying sync.WaitGroup
	defer trying.Wait()
	room := make(chan struct{}, connecting)
	var promised uint64
	for i := r.next.Load(); i < r.space.size(); i++ {
		if i >= promised {
			if promised = min(i+r.stride(), r.space.size()); !r.promise(promised) {
				return Unaccounted, nil
			}
		}
		to := r.space.at(r.order.at(i))
		if err := r.Gate.Wait(ctx, to); err != nil {
			var no Refusal
			if errors.As(err, &no) && no.Why == IsExcluded { // It was when the run began, or has been since.
				r.next.Store(i + 1)
				continue
			}
			if errors.As(err, &no) {
				return no.Why, nil
			}
			return Withdrawn, nil
		}
		r.next.Store(i + 1)
		if to.UDP {
			r.askUDP(ctx, to)
			continue
		}
		room <- struct{}{} // Each is free again within connectTimeout, and at once when ctx ends.
		trying.Go(func() {
			r.tryConnect(ctx, to)
			<-room
		})
	}
	return Allowed, nil
}

func (r *run) tryConnect(ctx context.Context, to Target) {
	d := net.Dialer{Timeout: connectTimeout}
	c, err := d.DialContext(ctx, "tcp", to.AddrPort.String())
	if err == nil {
		_ = c.Close() // Nothing was said.
	}
	if err == nil || errors.Is(err, syscall.ECONNREFUSED) {
		r.answered(syn.Answer{From: to.AddrPort, Open: err == nil})
	}
}

// identifiers ask the open ports what they are, each connection by leave of the
// gate, and tell of them. The channel is closed when all have been told of.
func (r *run) identifiers(ctx context.Context) <-chan struct{} {
	var asking sync.WaitGroup
	for range identifying {
		asking.Go(func() {
			for n, more := r.queue.take(); more; n, more = r.queue.take() {
				to := r.space.at(n)
				p := service.Port{Address: to.Addr(), Port: to.Port(), Transport: to.Network(), FirstSeen: time.Now().UTC()}
				if r.o.Identify != nil {
					p.Answer = r.o.Identify.Identify(ctx, r.Gate.Dial, to.AddrPort)
				}
				r.mu.Lock()
				r.o.Found(p)
				r.mu.Unlock()
			}
		})
	}
	done := make(chan struct{})
	go func() {
		asking.Wait()
		close(done)
	}()
	return done
}

package dns

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// limiter is a token bucket per client address, with a bounded number of them.
type limiter struct {
	rate float64
	mu   sync.Mutex
	m    map[netip.Addr]bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

const maxBuckets = 100_000

func newLimiter(rate float64) *limiter { return &limiter{rate: rate, m: map[netip.Addr]bucket{}} }

func (l *limiter) allow(a netip.Addr, now time.Time) bool {
	if l.rate <= 0 {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b, ok := l.m[a]
	if !ok {
		if len(l.m) >= maxBuckets {
			clear(l.m) // Everybody begins again: simpler than choosing whom to forget.
		}
		b = bucket{tokens: l.rate, at: now}
	}
	b.tokens = min(l.rate, b.tokens+now.Sub(b.at).Seconds()*l.rate)
	b.at = now
	ok = b.tokens >= 1
	if ok {
		b.tokens--
	}
	l.m[a] = b
	return ok
}

// limit bounds the connections that a listener has open at one time.
func limit(l net.Listener, n int) net.Listener {
	return &limited{Listener: l, slots: make(chan struct{}, n)}
}

type limited struct {
	net.Listener
	slots chan struct{}
}

func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case l.slots <- struct{}{}:
			return &counted{Conn: c, free: sync.OnceFunc(func() { <-l.slots })}, nil
		default:
			_ = c.Close() // Over the limit; the client tries again.
		}
	}
}

type counted struct {
	net.Conn
	free func()
}

func (c *counted) Close() error {
	c.free()
	return c.Conn.Close()
}

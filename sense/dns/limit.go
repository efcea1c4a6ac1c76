package dns

import (
	"net/netip"
	"sync"
	"time"
)

// maxClients bounds how many clients the limiter remembers. Beyond it, it starts
// afresh: that lets a little more through, once.
const maxClients = 65536

// limiter is a token bucket for each client: a second's worth of queries at
// once, then at the rate. IPv6 clients are counted by their /64, which one
// machine has to itself.
type limiter struct {
	rate float64 // in a second; 0 for no limit

	mu sync.Mutex
	of map[netip.Addr]bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

func newLimiter(rate int) *limiter {
	return &limiter{rate: float64(rate), of: map[netip.Addr]bucket{}}
}

func (l *limiter) allow(a netip.Addr, now time.Time) bool {
	if l.rate <= 0 {
		return true
	}
	if a.Is6() {
		if p, err := a.WithZone("").Prefix(64); err == nil {
			a = p.Addr()
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b, known := l.of[a]
	if !known {
		if len(l.of) >= maxClients {
			clear(l.of)
		}
		b = bucket{l.rate, now}
	}
	b.tokens = min(l.rate, b.tokens+max(0, now.Sub(b.at).Seconds())*l.rate)
	b.at = now
	ok := b.tokens >= 1
	if ok {
		b.tokens--
	}
	l.of[a] = b
	return ok
}

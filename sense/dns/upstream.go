package dns

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// lookup answers from the cache or from upstream. Equal questions at one moment
// are asked once.
func (x *exchange) lookup(ctx context.Context, qu dns.Question) *dns.Msg {
	opt := x.q.IsEdns0()
	k := key{name: x.name, kind: qu.Qtype, do: opt != nil && opt.Do(), cd: x.q.CheckingDisabled}
	if m, fresh := x.r.cache.get(k, x.at); fresh {
		x.r.stats.hits.Add(1)
		x.hit = true
		return x.adopt(m)
	}
	m, err := x.r.flights.do(k, func() (*dns.Msg, error) { return x.r.ask(ctx, qu, k) })
	if err == nil {
		return x.adopt(m)
	}
	x.r.stats.upstream.Add(1)
	if m := x.r.cache.stale(k, x.at); m != nil { // RFC 8767
		x.hit = true
		a := x.adopt(m)
		x.explain(a, dns.ExtendedErrorCodeStaleAnswer, "upstream does not answer; this is an old answer")
		return a
	}
	if errors.Is(err, errNoUpstream) {
		return x.fail(dns.RcodeServerFailure, dns.ExtendedErrorCodeNoReachableAuthority, "no upstream resolver is configured")
	}
	return x.fail(dns.RcodeServerFailure, dns.ExtendedErrorCodeNetworkError, "no upstream resolver answers")
}

// adopt makes a shared answer the answer to this query.
func (x *exchange) adopt(m *dns.Msg) *dns.Msg {
	a := m.Copy()
	a.Id, a.Question = x.q.Id, x.q.Question
	a.RecursionDesired, a.RecursionAvailable = x.q.RecursionDesired, true
	return a
}

var errNoUpstream = errors.New("no upstream")

// ask asks the upstreams in turn. What they may learn is the question alone: no
// client subnet is passed on.
func (r *Resolver) ask(ctx context.Context, qu dns.Question, k key) (*dns.Msg, error) {
	if len(r.cfg.Upstreams) == 0 {
		return nil, errNoUpstream
	}
	var errs error
	for _, up := range r.cfg.Upstreams {
		m, err := r.askOne(ctx, up, qu, k)
		if err == nil {
			r.cache.put(k, m, r.d.Now())
			return m, nil
		}
		errs = errors.Join(errs, err)
	}
	return nil, errs
}

func (r *Resolver) askOne(ctx context.Context, up string, qu dns.Question, k key) (*dns.Msg, error) {
	q := new(dns.Msg)
	q.SetQuestion(dns.Fqdn(k.name), qu.Qtype) // with a random id, from a random port
	q.CheckingDisabled = k.cd
	q.SetEdns0(maxUDPSize, k.do)
	c := dns.Client{Timeout: upstreamFor / 2, UDPSize: maxUDPSize}
	m, _, err := c.ExchangeContext(ctx, q, up)
	if err == nil && m.Truncated {
		c.Net = "tcp"
		m, _, err = c.ExchangeContext(ctx, q, up)
	}
	switch {
	case err != nil:
		return nil, err
	case len(m.Question) != 1 || !strings.EqualFold(m.Question[0].Name, q.Question[0].Name) || m.Question[0].Qtype != qu.Qtype:
		return nil, errors.New("the answer is to another question")
	case m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError:
		return nil, errors.New("upstream says " + dns.RcodeToString[m.Rcode])
	}
	return m, nil
}

// flights joins equal questions.
type flights struct {
	mu sync.Mutex
	m  map[key]*flight
}

type flight struct {
	done chan struct{}
	msg  *dns.Msg
	err  error
}

func (f *flights) do(k key, ask func() (*dns.Msg, error)) (*dns.Msg, error) {
	f.mu.Lock()
	if x, ok := f.m[k]; ok {
		f.mu.Unlock()
		<-x.done
		return x.msg, x.err
	}
	x := &flight{done: make(chan struct{})}
	f.m[k] = x
	f.mu.Unlock()
	x.msg, x.err = ask()
	f.mu.Lock()
	delete(f.m, k)
	f.mu.Unlock()
	close(x.done)
	return x.msg, x.err
}

// key is what an answer depends on. The policy is not in it: it is asked for
// every query.
type key struct {
	name   string
	kind   uint16
	do, cd bool
}

type entry struct {
	msg     *dns.Msg
	at      time.Time
	ttl     time.Duration
	touched bool
}

// cache keeps raw answers, at most max, and forgets by the clock algorithm.
type cache struct {
	mu   sync.Mutex
	max  int
	m    map[key]*entry
	ring []key
	hand int
}

func newCache(limit int) *cache { return &cache{max: limit, m: map[key]*entry{}} }

const (
	maxTTL   = 24 * time.Hour
	maxStale = 24 * time.Hour
)

// get returns a copy with the remaining times to live.
func (c *cache) get(k key, now time.Time) (*dns.Msg, bool) {
	c.mu.Lock()
	e, ok := c.m[k]
	if ok {
		e.touched = true
	}
	c.mu.Unlock()
	if !ok || now.Sub(e.at) >= e.ttl {
		return nil, false
	}
	return aged(e.msg, uint32(now.Sub(e.at)/time.Second)), true
}

// stale returns what has expired not too long ago, with a short time to live.
func (c *cache) stale(k key, now time.Time) *dns.Msg {
	c.mu.Lock()
	e, ok := c.m[k]
	c.mu.Unlock()
	if !ok || now.Sub(e.at) > e.ttl+maxStale {
		return nil
	}
	m := e.msg.Copy()
	each(m, func(h *dns.RR_Header) { h.Ttl = 30 })
	return m
}

func aged(m *dns.Msg, seconds uint32) *dns.Msg {
	m = m.Copy()
	each(m, func(h *dns.RR_Header) { h.Ttl -= min(h.Ttl, seconds) })
	return m
}

func each(m *dns.Msg, fn func(*dns.RR_Header)) {
	for _, list := range [][]dns.RR{m.Answer, m.Ns, m.Extra} {
		for _, rr := range list {
			if rr.Header().Rrtype != dns.TypeOPT {
				fn(rr.Header())
			}
		}
	}
}

func (c *cache) put(k key, m *dns.Msg, now time.Time) {
	ttl := lifetime(m)
	if ttl <= 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.m[k]; ok {
		e.msg, e.at, e.ttl = m, now, ttl
		return
	}
	if len(c.ring) < c.max {
		c.ring = append(c.ring, k)
	} else {
		for c.m[c.ring[c.hand]].touched {
			c.m[c.ring[c.hand]].touched = false
			c.hand = (c.hand + 1) % len(c.ring)
		}
		delete(c.m, c.ring[c.hand])
		c.ring[c.hand] = k
		c.hand = (c.hand + 1) % len(c.ring)
	}
	c.m[k] = &entry{msg: m, at: now, ttl: ttl}
}

// lifetime is how long an answer counts: the smallest time to live; for a
// negative one what its SOA says (RFC 2308), nothing without.
func lifetime(m *dns.Msg) time.Duration {
	ttl := uint32(maxTTL / time.Second)
	if len(m.Answer) == 0 {
		for _, rr := range m.Ns {
			if soa, ok := rr.(*dns.SOA); ok {
				return min(time.Duration(min(soa.Minttl, soa.Hdr.Ttl))*time.Second, time.Hour)
			}
		}
		return 0
	}
	for _, rr := range m.Answer {
		ttl = min(ttl, rr.Header().Ttl)
	}
	return time.Duration(ttl) * time.Second
}

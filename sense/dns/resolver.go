// Package dns is the protective resolver: it answers over UDP and TCP from a
// cache and from upstream resolvers, decides each query against the live
// policy, blocks with a stated reason (RFC 8914), and reports every query as an
// OCSF dns_activity. Until the policy was loaded once it answers nothing
// unfiltered. It keeps no policy: share/edge does; app joins the two.
package dns

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"noroshi/event"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/label"
)

// Match is an indicator that covers what was asked for or answered.
type Match struct {
	Indicator ident.ID
	Action    indicator.Action
	Value     string
	Reason    string
	ReasonJA  string
	Realm     label.Realm
}

// Policy is the live set, as the resolver asks it. Names are lower-case A-labels
// without the trailing dot.
type Policy interface {
	Name(name string, now time.Time) (Match, bool)
	Addr(a netip.Addr, now time.Time) (Match, bool)
	Ready() bool
}

// Config says where to listen, whom to serve and whom to ask.
type Config struct {
	Listen       []string // host:port, UDP and TCP on the same port
	Upstreams    []string // host:port
	Allow        []netip.Prefix
	Sinkhole4    netip.Addr // where a sinkholed name leads; none means NXDOMAIN
	Sinkhole6    netip.Addr
	CacheEntries int
	PerClient    float64 // queries per second and client address; 0 means no limit
}

// Deps is what the resolver works with.
type Deps struct {
	Policy Policy
	Emit   func(*event.Event) error
	Now    func() time.Time
	Log    *slog.Logger
}

// Limits.
const (
	maxInFlight = 4096 // queries being answered at one time
	maxTCP      = 512
	maxUDPSize  = 1232 // RFC 9715
	upstreamFor = 4 * time.Second
	eventQueue  = 16384
)

// Stats is how the resolver is.
type Stats struct {
	Queries, Blocked, CacheHits, UpstreamErrors, Malformed, Refused, DroppedEvents uint64
}

// Resolver serves.
type Resolver struct {
	cfg     Config
	d       Deps
	cache   *cache
	clients *limiter
	events  chan *event.Event
	slots   chan struct{}
	servers []*dns.Server
	flights flights
	addr    string

	stats struct{ queries, blocked, hits, upstream, malformed, refused, dropped atomic.Uint64 }
}

// New makes a resolver; Listen opens its ports, Run serves.
func New(cfg Config, d Deps) (*Resolver, error) {
	if len(cfg.Listen) == 0 {
		return nil, fault.New(fault.Invalid, "dns.new", "the resolver has no address to listen on")
	}
	if cfg.CacheEntries <= 0 {
		cfg.CacheEntries = 100_000
	}
	if len(cfg.Allow) == 0 {
		cfg.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	}
	return &Resolver{cfg: cfg, d: d, cache: newCache(cfg.CacheEntries), clients: newLimiter(cfg.PerClient),
		events: make(chan *event.Event, eventQueue), slots: make(chan struct{}, maxInFlight), flights: flights{m: map[key]*flight{}}}, nil
}

// Listen opens the ports. Port 0 takes a free one.
func (r *Resolver) Listen() error {
	for _, addr := range r.cfg.Listen {
		pc, l, err := listen(addr)
		if err != nil {
			return errors.Join(fault.As(fault.Unavailable, "dns.listen", err, "the resolver cannot listen on %s; is another one there?", addr), r.shut())
		}
		bound := pc.LocalAddr().String()
		if r.addr == "" {
			r.addr = bound
		}
		accept := func(h dns.Header) dns.MsgAcceptAction {
			if h.Bits&(1<<15) != 0 { // An answer is not a query; saying so would echo for ever.
				r.stats.malformed.Add(1)
				return dns.MsgIgnore
			}
			return dns.MsgAccept
		}
		invalid := func([]byte, error) { r.stats.malformed.Add(1) }
		r.servers = append(r.servers,
			&dns.Server{PacketConn: pc, Handler: r, UDPSize: 4096, MsgAcceptFunc: accept, MsgInvalidFunc: invalid},
			&dns.Server{Listener: limit(l, maxTCP), Handler: r, MaxTCPQueries: 256, ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second,
				IdleTimeout: func() time.Duration { return 10 * time.Second }, MsgAcceptFunc: accept, MsgInvalidFunc: invalid})
	}
	return nil
}

// listen opens the same port for UDP and TCP. A free one that was asked for may
// be free for one of them only, so others are tried.
func listen(addr string) (net.PacketConn, net.Listener, error) {
	_, port, err := net.SplitHostPort(addr)
	for range 20 {
		var pc net.PacketConn
		if pc, err = net.ListenPacket("udp", addr); err != nil {
			break
		}
		var l net.Listener
		if l, err = net.Listen("tcp", pc.LocalAddr().String()); err == nil {
			return pc, l, nil
		}
		if cerr := pc.Close(); cerr != nil || port != "0" {
			break
		}
	}
	return nil, nil, err
}

// Addr is the first address that is served.
func (r *Resolver) Addr() string { return r.addr }

func (r *Resolver) shut() error {
	var err error
	for _, s := range r.servers {
		if s.PacketConn != nil {
			err = errors.Join(err, s.PacketConn.Close())
		}
		if s.Listener != nil {
			err = errors.Join(err, s.Listener.Close())
		}
	}
	return err
}

// Run serves until ctx ends.
func (r *Resolver) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	failed := make(chan error, len(r.servers))
	for _, s := range r.servers {
		wg.Go(func() {
			if err := s.ActivateAndServe(); err != nil && ctx.Err() == nil {
				failed <- fault.Wrap("dns.serve", err)
			}
		})
	}
	pump, stop := context.WithCancel(context.WithoutCancel(ctx))
	pumped := make(chan struct{})
	go func() { defer close(pumped); r.pump(pump) }()
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	_ = r.shut() // Closing twice is what closing is for here.
	wg.Wait()
	stop()
	<-pumped
	return err
}

// pump hands events to the spool, so that no answer waits for a disk.
func (r *Resolver) pump(ctx context.Context) {
	for {
		select {
		case e := <-r.events:
			if r.d.Emit(e) != nil {
				r.stats.dropped.Add(1)
			}
		case <-ctx.Done():
			for len(r.events) > 0 {
				if r.d.Emit(<-r.events) != nil {
					r.stats.dropped.Add(1)
				}
			}
			return
		}
	}
}

// Stats returns the counters.
func (r *Resolver) Stats() Stats {
	s := &r.stats
	return Stats{s.queries.Load(), s.blocked.Load(), s.hits.Load(), s.upstream.Load(), s.malformed.Load(), s.refused.Load(), s.dropped.Load()}
}

// ServeDNS answers one query.
func (r *Resolver) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	r.stats.queries.Add(1)
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	default: // Too much at once: silence makes the client try again later.
		r.stats.refused.Add(1)
		return
	}
	client, udp := addrOf(w.RemoteAddr())
	x := &exchange{r: r, q: q, client: client, udp: udp, at: r.d.Now(), local: w.LocalAddr().String()}
	ctx, cancel := context.WithTimeout(context.Background(), 2*upstreamFor)
	defer cancel()
	a := x.answer(ctx)
	if a == nil {
		return
	}
	x.fit(a)
	if err := w.WriteMsg(a); err != nil {
		r.d.Log.Debug("an answer could not be sent", "role", "resolver", "err", err)
	}
	x.report(a)
}

func addrOf(a net.Addr) (netip.AddrPort, bool) {
	switch x := a.(type) {
	case *net.UDPAddr:
		return netip.AddrPortFrom(x.AddrPort().Addr().Unmap(), x.AddrPort().Port()), true
	case *net.TCPAddr:
		return netip.AddrPortFrom(x.AddrPort().Addr().Unmap(), x.AddrPort().Port()), false
	}
	return netip.AddrPort{}, true
}

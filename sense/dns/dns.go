// Package dns is the protective resolver: a forwarder that answers the machines
// of an organisation, asks the live policy about every name, alias and address
// before it answers, and writes down every query as an OCSF event.
//
// What it promises:
//
//   - It never answers unfiltered. Until the policy was loaded it says SERVFAIL
//     (Extended DNS Error 14, Not Ready).
//   - The cache keeps answers as they came and never a decision: a block holds
//     for the very next query, and a revocation lifts at once.
//   - Who is blocked is told so and by what: EDE 15 with the indicator and the
//     reason.
//   - Names that nobody can own (RFC 6761) and private reverse zones never leave
//     the house, nor does the client's subnet.
//   - Writing down never delays an answer. What does not fit in the queue is
//     counted.
//
// It does not resolve recursively and does not validate DNSSEC: the upstream
// does. It keeps no list: app gives it the policy (share/push) and takes its
// events (sense/spool).
package dns

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	wire "github.com/miekg/dns"
	"golang.org/x/sync/errgroup"

	"noroshi/event"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/label"
)

// Policy is the live set of indicators, as the resolver asks it.
type Policy interface {
	// Name returns the indicator that covers the name, by itself or by a parent.
	// Names are lower-case A-labels without the trailing dot.
	Name(name string, now time.Time) (Match, bool)
	// Addr returns the indicator that covers an address of an answer.
	Addr(a netip.Addr, now time.Time) (Match, bool)
	// Ready is false until the set was loaded once.
	Ready() bool
}

// Match is what the policy says of a name or an address.
type Match struct {
	Indicator ident.ID
	Action    indicator.Action
	Value     string // the indicator's name or address
	Reason    string
	ReasonJA  string
	Realm     label.Realm
}

// Config says where to listen, whom to answer and whom to ask. Zero values take
// the defaults.
type Config struct {
	Listen    []string       // host:port; 127.0.0.1:53
	Upstreams []string       // addresses, port 53 when none is said; the nameservers of /etc/resolv.conf
	Allow     []netip.Prefix // who is answered; the machine itself

	Sinkhole4 netip.Addr // where Sinkhole leads; without any it blocks
	Sinkhole6 netip.Addr

	CacheEntries  int           // 100 000
	CacheBytes    int           // of answers; 64 MiB
	Timeout       time.Duration // of one attempt at one upstream; 2 s
	MaxTCP        int           // connections at once; 256
	RatePerClient int           // queries in a second; 0 for no limit
}

// Deps come from outside.
type Deps struct {
	Policy Policy
	Emit   func(*event.Event) error
	Log    *slog.Logger
	Now    func() time.Time // time.Now when nil
	// Dial connects to an upstream; each query has a socket of its own, and
	// with it a random port. A net.Dialer when nil.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// ID makes the random id of an upstream query. From crypto/rand when nil.
	ID func() uint16
}

// Bounds that nobody needs to change.
const (
	maxHandlers = 4096 // UDP queries being answered at once
	maxUpstream = 1024 // of them, waiting for an upstream; the rest is answered from the cache
	bufferSize  = 1232 // of UDP answers and of those we ask for (DNS flag day 2020)
)

// Resolver is one protective resolver.
type Resolver struct {
	cfg       Config
	deps      Deps
	upstreams []*upstream
	cache     *cache
	rate      *limiter
	journal   *journal
	st        counters

	udp []*udpSocket
	tcp []*net.TCPListener

	handlers chan struct{} // one place for each UDP query
	asking   chan struct{} // one place for each query to an upstream
	flights  struct {
		sync.Mutex
		m map[key]*flight
	}
}

// New makes a resolver. It does not listen yet.
func New(cfg Config, deps Deps) (*Resolver, error) {
	const op = "dns.new"
	if deps.Policy == nil || deps.Emit == nil || deps.Log == nil {
		return nil, fault.New(fault.Internal, op, "the resolver needs a policy, a place for its events and a log")
	}
	cfg.defaults()
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Dial == nil {
		deps.Dial = new(net.Dialer).DialContext
	}
	if deps.ID == nil {
		deps.ID = wire.Id
	}
	if (cfg.Sinkhole4.IsValid() && !cfg.Sinkhole4.Is4()) || (cfg.Sinkhole6.IsValid() && !cfg.Sinkhole6.Is6()) {
		return nil, fault.New(fault.Invalid, op, "a sinkhole's address is of the wrong family")
	}
	r := &Resolver{cfg: cfg, deps: deps,
		cache: newCache(cfg.CacheEntries, cfg.CacheBytes), rate: newLimiter(cfg.RatePerClient), journal: newJournal(deps.Emit),
		handlers: make(chan struct{}, maxHandlers), asking: make(chan struct{}, maxUpstream)}
	r.flights.m = map[key]*flight{}
	var err error
	if r.upstreams, err = upstreamsOf(cfg); err != nil {
		return nil, err
	}
	return r, nil
}

func (cfg *Config) defaults() {
	if len(cfg.Listen) == 0 {
		cfg.Listen = []string{"127.0.0.1:53"}
	}
	if len(cfg.Allow) == 0 {
		cfg.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	}
	for v, d := range map[*int]int{&cfg.CacheEntries: 100_000, &cfg.CacheBytes: 64 << 20, &cfg.MaxTCP: 256} {
		if *v == 0 {
			*v = d
		}
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 2 * time.Second
	}
}

// Run listens, if Listen was not called before, and answers until the context
// ends; then it finishes what it began and what is to be written down.
func (r *Resolver) Run(ctx context.Context) error {
	if len(r.udp) == 0 {
		if err := r.Listen(); err != nil {
			return err
		}
	}
	if len(r.upstreams) == 0 {
		r.deps.Log.Warn("there is no upstream: only local names are answered")
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		r.journal.run()
	}()
	g, ctx := errgroup.WithContext(ctx)
	for _, s := range r.udp {
		g.Go(func() error { return r.serveUDP(ctx, s) })
	}
	for _, l := range r.tcp {
		g.Go(func() error { return r.serveTCP(ctx, l) })
	}
	err := g.Wait()
	r.journal.close()
	<-written
	return fault.Wrap("dns.run", err)
}

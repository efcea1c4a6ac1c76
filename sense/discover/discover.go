// Package discover looks for the names and addresses that an organisation has on
// the Internet, from what it declared: it walks name servers, mail, SPF, aliases,
// texts and DMARC of names, reverse names of declared prefixes, zones where a
// transfer is allowed, names in certificates and in passive DNS, and names that
// are guessed. It asks one resolver, at a polite rate and up to a number; it asks
// about no name outside of the organisation's registrable domains. It says what
// it saw, with evidence, and not whose it is: analyse/attribute weighs. It keeps
// nothing. The command line runs it by itself, the hub once a day.
package discover

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"noroshi/discovery"
	"noroshi/fault"
	"noroshi/observable"
)

// Domain is a declared domain. Transfer names the server, host:port, that may be
// asked for the whole zone; empty means that nobody allowed it.
type Domain struct{ Name, Transfer string }

// Sighting is one thing that passive DNS knows.
type Sighting struct {
	Name, Type, Data string
	Last             time.Time
}

// Passive is passive DNS: what resolvers saw at and below a domain, and which
// names led to an address.
type Passive interface {
	Below(ctx context.Context, domain string) ([]Sighting, error)
	At(ctx context.Context, addr netip.Addr) ([]Sighting, error)
}

// Seeds are what a walk begins with. Organisation holds the names by which the
// subjects of certificates may call it; Passive may be nil.
type Seeds struct {
	Domains      []Domain
	Prefixes     []netip.Prefix
	Organisation []string
	Certificates []discovery.Seen
	Passive      Passive
}

// Options bound a walk. The zero values of Queries, Rate and Depth take the
// defaults; without a Resolver nobody is asked anything.
type Options struct {
	Resolver string   // host:port
	Queries  int      // in all
	Rate     float64  // queries per second
	Depth    int      // names away from what was declared
	Labels   []string // what is guessed below declared domains

	Now    func() time.Time
	Pause  func(ctx context.Context, d time.Duration) error
	Random func() string // a label that nobody has
}

// Defaults and bounds of the options.
const (
	DefaultQueries = 5000
	DefaultRate    = 20
	DefaultDepth   = 6

	MaxQueries = 200_000
	MaxRate    = 1000
	MaxDepth   = 16
	maxFound   = 20_000
	maxForeign = 1000 // of which are strangers'
	maxNotes   = 50
)

// Walk looks for what the seeds lead to. What was found until a limit ended it
// is found; the summary says which limit.
func Walk(ctx context.Context, s Seeds, o Options) (discovery.Walk, error) {
	w, err := newWalker(s, o)
	if err != nil {
		return discovery.Walk{}, err
	}
	ended := done
	var limit errLimit
	if err := w.walk(ctx); errors.As(err, &limit) {
		ended = string(limit)
	} else if err != nil {
		return discovery.Walk{}, err
	}
	w.believe()
	if err := w.neighbours(context.WithoutCancel(ctx)); err != nil {
		return discovery.Walk{}, err
	}
	return discovery.Walk{Candidates: w.sorted(), Summary: discovery.WalkSummary{Ended: ended, Found: len(w.found), Queries: w.a.asked, Failed: w.a.failed, Notes: w.notes}}, nil
}

func newWalker(s Seeds, o Options) (*walker, error) {
	const op = "discover.walk"
	bad := func(format string, args ...any) error { return fault.New(fault.Invalid, op, format, args...) }
	o.Queries, o.Rate, o.Depth = cmp.Or(o.Queries, DefaultQueries), cmp.Or(o.Rate, DefaultRate), cmp.Or(o.Depth, DefaultDepth)
	switch {
	case o.Queries < 1 || o.Queries > MaxQueries:
		return nil, bad("the number of queries lies between 1 and %d", MaxQueries)
	case o.Rate <= 0 || o.Rate > MaxRate:
		return nil, bad("the rate lies above 0 and up to %d queries a second", MaxRate)
	case o.Depth < 1 || o.Depth > MaxDepth:
		return nil, bad("the depth lies between 1 and %d", MaxDepth)
	}
	if o.Resolver != "" {
		if a, err := netip.ParseAddrPort(o.Resolver); err != nil || a.Port() == 0 {
			return nil, bad("the resolver %q is not of the form address:port, such as 192.0.2.53:53", clipped(o.Resolver))
		}
	}
	o.Now, o.Random = orElse(o.Now, time.Now), orElse(o.Random, randomLabel)
	if o.Pause == nil {
		o.Pause = pause
	}
	w := &walker{s: s, o: o, a: &asker{o: o, limit: o.Queries, failed: map[string]int{}, answers: map[string]*answer{}}, found: map[observable.Observable]*discovery.Candidate{},
		queued: map[string]bool{}, leads: map[string]map[netip.Addr]bool{}, claims: map[netip.Addr][]claim{}, wild: map[string]*wildcard{}, same: map[string]int{}}
	for i, d := range s.Domains {
		x, err := observable.ParseKind(observable.Domain, d.Name)
		if err != nil {
			return nil, fault.As(fault.Invalid, op, err, "%s", fault.PublicOf(err)).At("domain %d", i+1)
		}
		r := discovery.RegistrableDomain(x.Value)
		if r == "" {
			return nil, bad("below %s everybody may register: it is no organisation's domain", x.Value).(*fault.Error).At("domain %d", i+1)
		}
		if host, port, err := net.SplitHostPort(d.Transfer); d.Transfer != "" && (err != nil || host == "" || port == "") {
			return nil, bad("the server %q of a zone transfer is not of the form host:port", clipped(d.Transfer)).(*fault.Error).At("domain %d", i+1)
		}
		w.domains, w.registrable = append(w.domains, x.Value), append(w.registrable, r)
	}
	slices.Sort(w.registrable)
	w.registrable = slices.Compact(w.registrable)
	for i, p := range s.Prefixes {
		if !p.IsValid() || p.Addr().Is4In6() {
			return nil, bad("it is no prefix").(*fault.Error).At("prefix %d", i+1)
		}
	}
	return w, nil
}

func orElse[T any](f, other func() T) func() T {
	if f == nil {
		return other
	}
	return f
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// randomLabel is long enough that nobody has it by chance, and says to whoever
// reads their log what it was for.
func randomLabel() string { return "noroshi-wildcard-test-" + strings.ToLower(rand.Text()[:16]) }

package discover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"noroshi/discovery"
	"noroshi/observable"
)

// walker is one walk.
type walker struct {
	s Seeds
	o Options
	a *asker

	domains     []string // declared
	registrable []string // the domains that were registered, outside of which nothing is asked about
	found       map[observable.Observable]*discovery.Candidate
	foreign     int
	queue       []step
	queued      map[string]bool
	leads       map[string]map[netip.Addr]bool // own name → addresses to which it leads by itself
	claims      map[netip.Addr][]claim
	wild        map[string]*wildcard
	same        map[string]int // names that passive DNS saw with one answer
	notes       []string
}

// step is one name to be looked into, so many names away from a declared one.
type step struct {
	name  string
	depth int
}

// claim is an own name that an address says is its own.
type claim struct {
	name string
	e    discovery.Evidence
}

// walk goes from what is sure to what is guessed, so that a limit ends the
// guessing first.
func (w *walker) walk(ctx context.Context) error {
	for _, d := range w.domains {
		if _, err := w.candidate(observable.Observable{Kind: observable.Domain, Value: d}); err != nil {
			return err
		}
		w.follow(d, 0)
	}
	for _, phase := range []struct {
		name string
		run  func(context.Context) error
	}{{"names", w.names}, {"zone transfers", w.transfers}, {"reverse names of declared prefixes", w.reverse},
		{"reverse names of what was found", w.reverseFound}, {"guesses", w.guess}} {
		if err := w.phase(ctx, phase.name, phase.run); err != nil {
			return err
		}
	}
	return w.drain(ctx) // What a phase left behind.
}

// names takes what was handed in.
func (w *walker) names(ctx context.Context) error {
	if err := w.certificates(); err != nil {
		return err
	}
	return w.passive(ctx)
}

// phase runs one part of a walk and looks into what it found, with at most half
// of the questions that are left, so that no part starves the next ones.
func (w *walker) phase(ctx context.Context, name string, run func(context.Context) error) error {
	left := w.o.Queries - w.a.asked
	w.a.limit = w.a.asked + (left+1)/2
	err := run(ctx)
	if err == nil {
		err = w.drain(ctx)
	}
	w.a.limit = w.o.Queries
	if errors.Is(err, outOfAsks) && w.a.asked < w.o.Queries {
		w.note("%s: not all were looked at, within half of the queries that were left", name)
		return nil
	}
	return err
}

// drain looks into the names that wait.
func (w *walker) drain(ctx context.Context) error {
	for len(w.queue) > 0 {
		s := w.queue[0]
		if err := w.visit(ctx, s); err != nil {
			return err
		}
		w.queue = w.queue[1:]
	}
	return nil
}

// follow puts an own name into the queue, once.
func (w *walker) follow(name string, depth int) {
	if w.queued[name] || !w.own(name) || depth > w.o.Depth {
		return
	}
	w.queued[name] = true
	w.queue = append(w.queue, step{name, depth})
}

// own tells names of the organisation's registrable domains.
func (w *walker) own(name string) bool {
	return slices.ContainsFunc(w.registrable, func(d string) bool { return discovery.Within(name, d) })
}

// declared tells what the organisation said is its own.
func (w *walker) declared(o observable.Observable) bool {
	return discovery.Closest(o, w.domains, w.s.Prefixes) != ""
}

// candidate returns what is known of an asset, and makes it on first sight; nil
// when there is no room for more of strangers'.
func (w *walker) candidate(o observable.Observable) (*discovery.Candidate, error) {
	if c := w.found[o]; c != nil {
		return c, nil
	}
	third := o.Kind == observable.Domain && !w.own(o.Value)
	if third {
		if w.foreign++; w.foreign == maxForeign {
			w.note("only the first %d names of others are told", maxForeign)
		}
		if w.foreign > maxForeign {
			return nil, nil
		}
	}
	if len(w.found) >= maxFound {
		return nil, tooMany
	}
	c := &discovery.Candidate{Asset: o, ThirdParty: third}
	w.found[o] = c
	return c, nil
}

// evidence notes what speaks for an asset.
func (w *walker) evidence(o observable.Observable, e discovery.Evidence) error {
	c, err := w.candidate(o)
	if c != nil {
		c.Note(e)
	}
	return err
}

// name notes evidence about a name, and looks into it when it is an own one.
func (w *walker) name(name string, depth int, e discovery.Evidence) error {
	w.follow(name, depth)
	return w.evidence(observable.Observable{Kind: observable.Domain, Value: name}, e)
}

// addr notes evidence about an address. One that means something within a house
// only is no asset on the Internet.
func (w *walker) addr(a netip.Addr, e discovery.Evidence) error {
	if a = a.Unmap(); !a.IsGlobalUnicast() || a.IsPrivate() {
		return nil
	}
	return w.evidence(ofAddr(a), e)
}

func ofAddr(a netip.Addr) observable.Observable {
	if a.Is4() {
		return observable.Observable{Kind: observable.IPv4, Value: a.String()}
	}
	return observable.Observable{Kind: observable.IPv6, Value: a.String()}
}

func (w *walker) note(format string, args ...any) {
	n := fmt.Sprintf(format, args...)
	if len(w.notes) < maxNotes && !slices.Contains(w.notes, n) {
		w.notes = append(w.notes, n)
	}
}

// believe says of each address that claims an own name whether the name leads
// back to it.
func (w *walker) believe() {
	for a, list := range w.claims {
		for _, c := range list {
			c.e.Kind = discovery.PTRAlone
			if w.leads[c.name][a] {
				c.e.Kind = discovery.PTR
			}
			_ = w.addr(a, c.e) // Beyond the limit there is none to note it of.
		}
	}
}

// sorted are the candidates, names first.
func (w *walker) sorted() []discovery.Candidate {
	out := make([]discovery.Candidate, 0, len(w.found))
	for _, c := range w.found {
		slices.SortFunc(c.Evidence, func(a, b discovery.Evidence) int {
			return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Via, b.Via), cmp.Compare(a.Asked, b.Asked))
		})
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b discovery.Candidate) int {
		return cmp.Or(cmp.Compare(a.Asset.Kind, b.Asset.Kind), cmp.Compare(a.Asset.Value, b.Asset.Value))
	})
	return out
}

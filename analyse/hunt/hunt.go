// Package hunt looks back: it finds the past sightings of indicators in
// everything that is stored. App calls it for those that became active, after
// the live matcher has them, so that no event falls between. What a sighting is
// the live matcher says, here as there; findings and their counts are package
// analyse's.
package hunt

import (
	"context"
	"errors"
	"time"

	"noroshi/access"
	"noroshi/analyse"
	"noroshi/analyse/match"
	"noroshi/eventstore"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/observable"
)

// Bounds of a hunt.
const (
	// MaxIndicators is how many are looked for at once.
	MaxIndicators = 1000
	// MaxSightings is how many past events of one indicator are counted. Who shows
	// an indicator more often has it known.
	MaxSightings = 1_000_000
)

// forever is a span that holds whatever a store may hold.
const forever = 20 * 365 * 24 * time.Hour

// Hunter looks back in a store.
type Hunter struct{ store eventstore.Store }

// New makes a hunter.
func New(store eventstore.Store) *Hunter { return &Hunter{store} }

// Hunt returns the past sightings of each indicator, one per organisation and
// node, the earliest first. The indicators have different IDs; one without a
// sighting is not in the answer. The scope says where it may look.
func (h *Hunter) Hunt(ctx context.Context, s access.Scope, all ...indicator.Indicator) (map[ident.ID][]analyse.Sighting, error) {
	if len(all) > MaxIndicators {
		return nil, fault.New(fault.TooLarge, "hunt", "%d indicators are more than the %d that are looked for at once", len(all), MaxIndicators)
	}
	l := &look{store: h.store, scope: s, matcher: match.New(), found: map[ident.ID]*sightings{}}
	for _, ind := range all {
		if err := huntable(ind.Observable); err != nil {
			return nil, err
		}
		// What the indicator is good for today does not matter for what was seen.
		ind.State, ind.ValidUntil = indicator.Active, time.Now().Add(forever)
		l.matcher.Put(ind)
		l.observables = append(l.observables, ind.Observable)
	}
	if len(all) == 0 || len(s.Tenants()) == 0 {
		return nil, nil
	}
	if err := h.store.Flush(ctx); err != nil {
		return nil, fault.Wrap("hunt.flush", err)
	}
	if err := l.all(ctx); err != nil && !errors.Is(err, errEnough) {
		return nil, fault.Wrap("hunt.sweep", err)
	}
	out := make(map[ident.ID][]analyse.Sighting, len(l.found))
	for id, x := range l.found {
		out[id] = x.list
	}
	return out, nil
}

// huntable tells what can be looked for: anything that a person could have
// written.
func huntable(o observable.Observable) error {
	if again, err := observable.Parse(o.Value); err != nil || again != o {
		return fault.New(fault.Invalid, "hunt", "the %s %q cannot be looked for", o.Kind, o.Value)
	}
	return nil
}

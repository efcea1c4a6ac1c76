package affected

import (
	"slices"
	"strings"

	"noroshi/analyse/affected/version"
)

// span is one range of OSV: events along the order of versions.
type span struct{ events []event }

type event struct {
	kind byte
	at   string
}

// The kinds of events. beginning is "introduced 0", before every version.
const (
	beginning    = '0'
	introduced   = 'i'
	fixed        = 'f'
	lastAffected = 'l'
	limited      = 'm'
)

// sort puts events into the order of their versions.
func (s span) sort(r version.Rule) {
	slices.SortStableFunc(s.events, func(a, b event) int {
		if a.kind == beginning || b.kind == beginning {
			return before(b) - before(a)
		}
		return r.Compare(a.at, b.at)
	})
}

func before(e event) int {
	if e.kind == beginning {
		return 1
	}
	return 0
}

// covers is the evaluation that the OSV schema defines.
func (s span) covers(r version.Rule, v string) bool {
	in, limits, below := false, false, false
	for _, e := range s.events {
		if e.kind == beginning {
			in = true
			continue
		}
		c := r.Compare(v, e.at)
		switch {
		case e.kind == introduced && c >= 0:
			in = true
		case e.kind == fixed && c >= 0, e.kind == lastAffected && c > 0:
			in = false
		case e.kind == limited:
			limits = true
			below = below || c < 0
		}
	}
	return in && (!limits || below)
}

// fix is the first fixed version after v.
func (s span) fix(r version.Rule, v string) string {
	for _, e := range s.events {
		if e.kind == fixed && r.Compare(v, e.at) < 0 {
			return e.at
		}
	}
	return ""
}

// builds says whether a range of an rpm speaks of builds like this one: what is
// fixed in a module's build says nothing of the same package outside of modules,
// whose numbers are others, nor the other way round.
func (s span) builds(key, v string) bool {
	if !strings.HasPrefix(key, "rpm/") {
		return true
	}
	for _, e := range s.events {
		if e.kind == fixed && strings.Contains(e.at, ".module") != strings.Contains(v, ".module") {
			return false
		}
	}
	return true
}

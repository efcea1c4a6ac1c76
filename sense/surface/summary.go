package surface

import (
	"time"
)

// Summary is what became of a run.
type Summary struct {
	Owner    string           `json:"owner"`
	Scope    string           `json:"scope"` // the digest
	Mode     Mode             `json:"mode"`
	Ended    string           `json:"ended"` // done, or the reason that ended it
	Targets  uint64           `json:"targets"`
	Probes   int64            `json:"probes"` // that left, connections for identification included
	ByRange  map[string]int64 `json:"probes_by_range"`
	Refused  map[string]int64 `json:"refused,omitempty"`
	Open     int64            `json:"open"`
	Closed   int64            `json:"closed"`
	Bogus    int64            `json:"bogus"`   // frames that only looked like answers
	Dropped  int64            `json:"dropped"` // answers that the kernel had no room for
	Seconds  float64          `json:"seconds"`
	Position Position         `json:"position"`
}

func (r *run) summary(began time.Time, mode Mode, why Reason) Summary {
	r.Gate.mu.Lock()
	defer r.Gate.mu.Unlock()
	s := Summary{Owner: r.scope.Owner, Scope: r.scope.digest, Mode: mode, Ended: "done", Targets: r.space.size(), Probes: r.total,
		ByRange: map[string]int64{}, Refused: map[string]int64{}, Open: r.open, Closed: r.closed, Seconds: time.Since(began).Seconds(),
		Position: Position{Seed: r.o.From.Seed, Next: r.next.Load()}}
	if why != Allowed {
		s.Ended = why.String()
	}
	for i, n := range r.sent {
		s.ByRange[r.scope.Ranges[i].String()] += n
	}
	for i, n := range r.refused {
		if n > 0 {
			s.Refused[Reason(i).String()] = n
		}
	}
	s.Bogus, s.Dropped = r.bogus, r.dropped
	return s
}

package indicator

import (
	"time"

	"noroshi/ident"
	"noroshi/label"
	"noroshi/observable"
)

// Op is what a change does to the set that an edge enforces.
type Op string

// The operations.
const (
	Put    Op = "put"    // add, or replace the one with the same id
	Remove Op = "remove" // revoked, expired or narrowed: no longer enforced
)

// Wire is an indicator as an edge needs it: what to look for, what to do, until
// when, and what to say to the one who is blocked. Names of people, findings
// and organisations stay at the hub.
type Wire struct {
	ID         ident.ID        `json:"id"`
	Kind       observable.Kind `json:"kind"`
	Value      string          `json:"value"`
	Action     Action          `json:"action"`
	Reason     string          `json:"reason"`
	ReasonJA   string          `json:"reason_ja,omitempty"`
	Confidence int             `json:"confidence"`
	label.Marking
	ValidUntil time.Time `json:"valid_until"`
}

// Wire returns what is pushed of the indicator.
func (i *Indicator) Wire() Wire {
	return Wire{ID: i.ID, Kind: i.Observable.Kind, Value: i.Observable.Value, Action: i.Action, Reason: i.Reason, ReasonJA: i.ReasonJA,
		Confidence: i.Confidence, Marking: i.Marking, ValidUntil: i.ValidUntil.UTC().Truncate(time.Microsecond)}
}

// Package indicator is the vocabulary of intelligence that a machine can act
// on: one observable, with what it means, where it comes from, who may see it,
// what may be done with it, until when, and the clock of its run along the
// line. It holds plain data; package intel keeps the records and decides,
// package share pushes them.
package indicator

import (
	"time"

	"noroshi/ident"
	"noroshi/label"
	"noroshi/observable"
)

// State is where an indicator stands in its life.
type State string

// The states: Proposed goes through the gate to Held or Active; Active ends as
// Expired or Revoked; Held ends as Active (a person let it pass) or Refused.
const (
	Proposed State = "proposed"
	Held     State = "held"
	Active   State = "active"
	Expired  State = "expired"
	Revoked  State = "revoked"
	Refused  State = "refused"
)

// Action is what an edge is asked to do.
type Action string

// The actions.
const (
	Observe  Action = "observe"  // report when seen
	Block    Action = "block"    // answer NXDOMAIN
	Sinkhole Action = "sinkhole" // answer the sinkhole's address
)

// Enforces tells whether the action changes what a user gets.
func (a Action) Enforces() bool { return a == Block || a == Sinkhole }

// Verdict is what the safety gate says.
type Verdict string

// The verdicts.
const (
	Pass   Verdict = "pass"
	Hold   Verdict = "hold"   // a person must decide
	Refuse Verdict = "refuse" // cannot be enforced at all
)

// Reason is one finding of the gate.
type Reason struct {
	Check   string  `json:"check"` // warning_list, public_suffix, popular, own_asset, shared_hosting, special_use, pap, tlp
	Verdict Verdict `json:"verdict"`
	Text    string  `json:"text"`
	TextJA  string  `json:"text_ja"`
}

// Clock is the time-to-protect clock. T4 to T6 are the slowest of the edges
// that had answered when it was read; Edges and Acknowledged count them.
type Clock struct {
	T0Sensed       time.Time `json:"t0_sensed"`
	T1Found        time.Time `json:"t1_found"`
	T2Decided      time.Time `json:"t2_decided"`
	T3Durable      time.Time `json:"t3_durable"`
	T4Received     time.Time `json:"t4_received"`
	T5Enforced     time.Time `json:"t5_enforced"`
	T6Acknowledged time.Time `json:"t6_acknowledged"`
}

// Indicator is one record.
type Indicator struct {
	ID         ident.ID              `json:"id"`
	Org        ident.ID              `json:"org"` // who owns it
	Observable observable.Observable `json:"observable"`
	label.Marking
	SharedWith  []ident.ID `json:"shared_with,omitempty"` // named beside the owner
	State       State      `json:"state"`
	Action      Action     `json:"action"`
	Confidence  int        `json:"confidence"` // 0 to 100
	Reason      string     `json:"reason"`     // said to the one who is blocked
	ReasonJA    string     `json:"reason_ja,omitempty"`
	Techniques  []string   `json:"techniques,omitempty"`
	Finding     ident.ID   `json:"finding,omitempty"` // provenance
	Policy      string     `json:"policy,omitempty"`  // the policy that decided, or ""
	By          string     `json:"by"`                // the person or "policy:NAME"
	Verdict     Verdict    `json:"verdict"`
	GateReasons []Reason   `json:"gate_reasons,omitempty"`
	ValidFrom   time.Time  `json:"valid_from"`
	ValidUntil  time.Time  `json:"valid_until"`
	Created     time.Time  `json:"created"`
	Modified    time.Time  `json:"modified"`
	RevokedWhy  string     `json:"revoked_why,omitempty"`
	Clock       Clock      `json:"clock"`
	Sightings   int64      `json:"sightings"` // how often it was seen, past and since, where the reader may look: it is not kept with the record
	Version     int64      `json:"version"`
}

// Live tells whether the indicator is to be enforced at now.
func (i *Indicator) Live(now time.Time) bool {
	return i.State == Active && now.Before(i.ValidUntil)
}

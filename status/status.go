// Package status is how the platform says how it is: the line as a list of hops,
// each with what waits there, since when and why, and the parts that the hops
// stand on. It is plain data with its judgement: from ages and bounds to a state,
// from states to a verdict with the sentence that a person reads, and since when
// all that is so. It measures nothing; app fills it, the API, the command line and
// the console show it.
package status

import (
	"fmt"
	"time"

	"noroshi/fault"
	"noroshi/ident"
)

// State is how something is. A greater one is worse.
type State int

// The states.
const (
	Fine State = iota
	Slow
	Stuck
)

var names = [...]string{"fine", "slow", "stuck"}

func (s State) String() string { return names[s] }

// MarshalText writes the state's name.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the state's name.
func (s *State) UnmarshalText(b []byte) error {
	for i, n := range names {
		if n == string(b) {
			*s = State(i)
			return nil
		}
	}
	return fmt.Errorf("status: %q is no state", b)
}

// Text is a sentence in both languages.
type Text struct {
	EN string `json:"en"`
	JA string `json:"ja"`
}

// Say writes one sentence with the same figures in both languages.
func Say(en, ja string, args ...any) Text {
	return Text{EN: fmt.Sprintf(en, args...), JA: fmt.Sprintf(ja, args...)}
}

// Hop is one step of the line. What is nil is not known, or not for this reader.
type Hop struct {
	Name      string    `json:"name"`
	State     State     `json:"state"`
	Since     time.Time `json:"since"`
	Waiting   *int64    `json:"waiting"` // so many
	Unit      string    `json:"unit"`    // of these: events, batches, findings, indicators, edges
	Bytes     *int64    `json:"bytes"`
	OldestMS  *float64  `json:"oldest_ms"`  // the age of the oldest that waits; nil when none does
	PerSecond *float64  `json:"per_second"` // what goes through
	Why       Text      `json:"why"`        // what limits it
	Do        Text      `json:"do"`         // what a person can do; empty when nothing is needed
	Rows      string    `json:"rows"`       // where the console shows what waits, or ""
}

// The hops, in the order in which data flows.
const (
	Spool       = "spool"       // on the nodes
	Receive     = "receive"     // node → durable on the bus
	Judge       = "judge"       // bus → shown to rules and indicators
	Store       = "store"       // bus → durable in the event store
	Decide      = "decide"      // finding → indicator
	Push        = "push"        // decided → pushed (t2 to t3)
	Acknowledge = "acknowledge" // pushed → enforced at every edge (t3 to t6)
)

// Part is something that the hops stand on: a hub, a store, a reader with its
// partition, a disk, a certificate, a node. Kind groups them.
type Part struct {
	Kind  string    `json:"kind"`
	Name  string    `json:"name"`
	ID    ident.ID  `json:"id,omitempty"`
	Org   ident.ID  `json:"org,omitempty"`
	Hub   string    `json:"hub,omitempty"` // on which hub it is or runs
	State State     `json:"state"`
	Since time.Time `json:"since"`
	LagMS *float64  `json:"lag_ms"` // how far it is behind
	Why   Text      `json:"why"`
	Do    Text      `json:"do"`
	Facts []Fact    `json:"facts"`
	Rows  string    `json:"rows"`
}

// The kinds of parts that exist now.
const (
	KindHub         = "hub"
	KindBus         = "bus"
	KindStore       = "store"
	KindLedger      = "ledger"
	KindDisk        = "disk"
	KindLookBack    = "look_back"
	KindQuarantine  = "quarantine"
	KindCertificate = "certificate"
	KindNode        = "node"
	KindAdvisories  = "advisories"
	KindMail        = "mail"
	KindTask        = "task" // that one hub of several does
)

// Fact is one figure of a part. Unit is "bytes", "seconds", "percent", "count",
// "time" (then Value is seconds since 1970) or "" for Text.
type Fact struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	Text  string  `json:"text,omitempty"`
}

// Status is everything at one moment.
type Status struct {
	AsOf  time.Time `json:"as_of"`
	Hub   string    `json:"hub"` // which one answered
	State State     `json:"state"`
	Since time.Time `json:"since"`
	Why   Text      `json:"why"`
	Do    Text      `json:"do"`
	Hops  []Hop     `json:"hops"`
	Parts []Part    `json:"parts"`
	Nodes Nodes     `json:"nodes"`
	Whole bool      `json:"whole"` // the reader sees the whole platform, not a part of it
}

// Nodes counts them; those with trouble are parts, the worst first.
type Nodes struct {
	Active  int `json:"active"`
	Away    int `json:"away"`
	Cut     int `json:"cut"`
	Trouble int `json:"trouble"`
}

// Bounds say from which age on a hop is slow, and from which stuck.
type Bounds struct{ Slow, Stuck time.Duration }

// Judge tells the state of something whose oldest has waited for age.
func (b Bounds) Judge(age time.Duration) State {
	switch {
	case age >= b.Stuck:
		return Stuck
	case age >= b.Slow:
		return Slow
	}
	return Fine
}

// Share tells the state of many of which some are behind: one in a thousand is
// no reason to call the line slow, one in twenty is, and half of them is the
// hub's trouble, not theirs.
func Share(behind, all int) State {
	switch {
	case behind == 0:
		return Fine
	case behind*2 >= all && all > 1:
		return Stuck
	case behind*20 >= all:
		return Slow
	}
	return Fine
}

// MS is a duration as the API says it.
func MS(d time.Duration) *float64 {
	ms := float64(d.Microseconds()) / 1000
	return &ms
}

// Count is a number as the API says it.
func Count[T int | int64 | uint64](n T) *int64 {
	v := int64(n)
	return &v
}

// Err is nil unless the whole is stuck; then it says why, for a machine that
// asks whether to send work here.
func (s Status) Err() error {
	if s.State < Stuck {
		return nil
	}
	return fault.New(fault.Unavailable, "status", "%s %s", s.Why.EN, s.Do.EN)
}

// Package finding is the vocabulary of what the analysis found: one record for
// one thing on one node under one rule, however often it happens (first seen,
// last seen, count), never one record per event. It holds plain data; the
// findings are kept by package analyse through the ledger.
package finding

import (
	"time"

	"noroshi/ident"
	"noroshi/label"
	"noroshi/observable"
)

// Level is Sigma's level.
type Level string

// The levels.
const (
	Informational Level = "informational"
	Low           Level = "low"
	Medium        Level = "medium"
	High          Level = "high"
	Critical      Level = "critical"
)

// Rank orders levels, 0 for an unknown one.
func (l Level) Rank() int {
	switch l {
	case Informational:
		return 1
	case Low:
		return 2
	case Medium:
		return 3
	case High:
		return 4
	case Critical:
		return 5
	}
	return 0
}

// State is where a finding stands in triage.
type State string

// The states.
const (
	New       State = "new"       // nobody has looked
	Escalated State = "escalated" // an indicator came of it
	Closed    State = "closed"    // looked at; true, and done with
	Dismissed State = "dismissed" // looked at; a false positive
)

// Source says which engine found it.
type Source string

// The sources.
const (
	BySigma     Source = "sigma"     // a rule matched
	ByIndicator Source = "indicator" // a known indicator was seen
	ByHunt      Source = "hunt"      // an indicator was seen in stored events
)

// Rule is what fired: a Sigma rule, or the indicator that was seen.
type Rule struct {
	ID          string   `json:"id"`
	Title       string   `json:"title"`
	TitleJA     string   `json:"title_ja,omitempty"`
	Description string   `json:"description,omitempty"`
	Level       Level    `json:"level"`
	Techniques  []string `json:"techniques,omitempty"` // ATT&CK ids, T1059.004
	Author      string   `json:"author,omitempty"`
	License     string   `json:"license,omitempty"`
}

// Evidence is one event that supports the finding, as far as a reader needs it
// before asking the event store for the whole.
type Evidence struct {
	EventUID string            `json:"event_uid"`
	Time     time.Time         `json:"time"`
	Tier     string            `json:"tier"`
	Summary  string            `json:"summary"`
	Fields   map[string]string `json:"fields"`            // flattened OCSF
	Matched  []string          `json:"matched,omitempty"` // the fields and patterns that matched
}

// MaxEvidence is how many events a finding keeps: the first ones.
const MaxEvidence = 5

// Finding is one record. Key is the de-duplication key: equal keys within one
// organisation are one finding.
type Finding struct {
	ID          ident.ID                `json:"id"`
	Org         ident.ID                `json:"org"`
	Node        ident.ID                `json:"node"`
	Device      string                  `json:"device"` // host name
	Realm       label.Realm             `json:"realm"`
	Key         string                  `json:"key"`
	Source      Source                  `json:"source"`
	Rule        Rule                    `json:"rule"`
	State       State                   `json:"state"`
	Title       string                  `json:"title"` // one line: what happened here
	Observables []observable.Observable `json:"observables"`
	Evidence    []Evidence              `json:"evidence"`
	Indicator   ident.ID                `json:"indicator,omitempty"` // seen (ByIndicator, ByHunt) or made from it
	FirstSeen   time.Time               `json:"first_seen"`
	LastSeen    time.Time               `json:"last_seen"`
	Count       int64                   `json:"count"`
	FoundAt     time.Time               `json:"found_at"`            // t1
	LastSeq     uint64                  `json:"-"`                   // highest event sequence counted, so that a redelivered event counts once
	FirstSeq    uint64                  `json:"first_seq,omitempty"` // lowest sequence counted live: what a look back finds from there on is counted already
	Reason      string                  `json:"reason,omitempty"`
	By          string                  `json:"by,omitempty"` // who set the state last
	Version     int64                   `json:"version"`
}

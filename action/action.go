// Package action is the vocabulary of what must be done about a weakness, and of
// the proof that it was: Weakness is what a source saw, Survey one look of a
// source with what it covered, Action the one record that a weakness becomes,
// whatever found it. It holds plain data; act/remediation keeps actions through
// the ledger, sources make surveys.
package action

import (
	"time"

	"noroshi/ident"
	"noroshi/label"
)

// State is where an action stands.
type State string

// The states. Only a survey proves: a person who says that it is mended brings
// the action to Claimed, and the next look decides.
const (
	Open     State = "open"     // to be done
	Claimed  State = "claimed"  // its owner says that it is mended; not yet looked at
	Excepted State = "excepted" // accepted until a date, by somebody who may
	Proved   State = "proved"   // a survey covered the place and did not see it any more
	Refuted  State = "refuted"  // it was never so: a person says, with a reason that expires, or a decision (VEX) that lasts
)

// States lists them as a board shows them.
var States = []State{Open, Claimed, Excepted, Proved, Refuted}

// Live tells whether an action in this state is still a weakness that is there,
// as far as anybody knows.
func (s State) Live() bool { return s == Open || s == Claimed || s == Excepted }

// Asset is the thing that is weak.
type Asset struct {
	Kind string `json:"kind"` // host, system, device
	Key  string `json:"key"`  // stable within its organisation: an address, a system's name
	Name string `json:"name,omitempty"`
	// Importance is how much depends on it: low, medium, high; "" is not known.
	Importance string `json:"importance,omitempty"`
	// Exposed tells that it is reached from the Internet.
	Exposed bool `json:"exposed,omitempty"`
}

// Evidence is what was seen, as a person can check it.
type Evidence struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
	By   string    `json:"by,omitempty"` // the survey, or who says so
}

// Threat is what is known of the exploitation of a weakness, and what priority
// follows.
type Threat struct {
	KEV        bool      `json:"kev,omitempty"`
	KEVAdded   time.Time `json:"kev_added,omitzero"`
	Ransomware bool      `json:"ransomware,omitempty"`
	EPSS       float64   `json:"epss,omitempty"` // probability in the next 30 days, 0 to 1
	CVSS       float64   `json:"cvss,omitempty"`
	// SSVC is the decision of CISA's tree: track, track*, attend, act; "" when
	// the tree was not asked. Why explains it.
	SSVC  string `json:"ssvc,omitempty"`
	Why   string `json:"why,omitempty"`
	WhyJA string `json:"why_ja,omitempty"`
}

// Decision is what an organisation decided about a weakness that is there to be
// seen (VEX): that it need do nothing. It holds for as long as a survey says so.
type Decision struct {
	Status        string `json:"status"` // not_affected, fixed
	Justification string `json:"justification,omitempty"`
	Why           string `json:"why"` // with who decided, and in which document
	WhyJA         string `json:"why_ja"`
}

// Weakness is what a source saw: an action before anybody knows whether it is
// new.
type Weakness struct {
	// Org is whose it is; "" when the owner is not known, which is said, not
	// guessed: the action then belongs to the organisation of the survey.
	Org   ident.ID `json:"org,omitempty"`
	Asset Asset    `json:"asset"`
	// Place is where on the asset: "tcp/443", a package URL without version.
	Place string `json:"place"`
	// Check is what saw it, such as tls, ssh, web, product, sbom, firmware: only
	// a survey that made the same check proves that it is gone.
	Check string `json:"check"`
	// Name is what it is, without any version: a CVE, or the name of a rule.
	Name      string     `json:"name"`
	Title     string     `json:"title"`
	TitleJA   string     `json:"title_ja"`
	Version   string     `json:"version,omitempty"` // as it was seen
	Fix       string     `json:"fix,omitempty"`     // what to do
	FixJA     string     `json:"fix_ja,omitempty"`
	Level     Level      `json:"level"`
	Threat    Threat     `json:"threat,omitzero"`
	Evidence  []Evidence `json:"evidence,omitempty"`
	Reference string     `json:"reference,omitempty"` // a URL to read more
	// Decision tells that it was seen and need not be mended.
	Decision *Decision `json:"decision,omitempty"`
}

// Level is how bad it is, as finding.Level says it.
type Level string

// The levels.
const (
	Low      Level = "low"
	Medium   Level = "medium"
	High     Level = "high"
	Critical Level = "critical"
)

// Levels lists them, the least first.
var Levels = []Level{Low, Medium, High, Critical}

// Rank orders levels, 0 for an unknown one.
func (l Level) Rank() int {
	switch l {
	case Low:
		return 1
	case Medium:
		return 2
	case High:
		return 3
	case Critical:
		return 4
	}
	return 0
}

// Exception is a weakness that is accepted for a while.
type Exception struct {
	Reason   string    `json:"reason"`
	AskedBy  string    `json:"asked_by"`
	Approver string    `json:"approver,omitempty"` // another person; "" while it waits
	Until    time.Time `json:"until"`
}

// Action is one record. Fingerprint is its key: equal fingerprints within one
// organisation are one action, whatever version it is seen in and however often
// it returns.
type Action struct {
	ID          ident.ID    `json:"id"`
	Org         ident.ID    `json:"org"`
	OwnerKnown  bool        `json:"owner_known"` // false: Org is only who has to find the owner
	Realm       label.Realm `json:"realm"`
	Source      Source      `json:"source"`
	Fingerprint string      `json:"fingerprint"`
	Weakness    Weakness    `json:"weakness"`
	State       State       `json:"state"`
	Assignee    string      `json:"assignee,omitempty"` // the person or team that does it
	Due         time.Time   `json:"due"`
	DueWhy      string      `json:"due_why"` // the policy that set it
	DueWhyJA    string      `json:"due_why_ja"`
	Exception   *Exception  `json:"exception,omitempty"` // asked for, or granted
	FirstSeen   time.Time   `json:"first_seen"`
	LastSeen    time.Time   `json:"last_seen"`
	LastLooked  time.Time   `json:"last_looked"` // the last survey that covered the place
	Ended       time.Time   `json:"ended,omitzero"`
	Reopened    int         `json:"reopened"` // how often it returned
	Escalated   int         `json:"escalated"`
	Silent      int         `json:"silent"` // surveys in a row that got no answer at the place
	// Proof is what the survey saw that proved it.
	Proof *Evidence `json:"proof,omitempty"`
	// RefutedUntil is when what a person refuted is to be looked at again; zero
	// for what a decision refutes, which a survey takes back.
	RefutedUntil time.Time `json:"refuted_until,omitzero"`
	// Priority orders what is to be done first, the highest number; docs/actions.md
	// says what it is made of.
	Priority int    `json:"priority"`
	Why      string `json:"why,omitempty"`
	WhyJA    string `json:"why_ja,omitempty"` // when the platform says why
	By       string `json:"by,omitempty"`     // who set the state last
	Version  int64  `json:"version"`
}

// Package notice tells the owners of weak devices, through their providers. A
// survey of devices becomes a notice for each device and kind of weakness, at the
// provider whose declared ranges hold the address; the provider, who alone knows
// its subscribers, hands it over. The platform never learns who they are. The next
// survey that looks there closes it, the owner may ask for that look by a link, and
// whoever answers teaches which rules are often wrong. The API and the console's
// page of the owner call it; it scans nothing.
package notice

import (
	"context"
	"io/fs"
	"net/netip"
	"time"

	"noroshi/access"
	"noroshi/action"
	"noroshi/ident"
	"noroshi/label"
	"noroshi/ledger"
	"noroshi/org"
)

// State is where a notice stands.
type State string

// The states. Only a survey brings Fixed.
const (
	Made        State = "made"        // to be sent to the provider
	Sent        State = "sent"        // the provider has it
	Handed      State = "handed"      // the owner has it
	Checked     State = "checked"     // the owner asked to look again, and it was still there
	Unreachable State = "unreachable" // it came back: nobody was reached
	Fixed       State = "fixed"       // a survey looked, and it is gone
)

// States lists them as a board shows them.
var States = []State{Made, Sent, Handed, Checked, Unreachable, Fixed}

// Group is a kind of weakness with the same advice.
type Group string

// The groups; they are named as the checks of the survey.
const (
	Firmware Group = "firmware"
	Exposed  Group = "exposed"
	Infected Group = "infected"
)

// Groups lists them.
var Groups = []Group{Infected, Firmware, Exposed}

// Device is what stands at an address, as a survey says it.
type Device struct {
	Address    netip.Addr `json:"address"`
	Kind       string     `json:"type" maxLength:"40"`
	Maker      string     `json:"maker,omitempty" maxLength:"80"` // the key of a maker
	Name       string     `json:"name,omitempty" maxLength:"200"` // maker and model, in English
	NameJA     string     `json:"name_ja,omitempty" maxLength:"200"`
	Firmware   string     `json:"firmware,omitempty" maxLength:"100"`
	Confidence int        `json:"confidence" minimum:"0" maximum:"100"`
	Rules      []string   `json:"rules,omitempty" maxItems:"100"`   // that say so
	Places     []string   `json:"places,omitempty" maxItems:"1000"` // where it answers
}

// Weak is one weakness that a notice tells of.
type Weak struct {
	Place     string       `json:"place"`
	Name      string       `json:"name"`
	Level     action.Level `json:"level"`
	KEV       bool         `json:"kev,omitempty"`
	Title     string       `json:"title"`
	TitleJA   string       `json:"title_ja"`
	Fix       string       `json:"fix,omitempty"`
	FixJA     string       `json:"fix_ja,omitempty"`
	Reference string       `json:"reference,omitempty"`
	Seen      time.Time    `json:"seen"` // last
}

// Notice is one device with what its owner is told.
type Notice struct {
	ID        ident.ID    `json:"id"`
	Org       ident.ID    `json:"org"` // the provider
	Realm     label.Realm `json:"realm"`
	Group     Group       `json:"group"`
	State     State       `json:"state"`
	Device    Device      `json:"device"`
	Weak      []Weak      `json:"weak"`
	FirstSeen time.Time   `json:"first_seen"`
	LastSeen  time.Time   `json:"last_seen"`
	// LastLooked is the last survey that covered it; Silent on how many days in a row
	// it got no answer then.
	LastLooked time.Time `json:"last_looked"`
	Silent     int       `json:"silent"`
	MadeAt     time.Time `json:"made_at"`
	SentAt     time.Time `json:"sent_at,omitzero"`
	HandedAt   time.Time `json:"handed_at,omitzero"`
	CheckedAt  time.Time `json:"checked_at,omitzero"`
	EndedAt    time.Time `json:"ended_at,omitzero"`
	// Proof is how it is known to be fixed: seen (an answer without the weakness),
	// silent (no answer any more) or quiet (an infected one sends no more).
	Proof string `json:"proof,omitempty"`
	Note  string `json:"note,omitempty"` // what was said at the last change of state
	By    string `json:"by,omitempty"`
	// Before is the notice of the same device that was fixed before it came again.
	Before ident.ID `json:"before,omitempty"`
	Survey ident.ID `json:"survey"` // the last that saw it
	Basis  string   `json:"basis,omitempty"`
	// Until is when the authority to look there ends, and LinkUntil the owner's link.
	Until     time.Time `json:"until,omitzero"`
	LinkUntil time.Time `json:"link_until"`
	Version   int64     `json:"version"`

	silentDay string
}

// Level is the worst level of what it tells of.
func (n Notice) Level() (worst action.Level) {
	for _, w := range n.Weak {
		if w.Level.Rank() > worst.Rank() {
			worst = w.Level
		}
	}
	return worst
}

// Actions keeps what must be done about weaknesses, whatever source saw them.
type Actions interface {
	Take(ctx context.Context, s access.Scope, v action.Survey) (action.Outcome, error)
}

// Deps is what the stage works with.
type Deps struct {
	DB      *ledger.DB
	Actions Actions
	Tree    func() *org.Tree
	Now     func() time.Time
	Ident   ident.Maker
	Zone    *time.Location // whose days and months the figures have
	Words   fs.FS          // content/notices
	Key     []byte         // of the owners' links
	Link    func() string  // where the owner's page is: https://host
}

// Notices keeps them.
type Notices struct {
	d     Deps
	words *words
	// OnChange hears of a notice that was made or changed.
	OnChange func(id, org ident.ID)
}

// New makes the stage.
func New(d Deps) (*Notices, error) {
	w, err := readWords(d.Words)
	if err != nil {
		return nil, err
	}
	return &Notices{d: d, words: w, OnChange: func(ident.ID, ident.ID) {}}, nil
}

func (n *Notices) now() time.Time { return n.d.Now().UTC().Truncate(time.Microsecond) }

// day is the day of a moment in the stage's zone.
func (n *Notices) day(at time.Time) string { return at.In(n.d.Zone).Format(time.DateOnly) }

// Zone is whose days and months the figures have.
func (n *Notices) Zone() *time.Location { return n.d.Zone }

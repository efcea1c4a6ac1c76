package attribute

import (
	"context"
	"log/slog"
	"time"

	"noroshi/discovery"
	"noroshi/ident"
	"noroshi/ledger"
	"noroshi/observable"
	"noroshi/org"
)

// State is where an attribution stands.
type State string

// The states.
const (
	Candidate State = "candidate" // a person should look
	Certain   State = "certain"   // by the organisation's own declaration
	Confirmed State = "confirmed" // a person said that it is the organisation's
	Rejected  State = "rejected"  // a person said that it is not
)

// Unknown is the owner of what nobody could attribute.
const Unknown ident.ID = "unknown"

// Judgement is what a person said, and the kinds of evidence there were then.
type Judgement struct {
	State  State            `json:"state"`
	By     string           `json:"by"`
	At     time.Time        `json:"at"`
	Reason string           `json:"reason"`
	Kinds  []discovery.Kind `json:"kinds"`
}

// Discovery is one asset that was found in the walk of an organisation.
type Discovery struct {
	ID         ident.ID              `json:"id"`
	Org        ident.ID              `json:"org"`
	Asset      observable.Observable `json:"asset"`
	ThirdParty bool                  `json:"third_party,omitempty"` // a name outside of the organisation's registered domains
	Owner      ident.ID              `json:"owner"`                 // "unknown" is a value
	State      State                 `json:"state"`
	Confidence int                   `json:"confidence"` // 0 to 100
	FirstSeen  time.Time             `json:"first_seen"`
	LastSeen   time.Time             `json:"last_seen"`
	Kinds      []discovery.Kind      `json:"kinds"`
	Judgement  *Judgement            `json:"judgement,omitempty"`
	// Returned are the new kinds of evidence for which a rejected asset is to be
	// looked at again.
	Returned []discovery.Kind `json:"returned,omitempty"`
	Version  int64            `json:"version"`            // counts judgements
	Evidence []Ground         `json:"evidence,omitempty"` // of one discovery, not of a list
}

// Deps is what the attribution works with. Walk looks for what an organisation
// has; app makes it of sense/discover.
type Deps struct {
	DB    *ledger.DB
	Tree  func() *org.Tree
	Walk  func(ctx context.Context, o org.Organisation) (discovery.Walk, error)
	Now   func() time.Time
	Ident ident.Maker
	Log   *slog.Logger
}

// Attribution keeps what was found, and has it looked for. OnAsk is called when
// somebody asks for a walk; whichever hub runs Run is to be kicked then.
type Attribution struct {
	OnAsk func()

	d    Deps
	kick chan struct{}
}

// New makes it; Run works.
func New(d Deps) *Attribution { return &Attribution{d: d, kick: make(chan struct{}, 1)} }

// Kick lets Run look at once whether a walk was asked for.
func (a *Attribution) Kick() {
	select {
	case a.kick <- struct{}{}:
	default: // It looks already.
	}
}

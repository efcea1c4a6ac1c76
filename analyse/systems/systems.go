// Package systems keeps what organisations' systems are made of: each system with
// its owner and its bills of materials, version by version, and the feeds of
// advisories that all of them are matched with. It holds every bill in force in
// memory, so that who is hit is a look-up, and hands what it finds on as surveys,
// of the organisations that are affected and no others. How matching works is
// analyse/affected; reading files is sense/sbom, which app hands over; what becomes
// of a survey is act/remediation. The API and app call it.
package systems

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

	"noroshi/access"
	"noroshi/action"
	"noroshi/bom"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
	"noroshi/ledger/quarantine"
	"noroshi/org"
)

// Documents reads, scores and writes bills of materials.
type Documents interface {
	Read(r io.Reader) (bom.System, error)
	Score(s bom.System) int // of 100
	Write(w io.Writer, s bom.System) error
}

// Actions is who takes surveys, and says what became of a weakness.
type Actions interface {
	Take(ctx context.Context, s access.Scope, v action.Survey) (action.Outcome, error)
	// Standing finds actions of organisations by their fingerprints; the key is the
	// organisation and the fingerprint.
	Standing(ctx context.Context, s access.Scope, orgs []ident.ID, fingerprints []string) (map[string]action.Action, error)
}

// Deps is what the stage works with.
type Deps struct {
	DB        *ledger.DB
	Documents Documents
	Actions   Actions
	Outside   Outside
	// Aside keeps what could not be read.
	Aside func(ctx context.Context, list []quarantine.Quarantined) error
	// Closed says why no file may be taken now, such as that the disk is nearly full.
	Closed func() error
	Tree   func() *org.Tree
	Now    func() time.Time
	Ident  ident.Maker
	Log    *slog.Logger
}

// Systems keeps the systems and the feeds.
type Systems struct {
	d Deps
	// OnChange is called after a system or a feed was changed here. It is set
	// before the first call of another method.
	OnChange func()

	looking sync.Mutex // one look into the ledger at a time
	mem     *memory
	wake    chan struct{}
}

// New makes the stage. It knows nothing until its first Refresh.
func New(d Deps) (*Systems, error) {
	if d.DB == nil || d.Documents == nil || d.Actions == nil || d.Outside == nil || d.Aside == nil || d.Closed == nil || d.Tree == nil || d.Now == nil || d.Ident.Now == nil || d.Log == nil {
		return nil, fault.New(fault.Internal, "systems.new", "a part of the systems is missing")
	}
	return &Systems{d: d, OnChange: func() {}, mem: newMemory(d.Tree), wake: make(chan struct{}, 1)}, nil
}

// edition is the number of the last change of a system or a feed.
const edition ledger.Edition = "systems.edition"

// now is the moment as the ledger keeps it.
func (x *Systems) now() time.Time { return x.d.Now().UTC().Truncate(time.Microsecond) }

// Kick has what changed looked at now. It does not wait.
func (x *Systems) Kick() {
	select {
	case x.wake <- struct{}{}:
	default: // One that was asked for and has not begun sees this one too.
	}
}

// root is the centre, which alone says what advisories are believed.
func (x *Systems) root() ident.ID {
	for _, o := range x.d.Tree().All() {
		if o.Parent == "" {
			return o.ID
		}
	}
	return ""
}

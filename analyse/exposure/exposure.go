// Package exposure keeps what an organisation shows to the Internet, and what it
// has authorised to be looked at. Scopes are recorded by one person and approved
// by another; scanners ask it which are due, hold a lease on a run and hand in
// what they saw; it keeps hosts, services and changes, judges them by the rules of
// content/exposure and by the advisories that the hub believes, and tells a survey
// of each run to whoever keeps actions. It sends nothing to anybody's network: sense/surface does. App makes it, the API
// calls it.
package exposure

import (
	"context"
	"io/fs"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"noroshi/access"
	"noroshi/action"
	"noroshi/ident"
	"noroshi/ledger"
	"noroshi/org"
)

// Terms are what a scope's text says, as plain data.
type Terms struct {
	Owner      string         `json:"owner"`
	Survey     string         `json:"survey,omitempty"` // "iot": of devices, for their owners' sake
	Contact    string         `json:"contact"`
	LegalBasis string         `json:"legal_basis"`
	Proof      string         `json:"proof"` // letter, dns, page
	Token      string         `json:"token"`
	Digest     string         `json:"digest"`
	Ranges     []netip.Prefix `json:"ranges"`
	Excluded   []netip.Prefix `json:"excluded,omitempty"`
	Places     []string       `json:"places"` // tcp/443
	Targets    uint64         `json:"targets"`
	Cap        int64          `json:"cap,omitempty"` // probes of one run, in all its sittings
	ValidUntil time.Time      `json:"valid_until"`
}

// Texts reads the texts of scopes, as the scanner does.
type Texts interface {
	// Parse reads and checks a text.
	Parse(text []byte) (Terms, error)
	// Exclude writes it with more excluded ranges.
	Exclude(text []byte, more []netip.Prefix) ([]byte, error)
	// Open tells whether an instant is within its hours.
	Open(text []byte, now time.Time) bool
}

// Actions keeps what must be done about weaknesses.
type Actions interface {
	// Take tells it of one look.
	Take(ctx context.Context, s access.Scope, look action.Survey) error
	// Recheck lists the places that are to be looked at again: of what is said to be
	// mended, and where owners of devices ask.
	Recheck(ctx context.Context) ([]Wish, error)
}

// Names knows by which names the addresses of an organisation are known.
type Names interface {
	Names(ctx context.Context, of ident.ID) (map[netip.Addr][]string, error)
}

// Deps is what the stage works with.
type Deps struct {
	DB         *ledger.DB
	Texts      Texts
	Actions    Actions
	Advisories Advisories
	Devices    Devices
	Names      Names
	Tree       func() *org.Tree
	Now        func() time.Time
	Ident      ident.Maker
	Log        *slog.Logger
	Every      time.Duration // from one whole scan of a scope to the next
	About      string        // where everybody can read who scans and why
	Rules      fs.FS
}

// Store keeps what is exposed.
type Store struct {
	d     Deps
	rules *Rules
	// OnChange is called after a scope, a run or what is seen changed.
	OnChange func(id, org ident.ID)

	judging sync.Mutex // one judgement of all versions at a time
	judged  int64      // the advisories by which all versions were judged last

	mu    sync.Mutex
	texts map[ident.ID]text // of scopes, with everything that is excluded
}

// New makes the stage.
func New(d Deps) (*Store, error) {
	rules, err := LoadRules(d.Rules)
	if err != nil {
		return nil, err
	}
	return &Store{d: d, rules: rules, OnChange: func(ident.ID, ident.ID) {}, texts: map[ident.ID]text{}}, nil
}

func (st *Store) now() time.Time { return st.d.Now().UTC().Truncate(time.Microsecond) }

// hub is the scope of the stage's own work.
func (st *Store) hub() access.Scope { return access.Hub(st.d.Tree(), "exposure") }

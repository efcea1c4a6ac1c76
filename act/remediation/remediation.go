// Package remediation keeps what must be done about weaknesses, from the survey
// that finds one to the survey that proves it gone. Surveys come from scanners and
// from bills of materials, work from people; a policy says by when, and those
// above are told what is late. It looks at nothing itself and knows no source: a
// survey says what it covered. The API and app call it.
package remediation

import (
	"log/slog"
	"time"

	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
	"noroshi/org"
)

// Config is what may be different elsewhere; zero parts take what is written here.
type Config struct {
	// SilentGap is how far apart two surveys without an answer must be to prove
	// together what one alone does not: 6 hours.
	SilentGap time.Duration
	// RemindBefore is how long before the due date the first reminder comes: 3 days.
	RemindBefore time.Duration
	// RemindEvery is how often those who are late are reminded, each time one
	// organisation higher: 7 days.
	RemindEvery time.Duration
}

// Deps is what the stage works with.
type Deps struct {
	DB     *ledger.DB
	Policy *Policy
	Tree   func() *org.Tree
	Now    func() time.Time
	Ident  ident.Maker
	Log    *slog.Logger
}

// Change tells that actions of an organisation changed: one, or those of a
// survey.
type Change struct {
	Org ident.ID
	ID  ident.ID // the action or the survey
}

// Remediation keeps the actions.
type Remediation struct {
	cfg Config
	d   Deps
	// OnChange is called after actions were made or changed. It is set before the
	// first call of another method.
	OnChange func(c Change)
}

// New makes the stage.
func New(cfg Config, d Deps) (*Remediation, error) {
	if d.DB == nil || d.Policy == nil || d.Tree == nil || d.Now == nil || d.Ident.Now == nil || d.Log == nil {
		return nil, fault.New(fault.Internal, "remediation.new", "a part of the remediation is missing")
	}
	set := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	set(&cfg.SilentGap, 6*time.Hour)
	set(&cfg.RemindBefore, 3*day)
	set(&cfg.RemindEvery, 7*day)
	if cfg.SilentGap < 0 || cfg.RemindBefore < 0 || cfg.RemindEvery < 0 {
		return nil, fault.New(fault.Invalid, "remediation.new", "a time of the remediation is below zero")
	}
	return &Remediation{cfg: cfg, d: d, OnChange: func(Change) {}}, nil
}

const day = 24 * time.Hour

// now is the moment as the ledger keeps it.
func (r *Remediation) now() time.Time { return r.d.Now().UTC().Truncate(time.Microsecond) }

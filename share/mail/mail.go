// Package mail brings to people what waits for them: reminders and escalations of
// actions, and notices to hand on, in one digest a day, through a relay of the
// operator's. Who gets mail, and every letter until it is accepted, stands in the
// ledger. It decides about nothing itself; what is told it learns through functions
// that app fills in. The API and app call it.
package mail

import (
	"context"
	"log/slog"
	"time"

	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
	"noroshi/org"
)

// Reminder is an action of which an organisation was reminded.
type Reminder struct {
	Action         ident.ID
	At             time.Time
	Org            ident.ID // whose it is
	Kind           string   // soon, due, late
	Due            time.Time
	Title, TitleJA string
	Asset          string
	KEV            bool
	Assignee       string
}

// Made is a notice by when it was made, which is its place in the list.
type Made struct {
	At time.Time `json:"at"`
	ID ident.ID  `json:"id,omitempty"`
}

// Notices is what waits to be handed on by a provider.
type Notices interface {
	// Waiting lists those that wait still, in the order in which they were made: after
	// one, before a moment, and at most so many.
	Waiting(ctx context.Context, org ident.ID, after Made, before time.Time, most int) ([]Made, error)
	// Files are the table and the letters of some, with the owners' links: made when
	// they are sent, and kept nowhere.
	Files(ctx context.Context, org ident.ID, ids []ident.ID) ([]File, error)
	// Sent notes, in the transaction that notes the letter, that a provider has them.
	Sent(ctx context.Context, tx *ledger.Tx, ids []ident.ID, note string) error
}

// Config is how mail is sent.
type Config struct {
	Relay     Relay
	From      string // the envelope's sender, too
	FromName  string
	Contact   string // where answers go
	PerMinute int
	Hour      int // of the day, from which on digests are made
	Zone      *time.Location
	Link      func() string // the console's address, for links
}

// Deps is what the stage works with.
type Deps struct {
	DB        *ledger.DB
	Reminders func(ctx context.Context, told ident.ID, from, to time.Time) ([]Reminder, error)
	Notices   Notices
	Tree      func() *org.Tree
	Now       func() time.Time
	Ident     ident.Maker
	Log       *slog.Logger
}

// Mail keeps who gets mail, and the letters.
type Mail struct {
	cfg Config
	d   Deps
}

// New makes the stage. Without a relay people may be entered, and nothing is made
// or sent.
func New(cfg Config, d Deps) (*Mail, error) {
	if d.DB == nil || d.Reminders == nil || d.Notices == nil || d.Tree == nil || d.Now == nil || d.Ident.Now == nil || d.Log == nil || cfg.Zone == nil || cfg.Link == nil {
		return nil, fault.New(fault.Internal, "mail.new", "a part of the mail is missing")
	}
	if !cfg.On() {
		return &Mail{cfg: cfg, d: d}, nil
	}
	for key, a := range map[string]string{"from": cfg.From, "contact": cfg.Contact} {
		if _, err := Address(a); err != nil {
			return nil, fault.As(fault.Invalid, "mail.new", err, "%s", fault.PublicOf(err)).At("hub.mail.%s", key)
		}
	}
	if cfg.PerMinute < 1 {
		return nil, fault.New(fault.Invalid, "mail.new", "at least one letter a minute").At("hub.mail.per_minute")
	}
	return &Mail{cfg: cfg, d: d}, nil
}

// On tells whether there is a relay.
func (c Config) On() bool { return c.Relay.Addr != "" }

// On tells whether there is a relay.
func (m *Mail) On() bool { return m.cfg.On() }

// now is the moment as the ledger keeps it.
func (m *Mail) now() time.Time { return m.d.Now().UTC().Truncate(time.Microsecond) }

// Run makes digests and sends letters until ctx ends. One hub at a time runs it.
func (m *Mail) Run(ctx context.Context) error {
	if !m.cfg.On() {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if err := m.Look(ctx); err != nil && ctx.Err() == nil {
			m.d.Log.Error("mail cannot be made or sent; it is tried again", "role", "hub", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// lookEvery is how often it is looked what is to be made or sent.
const lookEvery = 15 * time.Second

// Look makes the digests that are due, and sends what waits.
func (m *Mail) Look(ctx context.Context) error {
	if err := m.digests(ctx); err != nil {
		return err
	}
	return m.deliver(ctx)
}

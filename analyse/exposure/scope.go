package exposure

import (
	"context"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"time"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
)

// State is where a scope stands.
type State string

// The states. A scope in force ends by itself when its time is over.
const (
	Proposed  State = "proposed"
	InForce   State = "in_force"
	Withdrawn State = "withdrawn"
	Expired   State = "expired"
)

// States lists them as a page shows them.
var States = []State{Proposed, InForce, Withdrawn, Expired}

// Scope is what an owner has authorised, on record.
type Scope struct {
	ID         ident.ID  `json:"id"`
	Org        ident.ID  `json:"org"`
	State      State     `json:"state"`
	Terms      Terms     `json:"terms"`
	Text       string    `json:"text,omitempty"` // only of one that is asked for
	Recorded   time.Time `json:"recorded"`
	RecordedBy string    `json:"recorded_by"`
	Approved   time.Time `json:"approved,omitzero"`
	ApprovedBy string    `json:"approved_by,omitempty"`
	Ended      time.Time `json:"ended,omitzero"`
	EndedBy    string    `json:"ended_by,omitempty"`
	Why        string    `json:"why,omitempty"` // of its end
	Due        time.Time `json:"due,omitzero"`  // the next whole scan
	Version    int64     `json:"version"`
}

// The bounds of what a person says.
const (
	maxText = 200 << 10 // bytes of a scope
	maxWhy  = 1000
)

// Propose records what an owner has authorised. Nothing is scanned by it until
// another person has approved it.
func (st *Store) Propose(ctx context.Context, s access.Scope, org ident.ID, text string) (Scope, error) {
	const op = "exposure.propose"
	if !s.Allows(org) {
		return Scope{}, fault.New(fault.NotFound, op, "there is no such organisation here")
	}
	if len(text) > maxText {
		return Scope{}, fault.New(fault.TooLarge, op, "the scope is over %d bytes", maxText)
	}
	terms, err := st.d.Texts.Parse([]byte(text))
	if err != nil {
		return Scope{}, err
	}
	now := st.now()
	if !terms.ValidUntil.After(now) {
		return Scope{}, fault.New(fault.Invalid, op, "the authorisation ended on %s", terms.ValidUntil.Format(time.DateOnly)).At("key valid_until")
	}
	c := Scope{ID: st.d.Ident.New(ident.Scope), Org: org, State: Proposed, Terms: terms, Text: text, Recorded: now, RecordedBy: s.Actor(), Version: 1}
	err = st.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO scan_scope (id, org, state, valid_until, due, created, version, body) VALUES (?,?,?,?,0,?,1,?)`,
			c.ID, c.Org, string(c.State), ledger.Micros(terms.ValidUntil), ledger.Micros(now), ledger.JSON(c)); err != nil {
			return err
		}
		return tx.Record(ctx, "scope", c.ID, c.Org, "proposed", c)
	})
	return c, st.told(op, c.ID, c.Org, err)
}

// Approve puts a scope in force. It takes another person than who recorded it:
// one saw the owner's word, and another looked whether it says this.
func (st *Store) Approve(ctx context.Context, s access.Scope, id ident.ID, version int64) (Scope, error) {
	const op = "exposure.approve"
	return st.turn(ctx, s, op, id, version, "approved", func(c *Scope, now time.Time) error {
		switch {
		case c.State != Proposed:
			return fault.New(fault.Conflict, op, "the scope is %s now; only a proposed one is approved", c.State)
		case c.RecordedBy == s.Actor():
			return fault.New(fault.Denied, op, "who recorded a scope cannot approve it: another person must")
		}
		c.State, c.Approved, c.ApprovedBy, c.Due = InForce, now, s.Actor(), now
		return nil
	})
}

// Withdraw ends a scope. A scan that is under way stops within a second, because
// the scanner reads the text five times in each.
func (st *Store) Withdraw(ctx context.Context, s access.Scope, id ident.ID, version int64, why string) (Scope, error) {
	const op = "exposure.withdraw"
	if strings.TrimSpace(why) == "" || len(why) > maxWhy {
		return Scope{}, fault.New(fault.Invalid, op, "say why, in at most %d bytes", maxWhy)
	}
	return st.turn(ctx, s, op, id, version, "withdrawn", func(c *Scope, now time.Time) error {
		if c.State != Proposed && c.State != InForce {
			return fault.New(fault.Conflict, op, "the scope is %s already", c.State)
		}
		c.State, c.Ended, c.EndedBy, c.Why = Withdrawn, now, s.Actor(), why
		return nil
	})
}

// turn changes a scope that the actor looked at in a given version; 0 takes it as
// it is.
func (st *Store) turn(ctx context.Context, s access.Scope, op string, id ident.ID, version int64, what string, do func(*Scope, time.Time) error) (c Scope, err error) {
	err = st.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) (err error) {
		if c, err = st.scopeOf(ctx, tx, s, id); err != nil {
			return err
		}
		if version != 0 && version != c.Version {
			return fault.New(fault.Conflict, op, "the scope was changed meanwhile; read it again")
		}
		if err := do(&c, st.now()); err != nil {
			return err
		}
		if err := save(ctx, tx, &c); err != nil {
			return err
		}
		return tx.Record(ctx, "scope", c.ID, c.Org, what, c)
	})
	return c, st.told(op, c.ID, c.Org, err)
}

func (st *Store) told(op string, id, org ident.ID, err error) error {
	if err == nil {
		st.OnChange(id, org)
	}
	return fault.Wrap(op, err)
}

func save(ctx context.Context, tx *ledger.Tx, c *Scope) error {
	before := c.Version
	c.Version++
	return ledger.Changed(tx.Exec(ctx, `UPDATE scan_scope SET state = ?, due = ?, version = ?, body = ? WHERE id = ? AND version = ?`,
		string(c.State), ledger.Micros(c.Due), c.Version, ledger.JSON(c), c.ID, before))
}

// scopeOf reads one; one that the reader may not see is not there.
func (st *Store) scopeOf(ctx context.Context, q ledger.Queryer, s access.Scope, id ident.ID) (Scope, error) {
	c, err := st.scanScope(q.QueryRow(ctx, `SELECT body FROM scan_scope WHERE id = ?`, id).Scan)
	if ledger.NoRows(err) || err == nil && !s.Allows(c.Org) {
		return Scope{}, fault.New(fault.NotFound, "exposure.scope", "there is no such scope here")
	}
	return c, err
}

// scanScope reads a row; what is in force beyond its time has expired.
func (st *Store) scanScope(into func(...any) error) (c Scope, err error) {
	var body string
	if err := into(&body); err != nil {
		return c, err
	}
	if err := json.Unmarshal([]byte(body), &c); err != nil {
		return c, err
	}
	if (c.State == InForce || c.State == Proposed) && !c.Terms.ValidUntil.After(st.now()) {
		c.State = Expired
	}
	return c, nil
}

// Scope returns one with its text.
func (st *Store) Scope(ctx context.Context, s access.Scope, id ident.ID) (c Scope, err error) {
	err = st.d.DB.Read(ctx, func(q ledger.Queryer) (err error) {
		c, err = st.scopeOf(ctx, q, s, id)
		return err
	})
	return c, fault.Wrap("exposure.scope", err)
}

// Scopes lists scopes, the newest first, and counts them by state.
func (st *Store) Scopes(ctx context.Context, s access.Scope, f Filter) (Page[Scope], error) {
	now := ledger.Micros(st.now())
	where := map[State]string{Proposed: `(state = 'proposed' AND valid_until > ?)`, InForce: `(state = 'in_force' AND valid_until > ?)`,
		Expired: `(state IN ('proposed','in_force') AND valid_until <= ?)`, Withdrawn: `(state = 'withdrawn' AND ? > 0)`}
	c := choose(s, f, "created", ident.Scope)
	if len(f.States) > 0 {
		var parts []string
		var args []any
		for _, x := range f.States {
			if w, ok := where[State(x)]; ok {
				parts, args = append(parts, w), append(args, now)
			}
		}
		c.And("("+strings.Join(append(parts, "1 = 0"), " OR ")+")", args...)
	}
	p, err := pageOf(ctx, st.d.DB, c, `SELECT body FROM scan_scope`, func(scan func(...any) error) (Scope, error) {
		x, err := st.scanScope(scan)
		x.Text = ""
		return x, err
	}, func(x Scope) (time.Time, ident.ID) { return x.Recorded, x.ID })
	return p, fault.Wrap("exposure.scopes", err)
}

// Allows tells whether a scope of an organisation lets an address be looked at now,
// and whether any that was in force ever named it. An address whose holder asked not
// to be scanned counts as named: nothing allows it.
func (st *Store) Allows(ctx context.Context, org ident.ID, a netip.Addr) (named, allowed bool, err error) {
	has := func(p netip.Prefix) bool { return p.Contains(a) }
	err = st.d.DB.Read(ctx, func(q ledger.Queryer) error {
		optedOut, err := granted(ctx, q)
		if err != nil {
			return err
		}
		named, allowed = slices.ContainsFunc(optedOut, has), false
		rows, err := q.Query(ctx, `SELECT body FROM scan_scope WHERE org = ? AND state <> 'proposed'`, org)
		return ledger.Each(rows, err, func(scan func(...any) error) error {
			c, err := st.scanScope(scan)
			named = named || slices.ContainsFunc(c.Terms.Ranges, has)
			allowed = allowed || c.State == InForce && st.narrow(c, optedOut).Terms.holds(a)
			return err
		})
	})
	return named, allowed, fault.Wrap("exposure.allows", err)
}

// History returns what became of a scope that the caller has been shown.
func (st *Store) History(ctx context.Context, c Scope) ([]ledger.Change, error) {
	return st.d.DB.History(ctx, c.ID)
}

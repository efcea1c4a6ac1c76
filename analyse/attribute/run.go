package attribute

import (
	"context"
	"encoding/json"
	"time"

	"noroshi/access"
	"noroshi/discovery"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
	"noroshi/org"
)

// Times of the work.
const (
	daily     = 24 * time.Hour
	lookAgain = time.Minute // a kick may be lost
)

// Walked is when an organisation was walked last, and what came of it.
type Walked struct {
	Org     ident.ID              `json:"org"`
	Asked   time.Time             `json:"asked,omitzero"`
	AskedBy string                `json:"asked_by,omitempty"`
	Began   time.Time             `json:"began,omitzero"`
	Ended   time.Time             `json:"ended,omitzero"` // before Began while it is under way
	Summary discovery.WalkSummary `json:"summary"`
	New     int                   `json:"new"`             // assets that were not known before
	Error   string                `json:"error,omitempty"` // why it came to nothing
}

// due tells that an organisation is to be walked: it was asked for, never done,
// cut off in its middle, or a day ago.
func (r Walked) due(now time.Time) bool {
	return r.asked() || r.Ended.Before(r.Began) || now.Sub(r.Began) >= daily
}

// Ask has an organisation walked as soon as may be.
func (a *Attribution) Ask(ctx context.Context, s access.Scope, o ident.ID) (Walked, error) {
	const op = "attribute.ask"
	x, ok := a.d.Tree().Get(o)
	switch {
	case !ok || !s.Allows(o):
		return Walked{}, fault.New(fault.NotFound, op, "there is no such organisation here")
	case !declares(x):
		return Walked{}, fault.New(fault.Invalid, op, "%s declares neither domains nor prefixes, so there is nothing to begin with", x.Slug)
	}
	now := a.d.Now().UTC()
	err := a.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO discovery_run (org, asked, asked_by, began, ended, body) VALUES (?,?,?,0,0,'{}')
			ON CONFLICT (org) DO UPDATE SET asked = excluded.asked, asked_by = excluded.asked_by`, o, ledger.Micros(now), s.Actor()); err != nil {
			return err
		}
		return tx.Record(ctx, "organisation", o, o, "discovery asked", map[string]any{})
	})
	if err != nil {
		return Walked{}, fault.Wrap(op, err)
	}
	if a.OnAsk != nil {
		a.OnAsk()
	}
	list, err := a.Runs(ctx, s)
	for _, r := range list {
		if r.Org == o {
			return r, err
		}
	}
	return Walked{}, err
}

func declares(o org.Organisation) bool { return len(o.Assets.Domains)+len(o.Assets.Prefixes) > 0 }

// Runs lists the runs of the scope's organisations.
func (a *Attribution) Runs(ctx context.Context, s access.Scope) (list []Walked, err error) {
	in, args := ledger.In(s.Orgs())
	err = a.d.DB.Read(ctx, func(q ledger.Queryer) error {
		list = nil
		rows, err := q.Query(ctx, `SELECT org, asked, asked_by, began, ended, body FROM discovery_run WHERE org IN `+in+` ORDER BY org`, args...)
		return ledger.Each(rows, err, func(scan func(...any) error) error {
			var r, at Walked
			var asked, began, ended int64
			var body string
			if err := scan(&at.Org, &asked, &at.AskedBy, &began, &ended, &body); err != nil {
				return err
			}
			err := json.Unmarshal([]byte(body), &r)
			r.Org, r.AskedBy, r.Asked, r.Began, r.Ended = at.Org, at.AskedBy, ledger.Time(asked), ledger.Time(began), ledger.Time(ended)
			list = append(list, r)
			return err
		})
	})
	return list, fault.Wrap("attribute.runs", err)
}

// Run walks what is due until ctx ends, one organisation after the other. One hub
// at a time runs it.
func (a *Attribution) Run(ctx context.Context) error {
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for {
		if err := a.Due(ctx); err != nil && ctx.Err() == nil {
			a.d.Log.Error("discovery goes on later", "role", "hub", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-a.kick:
		case <-tick.C:
		}
	}
}

// Due walks every organisation that is due, those first that somebody asked for,
// then the one that has waited longest. One that fails hinders no other.
func (a *Attribution) Due(ctx context.Context) error {
	for {
		o, r, err := a.next(ctx)
		if err != nil || r.Org == "" || ctx.Err() != nil {
			return err
		}
		r.Began = a.d.Now().UTC()
		if err := a.begin(ctx, r); err != nil {
			return err
		}
		r = a.one(ctx, o, r)
		if ctx.Err() != nil {
			return nil // It is walked again: what was kept is kept.
		}
		if r.Error != "" {
			a.d.Log.Warn("an organisation could not be walked", "role", "hub", "org", o.ID, "organisation", o.Slug, "err", r.Error)
		}
		if err := a.end(ctx, r); err != nil {
			return err
		}
	}
}

// next is the organisation that is to be walked now.
func (a *Attribution) next(ctx context.Context) (org.Organisation, Walked, error) {
	tree, now := a.d.Tree(), a.d.Now()
	list, err := a.Runs(ctx, access.Hub(tree, "discover"))
	if err != nil {
		return org.Organisation{}, Walked{}, err
	}
	last := map[ident.ID]Walked{}
	for _, r := range list {
		last[r.Org] = r
	}
	var first Walked
	for _, o := range tree.All() {
		r := last[o.ID]
		r.Org = o.ID
		if declares(o) && r.due(now) && (first.Org == "" || r.before(first)) {
			first = r
		}
	}
	o, _ := tree.Get(first.Org)
	return o, first, nil
}

// asked tells a walk that somebody asked for and that has not begun.
func (r Walked) asked() bool { return r.Asked.After(r.Began) }

// before tells which of two that are due comes first.
func (r Walked) before(o Walked) bool {
	if r.asked() != o.asked() {
		return r.asked()
	}
	if r.asked() {
		return r.Asked.Before(o.Asked)
	}
	return r.Began.Before(o.Began)
}

// one walks one organisation.
func (a *Attribution) one(ctx context.Context, o org.Organisation, r Walked) Walked {
	w, err := a.d.Walk(ctx, o)
	r.Summary, r.New, r.Error = w.Summary, 0, ""
	if err == nil {
		r.New, err = a.Keep(ctx, o, w)
	}
	if err != nil {
		r.Error = fault.PublicOf(err)
	}
	r.Ended = a.d.Now().UTC()
	return r
}

func (a *Attribution) begin(ctx context.Context, r Walked) error {
	return fault.Wrap("attribute.begin", a.d.DB.Write(ctx, actor, func(tx *ledger.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO discovery_run (org, asked, asked_by, began, ended, body) VALUES (?,0,'',?,0,'{}')
			ON CONFLICT (org) DO UPDATE SET began = excluded.began`, r.Org, ledger.Micros(r.Began))
		return err
	}))
}

func (a *Attribution) end(ctx context.Context, r Walked) error {
	return fault.Wrap("attribute.end", a.d.DB.Write(ctx, actor, func(tx *ledger.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE discovery_run SET ended = ?, body = ? WHERE org = ?`, ledger.Micros(r.Ended), ledger.JSON(r), r.Org); err != nil {
			return err
		}
		return tx.Record(ctx, "organisation", r.Org, r.Org, "discovered", r)
	}))
}

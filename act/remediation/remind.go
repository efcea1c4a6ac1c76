package remediation

import (
	"context"
	"strconv"
	"time"

	"noroshi/access"
	"noroshi/action"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
)

// Reminder tells that somebody was reminded of an action.
type Reminder struct {
	Action   ident.ID  `json:"action"`
	At       time.Time `json:"at"`
	Org      ident.ID  `json:"org"`
	Told     ident.ID  `json:"told"` // the organisation that is reminded: its own, or one above
	Assignee string    `json:"assignee,omitempty"`
	Kind     string    `json:"kind"` // soon, due, late
	Due      time.Time `json:"due"`
}

// remind tells who is late. The first reminder comes before the date, the second
// at the date, and each one after that goes to the organisation above the one that
// was told last, as far as there is one.
func (r *Remediation) remind(ctx context.Context) (n int, err error) {
	now := r.now()
	var list []*row
	err = r.d.DB.Write(ctx, "hub:remediation", func(tx *ledger.Tx) (err error) {
		list, err = readRows(ctx, tx, `remind > 0 AND remind <= ? ORDER BY remind LIMIT `+itoa(perLook), ledger.Micros(now))
		if err != nil {
			return err
		}
		for _, a := range list {
			x := r.reminder(a, now)
			if _, err := tx.Exec(ctx, `INSERT INTO action_reminder (action, at, org, told, assignee, kind, due) VALUES (?,?,?,?,?,?,?) ON CONFLICT (action, at) DO NOTHING`,
				string(x.Action), ledger.Micros(x.At), string(x.Org), string(x.Told), x.Assignee, x.Kind, ledger.Micros(x.Due)); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `UPDATE action SET remind = ?, body = ? WHERE id = ?`, ledger.Micros(a.remind), ledger.JSON(a.Action), string(a.ID)); err != nil {
				return err
			}
			if err := tx.Record(ctx, "action", a.ID, a.Org, "reminded", x); err != nil {
				return err
			}
		}
		return nil
	})
	for _, a := range list {
		r.OnChange(Change{Org: a.Org, ID: a.ID})
	}
	return len(list), err
}

// reminder makes the reminder that is due and sets the time of the next.
func (r *Remediation) reminder(a *row, now time.Time) Reminder {
	x := Reminder{Action: a.ID, At: now, Org: a.Org, Told: a.Org, Assignee: a.Assignee, Due: a.Due}
	switch {
	case now.Before(a.Due):
		x.Kind, a.remind = "soon", a.Due
	case now.Before(a.Due.Add(r.cfg.RemindEvery)) && a.Escalated == 0:
		x.Kind, a.remind = "due", a.Due.Add(r.cfg.RemindEvery)
	default:
		x.Kind, a.remind = "late", now.Add(r.cfg.RemindEvery)
		above := r.d.Tree().Ancestors(a.Org)
		if a.Escalated++; len(above) > 0 {
			x.Told = above[min(a.Escalated, len(above))-1]
		}
	}
	return x
}

// Reminders is one page of reminders.
type Reminders struct {
	Items []Reminder
	Next  string
}

// Reminders lists who was reminded of what, the latest first.
func (r *Remediation) Reminders(ctx context.Context, s access.Scope, org ident.ID, cursor string, limit int) (Reminders, error) {
	const op = "remediation.reminders"
	in, args := ledger.In(orgsOf(s, org))
	where := `org IN ` + in
	if len(args) > manyPieces {
		where = `org || '' IN ` + in // The index by time is to be used.
	}
	if cursor != "" {
		at, id, err := readCursor(op, cursor)
		if err != nil {
			return Reminders{}, err
		}
		where += ` AND (at, action) < (?,?)`
		args = append(args, at, id)
	}
	limit = pageSize(limit)
	var p Reminders
	err := r.d.DB.Read(ctx, func(q ledger.Queryer) error {
		rows, err := q.Query(ctx, `SELECT action, at, org, told, assignee, kind, due FROM action_reminder WHERE `+where+` ORDER BY at DESC, action DESC LIMIT `+strconv.Itoa(limit+1), args...)
		return ledger.Each(rows, err, func(sc func(...any) error) error {
			var x Reminder
			var at, due int64
			err := sc(&x.Action, &at, &x.Org, &x.Told, &x.Assignee, &x.Kind, &due)
			x.At, x.Due = ledger.Time(at), ledger.Time(due)
			p.Items = append(p.Items, x)
			return err
		})
	})
	if len(p.Items) > limit {
		p.Items = p.Items[:limit]
		last := p.Items[limit-1]
		p.Next = cursorOf(ledger.Micros(last.At), last.Action)
	}
	return p, fault.Wrap(op, err)
}

// Recheck lists live actions of a source that are to be looked at again: those
// that are claimed to be mended, then those that nobody looked at for longest.
func (r *Remediation) Recheck(ctx context.Context, s access.Scope, source action.Source, limit int) (list []action.Action, err error) {
	in, orgs := ledger.In(s.Orgs())
	err = r.d.DB.Read(ctx, func(q ledger.Queryer) error {
		list = nil
		for _, realm := range realms(0) {
			for _, st := range []action.State{action.Claimed, action.Open, action.Excepted} {
				rows, err := readRows(ctx, q, `source = ? AND tab = ? AND org || '' IN `+in+` ORDER BY last_looked LIMIT `+itoa(pageSize(limit)),
					append([]any{string(source), tabOf(st, realm)}, orgs...)...)
				if err != nil {
					return err
				}
				for _, a := range rows {
					list = append(list, a.Action)
				}
			}
		}
		return nil
	})
	sortRecheck(list)
	return list[:min(len(list), pageSize(limit))], fault.Wrap("remediation.recheck", err)
}

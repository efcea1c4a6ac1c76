package remediation

import (
	"context"
	"encoding/json"
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
	in, args := ledger.In(s.Within(org))
	where := `org IN ` + in
	if len(args) > manyPieces {
		where = `org || '' IN ` + in // The index by time is to be used.
	}
	if cursor != "" {
		at, id, err := ledger.ReadCursor(op, cursor, ident.Action)
		if err != nil {
			return Reminders{}, err
		}
		where += ` AND (at, action) < (?,?)`
		args = append(args, at, id)
	}
	limit = ledger.PageSize(limit)
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
		p.Next = ledger.Cursor(ledger.Micros(last.At), last.Action)
	}
	return p, fault.Wrap(op, err)
}

// Told is a reminder with the action that it is about.
type Told struct {
	Reminder
	Live action.Action
}

// ToldTo lists what an organisation was reminded of in a time, as far as it is still
// to be done.
func (r *Remediation) ToldTo(ctx context.Context, s access.Scope, told ident.ID, from, to time.Time) (list []Told, err error) {
	const op = "remediation.told"
	if !s.Allows(told) {
		return nil, fault.New(fault.NotFound, op, "there is no such organisation here")
	}
	err = r.d.DB.Read(ctx, func(q ledger.Queryer) error {
		list = nil
		rows, err := q.Query(ctx, `SELECT m.at, m.kind, m.due, a.body FROM action_reminder m JOIN action a ON a.id = m.action WHERE m.told = ? AND m.at > ? AND m.at <= ? ORDER BY m.at, m.action LIMIT `+strconv.Itoa(maxToldTo),
			string(told), ledger.Micros(from), ledger.Micros(to))
		return ledger.Each(rows, err, func(sc func(...any) error) error {
			var x Told
			var at, due int64
			var body string
			if err := sc(&at, &x.Kind, &due, &body); err != nil {
				return err
			}
			if err := json.Unmarshal([]byte(body), &x.Live); err != nil {
				return err
			}
			if x.Live.State != action.Open && x.Live.State != action.Claimed {
				return nil
			}
			x.Action, x.At, x.Org, x.Told, x.Assignee, x.Due = x.Live.ID, ledger.Time(at), x.Live.Org, told, x.Live.Assignee, ledger.Time(due)
			list = append(list, x)
			return nil
		})
	})
	return list, fault.Wrap(op, err)
}

// maxToldTo is how many reminders are told at once: more than anybody reads.
const maxToldTo = 10_000

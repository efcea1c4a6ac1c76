package mail

import (
	"cmp"
	"context"
	"slices"
	"time"

	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
)

const (
	// settled is how old something is when it is told: what another hub writes with
	// its clock a little behind is in the ledger by then.
	settled = 5 * time.Minute
	// maxNotices is how many notices go in one letter; another takes what is left.
	maxNotices = 2000
)

// digests makes those of today that are not made yet, one for each address.
func (m *Mail) digests(ctx context.Context) error {
	local := m.now().In(m.cfg.Zone)
	if local.Hour() < m.cfg.Hour {
		return nil
	}
	day := local.Format(time.DateOnly)
	var due []Recipient
	err := m.d.DB.Read(ctx, func(q ledger.Queryer) (err error) {
		due, err = readRecipients(ctx, q, `state = ? AND address IN (SELECT address FROM mail_recipient WHERE state = ? AND day < ? ORDER BY address LIMIT 200)`, Active, Active, day)
		return err
	})
	if err != nil {
		return fault.Wrap("mail.digests", err)
	}
	for len(due) > 0 {
		n := 1
		for n < len(due) && due[n].Address == due[0].Address {
			n++
		}
		if err := m.digest(ctx, day, due[:n]); err != nil {
			return fault.Wrap("mail.digest", err)
		}
		due = due[n:]
	}
	return nil
}

// section is what is told to a person about one organisation's matters.
type section struct {
	org       ident.ID
	reminders []Reminder
	notices   []ident.ID
	more      bool // there are more notices than one letter takes
}

// digest makes the letter of a day for one address, and moves what it was told in
// the same transaction: nothing is told twice, and nothing left out.
func (m *Mail) digest(ctx context.Context, day string, list []Recipient) error {
	until := m.now().Add(-settled)
	var parts []section
	more := false
	l := Letter{ID: m.d.Ident.New(ident.Letter), Org: list[0].Org, To: list[0].Address, Lang: list[0].Lang, State: Waiting, MadeAt: m.now(), NextAt: m.now()}
	for i := range list {
		r := &list[i]
		since, sinceNotices := r.Told, r.ToldNotices
		p, err := m.section(ctx, r, until)
		if err != nil {
			return err
		}
		if len(p.reminders)+len(p.notices) > 0 {
			parts = append(parts, p)
			l.For = append(l.For, Part{r.ID, r.Org, len(p.reminders), p.notices, since, sinceNotices})
		}
		more = more || p.more
	}
	if len(parts) > 0 {
		l.Subject, l.Text = m.write(l.Lang, day, parts)
	}
	return m.d.DB.Write(ctx, "hub:mail", func(tx *ledger.Tx) error {
		for i := range list {
			r := list[i] // A transaction may be tried again.
			if err := r.save(ctx, tx, ""); err != nil {
				if fault.KindOf(err) == fault.Conflict {
					return nil // Somebody changed it meanwhile; the next look makes it.
				}
				return err
			}
			if more {
				continue // The next look makes another.
			}
			if _, err := tx.Exec(ctx, `UPDATE mail_recipient SET day = ? WHERE id = ?`, day, string(r.ID)); err != nil {
				return err
			}
		}
		if len(parts) == 0 {
			return nil
		}
		return l.save(ctx, tx)
	})
}

// section reads what is to be told to a recipient, and notes it as told.
func (m *Mail) section(ctx context.Context, r *Recipient, until time.Time) (p section, err error) {
	p.org = r.Org
	if r.Actions && until.After(r.Told) {
		if p.reminders, err = m.d.Reminders(ctx, r.Org, r.Told, until); err != nil {
			return p, err
		}
		p.reminders = newest(p.reminders)
		r.Told = until
	}
	if r.Notices && until.After(r.ToldNotices.At) {
		all, err := m.d.Notices.Waiting(ctx, r.Org, r.ToldNotices, until, maxNotices)
		if err != nil {
			return p, err
		}
		for _, x := range all {
			p.notices = append(p.notices, x.ID)
		}
		if p.more = len(all) == maxNotices; p.more {
			r.ToldNotices = all[len(all)-1]
		} else {
			r.ToldNotices = Made{At: until}
		}
	}
	return p, nil
}

// newest leaves of several reminders of one action the last, the most urgent first.
func newest(list []Reminder) []Reminder {
	last := map[ident.ID]Reminder{}
	for _, x := range list {
		if was, ok := last[x.Action]; !ok || x.At.After(was.At) {
			last[x.Action] = x
		}
	}
	out := make([]Reminder, 0, len(last))
	for _, x := range last {
		out = append(out, x)
	}
	slices.SortFunc(out, func(a, b Reminder) int {
		if c := a.Due.Compare(b.Due); c != 0 {
			return c
		}
		return cmp.Compare(a.Action, b.Action)
	})
	return out
}

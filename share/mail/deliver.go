package mail

import (
	"context"
	"strconv"
	"strings"
	"time"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
)

// How long it is waited after a try, doubled from the first to the longest, and
// how long a letter is tried at all.
const (
	firstWait = time.Minute
	mostWait  = 6 * time.Hour
	giveUp    = 5 * 24 * time.Hour
)

// deliver hands the letters that are due to the relay, no faster than it may. When
// something is wrong with the relay and not with a letter, the others wait, too.
func (m *Mail) deliver(ctx context.Context) error {
	most := max(1, int(time.Duration(m.cfg.PerMinute)*lookEvery/time.Minute))
	var due []Letter
	err := m.d.DB.Read(ctx, func(q ledger.Queryer) (err error) {
		due, err = readLetters(ctx, q, `state = ? AND next_at <= ? ORDER BY next_at, id LIMIT `+strconv.Itoa(most), Waiting, ledger.Micros(m.now()))
		return err
	})
	if err != nil {
		return fault.Wrap("mail.deliver", err)
	}
	for _, l := range due {
		err := m.hand(ctx, &l)
		if ctx.Err() != nil {
			return nil // It is tried again, under the same Message-ID.
		}
		if err := m.note(ctx, l, err); err != nil {
			return fault.Wrap("mail.deliver", err)
		}
		if err != nil && !ofLetter(err) {
			m.d.Log.Warn("mail waits: the relay does not take it", "role", "hub", "err", err)
			return nil
		}
	}
	return nil
}

// hand sends one letter, when who it is for still gets mail.
func (m *Mail) hand(ctx context.Context, l *Letter) error {
	var files []File
	var still []Part
	for _, p := range l.For {
		var list []Recipient
		err := m.d.DB.Read(ctx, func(q ledger.Queryer) (err error) {
			list, err = readRecipients(ctx, q, `id = ? AND state = ?`, string(p.Recipient), Active)
			return err
		})
		if err != nil {
			return err
		}
		if len(list) == 0 {
			continue
		}
		still = append(still, p)
		if len(p.Notices) == 0 {
			continue
		}
		more, err := m.d.Notices.Files(ctx, p.Org, p.Notices)
		if err != nil {
			return err
		}
		for i := range more {
			more[i].Name = m.slug(p.Org) + "-" + more[i].Name
		}
		files = append(files, more...)
	}
	if len(still) < len(l.For) { // Its text speaks of all of them: who is left gets another.
		l.State = Dropped
		return nil
	}
	_, domain, _ := strings.Cut(m.cfg.From, "@")
	out := message{ID: string(l.ID) + "@" + domain, From: m.cfg.From, FromName: m.cfg.FromName, To: l.To, Reply: m.cfg.Contact, Subject: l.Subject, Lang: l.Lang, Text: l.Text, At: l.MadeAt.In(m.cfg.Zone), Files: files}
	if err := m.cfg.Relay.send(ctx, m.cfg.From, l.To, out.bytes()); err != nil {
		return err
	}
	l.State = Accepted
	return nil
}

func (m *Mail) slug(id ident.ID) string {
	o, _ := m.d.Tree().Get(id)
	return o.Slug
}

// note writes down what became of a letter, and of the notices in it.
func (m *Mail) note(ctx context.Context, l Letter, failed error) error {
	now := m.now()
	if l.Tries++; failed != nil {
		l.Why = fault.PublicOf(failed)
		wait := mostWait
		if l.Tries < 10 {
			wait = min(mostWait, firstWait<<(l.Tries-1))
		}
		l.NextAt = now.Add(wait)
		if permanent(failed) || now.Sub(l.MadeAt) > giveUp {
			l.State = Failed
		}
	}
	if l.State == Accepted || l.State == Dropped {
		l.Why, l.Text = "", ""
	}
	if l.State != Waiting {
		l.EndedAt, l.NextAt = now, now
	}
	return m.d.DB.Write(ctx, "hub:mail", func(tx *ledger.Tx) error {
		if err := l.save(ctx, tx); err != nil {
			return err
		}
		for _, p := range l.For {
			if l.State == Accepted && len(p.Notices) > 0 {
				if err := m.d.Notices.Sent(ctx, tx, p.Notices, "mailed to "+l.To); err != nil {
					return err
				}
			}
			if err := noteRecipient(ctx, tx, p, l); err != nil {
				return err
			}
		}
		return nil
	})
}

// noteRecipient says with a recipient that letters do not reach it, or do again;
// who is left of a dropped letter is told again what stood in it.
func noteRecipient(ctx context.Context, tx *ledger.Tx, p Part, l Letter) error {
	list, err := readRecipients(ctx, tx, `id = ?`, string(p.Recipient))
	if err != nil || len(list) == 0 {
		return err
	}
	r := list[0]
	switch {
	case l.State == Dropped && r.State == Active:
		r.Told, r.ToldNotices = p.Since, p.SinceNotices
		if _, err := tx.Exec(ctx, `UPDATE mail_recipient SET day = '' WHERE id = ?`, string(r.ID)); err != nil {
			return err
		}
	case l.State == Accepted || l.State == Failed:
		if r.Failed == l.Why {
			return nil
		}
		r.Failed = l.Why
	default:
		return nil
	}
	return r.save(ctx, tx, "")
}

// Test has a letter sent to a recipient that says nothing but that it came.
func (m *Mail) Test(ctx context.Context, s access.Scope, id ident.ID) (l Letter, err error) {
	const op = "mail.test"
	if !m.cfg.On() {
		return l, fault.New(fault.Invalid, op, "there is no relay yet: set hub.mail.relay, from and contact")
	}
	err = m.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) error {
		r, err := getRecipient(ctx, tx, s, id)
		if err != nil {
			return err
		}
		if r.State != Active {
			return fault.New(fault.Invalid, op, "%s is stopped; start it first", r.Address)
		}
		l = Letter{ID: m.d.Ident.New(ident.Letter), Org: r.Org, To: r.Address, For: []Part{{Recipient: r.ID, Org: r.Org}}, Lang: r.Lang, Subject: say(r.Lang, "test"),
			Text: say(r.Lang, "testText") + "\n-- \n" + say(r.Lang, "stop", m.cfg.Contact) + "\n", State: Waiting, MadeAt: m.now(), NextAt: m.now()}
		if err := l.save(ctx, tx); err != nil {
			return err
		}
		return tx.Record(ctx, "recipient", r.ID, r.Org, "tested", map[string]string{"letter": string(l.ID)})
	})
	return l, fault.Wrap(op, err)
}

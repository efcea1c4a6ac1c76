package mail

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
)

// The states of a recipient.
const (
	Active  = "active"
	Stopped = "stopped" // nothing is made or sent until somebody says so
)

// Wish is what a person at an address gets, for an organisation.
type Wish struct {
	Name    string `json:"name,omitempty" maxLength:"200" doc:"of the person, for those who keep the list"`
	Lang    string `json:"lang" enum:"ja,en" default:"ja"`
	Actions bool   `json:"actions" doc:"reminders and escalations that the organisation gets"`
	Notices bool   `json:"notices" doc:"notices that the organisation is to hand on, with their table and letters"`
	State   string `json:"state" enum:"active,stopped" default:"active"`
}

// Recipient is who gets mail for an organisation.
type Recipient struct {
	ID      ident.ID `json:"id"`
	Org     ident.ID `json:"org"`
	Address string   `json:"address"`
	Wish
	// Told is until when it was told of actions, ToldNotices of notices.
	Told        time.Time `json:"told"`
	ToldNotices Made      `json:"told_notices,omitzero"`
	Failed      string    `json:"failed,omitempty"` // why the last letter was not taken
	By          string    `json:"by"`
	Version     int64     `json:"version"`
}

// maxRecipients is how many an organisation has.
const maxRecipients = 200

func (w *Wish) check() error {
	bad := func(field, why string) error {
		return fault.New(fault.Invalid, "mail.recipient", "%s", why).At("%s", field)
	}
	switch {
	case len(w.Name) > 200 || !utf8.ValidString(w.Name) || strings.ContainsFunc(w.Name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return bad("name", "the name is longer than 200 bytes, or holds what is no text")
	case w.Lang != "ja" && w.Lang != "en":
		return bad("lang", "letters are written in ja or en")
	case w.State != Active && w.State != Stopped:
		return bad("state", "a recipient is active or stopped")
	case !w.Actions && !w.Notices:
		return bad("actions", "say what is sent: actions, notices or both; whoever gets nothing is stopped or removed")
	}
	return nil
}

// Add enters who gets mail for an organisation. Of actions it tells what comes from
// now on, of notices all that wait.
func (m *Mail) Add(ctx context.Context, s access.Scope, org ident.ID, address string, w Wish) (r Recipient, err error) {
	const op = "mail.add"
	if !s.Allows(org) {
		return r, fault.New(fault.NotFound, op, "there is no organisation %.40q here", string(org))
	}
	if address, err = Address(address); err != nil {
		return r, err
	}
	if err := w.check(); err != nil {
		return r, err
	}
	r = Recipient{ID: m.d.Ident.New(ident.Recipient), Org: org, Address: address, Wish: w, Told: m.now()}
	err = m.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) error {
		there, err := readRecipients(ctx, tx, `org = ?`, string(org))
		if err != nil {
			return err
		}
		if len(there) >= maxRecipients {
			return fault.New(fault.Exhausted, op, "an organisation has at most %d recipients; a list of your mail server takes more", maxRecipients)
		}
		for _, x := range there {
			if x.Address == address {
				return fault.New(fault.Conflict, op, "%s gets mail for it already", address)
			}
		}
		if _, err := tx.Exec(ctx, `INSERT INTO mail_recipient (id, org, address, state, day, version, body) VALUES (?,?,?,'','',0,'')`, string(r.ID), string(org), address); err != nil {
			return err
		}
		r.Version = 0 // A transaction may be tried again.
		return r.save(ctx, tx, "added")
	})
	return r, fault.Wrap(op, err)
}

// save writes a record, and its line of history when something was done.
func (r *Recipient) save(ctx context.Context, tx *ledger.Tx, did string) error {
	was := r.Version
	if r.Version++; did != "" {
		r.By = tx.Actor()
	}
	if err := ledger.Changed(tx.Exec(ctx, `UPDATE mail_recipient SET state = ?, version = ?, body = ? WHERE id = ? AND version = ?`, r.State, r.Version, ledger.JSON(r), string(r.ID), was)); err != nil {
		return err
	}
	if did == "" {
		return nil
	}
	return tx.Record(ctx, "recipient", r.ID, r.Org, did, r)
}

func readRecipients(ctx context.Context, q ledger.Queryer, where string, args ...any) ([]Recipient, error) {
	list := []Recipient{}
	rows, err := q.Query(ctx, `SELECT body FROM mail_recipient WHERE `+where+` ORDER BY address, org`, args...)
	err = ledger.Each(rows, err, func(scan func(...any) error) error {
		var body string
		if err := scan(&body); err != nil {
			return err
		}
		var r Recipient
		err := json.Unmarshal([]byte(body), &r)
		list = append(list, r)
		return err
	})
	return list, err
}

// Recipients lists who gets mail.
func (m *Mail) Recipients(ctx context.Context, s access.Scope) (list []Recipient, err error) {
	in, args := ledger.In(s.Orgs())
	err = m.d.DB.Read(ctx, func(q ledger.Queryer) (err error) {
		list, err = readRecipients(ctx, q, `org IN `+in, args...)
		return err
	})
	return list, fault.Wrap("mail.recipients", err)
}

func getRecipient(ctx context.Context, q ledger.Queryer, s access.Scope, id ident.ID) (Recipient, error) {
	list, err := readRecipients(ctx, q, `id = ?`, string(id))
	if err == nil && (len(list) == 0 || !s.Allows(list[0].Org)) {
		err = fault.New(fault.NotFound, "mail.recipient", "there is no such recipient here")
	}
	if err != nil {
		return Recipient{}, err
	}
	return list[0], nil
}

// Change changes what somebody gets, or stops it. Who begins again is told what
// comes from then on.
func (m *Mail) Change(ctx context.Context, s access.Scope, id ident.ID, version int64, w Wish) (r Recipient, err error) {
	const op = "mail.change"
	if err := w.check(); err != nil {
		return r, err
	}
	err = m.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) (err error) {
		if r, err = getRecipient(ctx, tx, s, id); err != nil {
			return err
		}
		if r.Version != version {
			return fault.New(fault.Conflict, op, "it was changed meanwhile; read it again")
		}
		if r.State == Stopped || !r.Actions {
			r.Told = m.now()
		}
		r.Wish, r.Failed = w, ""
		return r.save(ctx, tx, "changed")
	})
	return r, fault.Wrap(op, err)
}

// Remove takes somebody off the list, with the letters that wait.
func (m *Mail) Remove(ctx context.Context, s access.Scope, id ident.ID) error {
	err := m.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) error {
		r, err := getRecipient(ctx, tx, s, id)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM mail_recipient WHERE id = ?`, string(id)); err != nil {
			return err
		}
		return tx.Record(ctx, "recipient", id, r.Org, "removed", map[string]string{"address": r.Address})
	})
	return fault.Wrap("mail.remove", err)
}

// Forget deletes the letters of an organisation that ended before a moment; the
// zero time means all, and who gets mail for it.
func (m *Mail) Forget(ctx context.Context, org ident.ID, before time.Time) (n int64, err error) {
	err = m.d.DB.Write(ctx, "hub:care", func(tx *ledger.Tx) error {
		n = 0
		list := []string{`DELETE FROM mail_letter WHERE org = ? AND state <> '` + Waiting + `' AND made_at < ` + strconv.FormatInt(ledger.Micros(before), 10)}
		if before.IsZero() {
			list = []string{`DELETE FROM mail_letter WHERE org = ?`, `DELETE FROM mail_recipient WHERE org = ?`}
		}
		for _, query := range list {
			r, err := tx.Exec(ctx, query, string(org))
			if err != nil {
				return err
			}
			k, err := r.RowsAffected()
			if err != nil {
				return err
			}
			n += k
		}
		return nil
	})
	return n, fault.Wrap("mail.forget", err)
}

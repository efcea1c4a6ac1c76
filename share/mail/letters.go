package mail

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
)

// The states of a letter.
const (
	Waiting  = "waiting"
	Accepted = "accepted" // the relay took it
	Failed   = "failed"   // it was refused, or tried for too long
	Dropped  = "dropped"  // whoever it was for gets no mail any more
)

// Letter is one mail to one person. Its text is kept until the relay has it.
type Letter struct {
	ID      ident.ID  `json:"id"`
	Org     ident.ID  `json:"org"`
	To      string    `json:"to"`
	For     []Part    `json:"for"`
	Lang    string    `json:"lang"`
	Subject string    `json:"subject"`
	Text    string    `json:"text,omitempty"`
	State   string    `json:"state"`
	MadeAt  time.Time `json:"made_at"`
	NextAt  time.Time `json:"next_at,omitzero"` // when it is tried
	EndedAt time.Time `json:"ended_at,omitzero"`
	Tries   int       `json:"tries"`
	Why     string    `json:"why,omitempty"` // it was not taken
}

// Part is what of a letter is for one organisation.
type Part struct {
	Recipient ident.ID   `json:"recipient"`
	Org       ident.ID   `json:"org"`
	Actions   int        `json:"actions,omitempty"`
	Notices   []ident.ID `json:"notices,omitempty"`
	// From where it was told: told again from there when the letter is dropped.
	Since        time.Time `json:"since,omitzero"`
	SinceNotices Made      `json:"since_notices,omitzero"`
}

func (l *Letter) save(ctx context.Context, tx *ledger.Tx) error {
	_, err := tx.Exec(ctx, `INSERT INTO mail_letter (id, org, state, made_at, next_at, body) VALUES (?,?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET state = excluded.state, next_at = excluded.next_at, body = excluded.body`,
		string(l.ID), string(l.Org), l.State, ledger.Micros(l.MadeAt), ledger.Micros(l.NextAt), ledger.JSON(l))
	return err
}

func readLetters(ctx context.Context, q ledger.Queryer, where string, args ...any) ([]Letter, error) {
	list := []Letter{}
	rows, err := q.Query(ctx, `SELECT body FROM mail_letter WHERE `+where, args...)
	err = ledger.Each(rows, err, func(scan func(...any) error) error {
		var body string
		if err := scan(&body); err != nil {
			return err
		}
		var l Letter
		err := json.Unmarshal([]byte(body), &l)
		list = append(list, l)
		return err
	})
	return list, err
}

// Letters lists the newest letters, of one state if it is given, without their
// text.
func (m *Mail) Letters(ctx context.Context, s access.Scope, state string, limit int) (list []Letter, err error) {
	where, args := ledger.In(s.Orgs())
	if where = `org IN ` + where; state != "" {
		where, args = where+` AND state = ?`, append(args, state)
	}
	if limit < 1 || limit > 500 {
		limit = 100
	}
	err = m.d.DB.Read(ctx, func(q ledger.Queryer) (err error) {
		list, err = readLetters(ctx, q, where+` ORDER BY id DESC LIMIT `+strconv.Itoa(limit), args...)
		return err
	})
	for i := range list {
		list[i].Text = ""
	}
	return list, fault.Wrap("mail.letters", err)
}

// Retry has a letter that failed tried again.
func (m *Mail) Retry(ctx context.Context, s access.Scope, id ident.ID) (l Letter, err error) {
	const op = "mail.retry"
	err = m.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) (err error) {
		if l, err = failed(ctx, tx, s, id); err != nil {
			return err
		}
		l.State, l.Tries, l.NextAt, l.EndedAt, l.MadeAt = Waiting, 0, m.now(), time.Time{}, m.now()
		return l.save(ctx, tx)
	})
	l.Text = ""
	return l, fault.Wrap(op, err)
}

// Discard gives a letter up that failed. Notices in it stay to be sent.
func (m *Mail) Discard(ctx context.Context, s access.Scope, id ident.ID) (l Letter, err error) {
	err = m.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) (err error) {
		if l, err = failed(ctx, tx, s, id); err != nil {
			return err
		}
		l.State, l.Text = Dropped, ""
		return l.save(ctx, tx)
	})
	return l, fault.Wrap("mail.discard", err)
}

// failed reads a letter that failed.
func failed(ctx context.Context, q ledger.Queryer, s access.Scope, id ident.ID) (Letter, error) {
	const op = "mail.letter"
	list, err := readLetters(ctx, q, `id = ?`, string(id))
	switch {
	case err != nil:
		return Letter{}, err
	case len(list) == 0 || !s.Allows(list[0].Org):
		return Letter{}, fault.New(fault.NotFound, op, "there is no such letter here")
	case list[0].State != Failed:
		return Letter{}, fault.New(fault.Invalid, op, "that letter is %s; only one that failed is tried again or given up", list[0].State)
	}
	return list[0], nil
}

// Stats is how the mail is.
type Stats struct {
	On         bool
	Recipients int
	Waiting    int
	Oldest     time.Time // that waits
	Failed     int       // that nobody tried again
	Why        string    // the newest that waits after a try, or failed, was not taken
}

// Stats reads how the mail is.
func (m *Mail) Stats(ctx context.Context) (st Stats, err error) {
	st.On = m.cfg.On()
	err = m.d.DB.Read(ctx, func(q ledger.Queryer) error {
		var oldest int64
		if err := q.QueryRow(ctx, `SELECT COUNT(*) FROM mail_recipient WHERE state = ?`, Active).Scan(&st.Recipients); err != nil {
			return err
		}
		if err := q.QueryRow(ctx, `SELECT COUNT(*), COALESCE(MIN(made_at), 0) FROM mail_letter WHERE state = ?`, Waiting).Scan(&st.Waiting, &oldest); err != nil {
			return err
		}
		st.Oldest = ledger.Time(oldest)
		if err := q.QueryRow(ctx, `SELECT COUNT(*) FROM mail_letter WHERE state = ?`, Failed).Scan(&st.Failed); err != nil {
			return err
		}
		list, err := readLetters(ctx, q, `state IN (?,?) ORDER BY next_at DESC, id DESC LIMIT 1`, Waiting, Failed)
		for _, l := range list {
			st.Why = l.Why
		}
		return err
	})
	return st, fault.Wrap("mail.stats", err)
}

package notice

import (
	"context"
	"slices"
	"strconv"
	"time"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/label"
	"noroshi/ledger"
)

// Filter chooses notices. Empty parts choose all.
type Filter struct {
	States []State
	Group  Group
	Org    ident.ID
	Realm  label.Realm
	Text   string
	Cursor string // Page.Next of the page before
	Limit  int    // 50 when zero, at most 500
}

// Page is one page of a list.
type Page struct {
	Items []Notice
	Next  string
}

// List returns notices, those that were seen last first.
func (n *Notices) List(ctx context.Context, s access.Scope, f Filter) (p Page, err error) {
	w, err := f.where(s)
	if err != nil {
		return p, err
	}
	limit := ledger.PageSize(f.Limit)
	err = n.d.DB.Read(ctx, func(q ledger.Queryer) (err error) {
		p.Items, err = query(ctx, q, ` WHERE `+w.SQL+` ORDER BY last_seen DESC, id DESC LIMIT `+strconv.Itoa(limit+1), w.Args...)
		return err
	})
	if len(p.Items) > limit {
		p.Items = p.Items[:limit]
		last := p.Items[limit-1]
		p.Next = ledger.Cursor(ledger.Micros(last.LastSeen), last.ID)
	}
	return p, fault.Wrap("notice.list", err)
}

func (f Filter) where(s access.Scope) (w ledger.Where, err error) {
	const op = "notice.list"
	for _, st := range f.States {
		if !slices.Contains(States, st) {
			return w, fault.New(fault.Invalid, op, "%q is no state of a notice", clip(string(st), 40))
		}
	}
	in, args := ledger.In(s.Within(f.Org))
	w.And("org IN "+in, args...)
	ledger.AnyOf(&w, "state", f.States)
	if f.Group != "" {
		w.And("grp = ?", string(f.Group))
	}
	if f.Realm != label.RealmUnknown {
		w.And("realm = ?", f.Realm.String())
	}
	if err := w.Search(op, "search", f.Text); err != nil {
		return w, err
	}
	return w, w.After(op, "last_seen", f.Cursor, ident.Notice)
}

// Counts counts the notices of the scope by state.
func (n *Notices) Counts(ctx context.Context, s access.Scope, realm label.Realm) (map[State]int64, error) {
	out := map[State]int64{}
	for _, st := range States {
		out[st] = 0
	}
	w, err := Filter{Realm: realm}.where(s)
	if err != nil {
		return nil, err
	}
	err = n.d.DB.Read(ctx, func(q ledger.Queryer) error {
		rows, err := q.Query(ctx, `SELECT state, COUNT(*) FROM notice WHERE `+w.SQL+` GROUP BY state`, w.Args...)
		return ledger.Each(rows, err, func(sc func(...any) error) error {
			var st State
			var k int64
			err := sc(&st, &k)
			out[st] = k
			return err
		})
	})
	return out, fault.Wrap("notice.counts", err)
}

func get(ctx context.Context, q ledger.Queryer, s access.Scope, id ident.ID) (Notice, error) {
	x, err := scan(q.QueryRow(ctx, selected+` WHERE id = ?`, id).Scan)
	if ledger.NoRows(err) || err == nil && !s.Allows(x.Org) {
		return Notice{}, notFound("notice.get")
	}
	return x, err
}

// Get returns one notice. One outside the scope is not there.
func (n *Notices) Get(ctx context.Context, s access.Scope, id ident.ID) (x Notice, err error) {
	err = n.d.DB.Read(ctx, func(q ledger.Queryer) (err error) {
		x, err = get(ctx, q, s, id)
		return err
	})
	return x, fault.Wrap("notice.get", err)
}

// History is what became of a notice, oldest first.
func (n *Notices) History(ctx context.Context, s access.Scope, id ident.ID) ([]ledger.Change, error) {
	if _, err := n.Get(ctx, s, id); err != nil {
		return nil, err
	}
	return n.d.DB.History(ctx, id)
}

// next says which states people may bring a notice to, from where.
var next = map[State][]State{
	Sent: {Made, Unreachable}, Handed: {Made, Sent, Unreachable}, Unreachable: {Sent, Handed, Checked},
}

const maxNote = 1000

// SetState says what became of a notice. Version is what the caller has seen.
func (n *Notices) SetState(ctx context.Context, s access.Scope, id ident.ID, version int64, to State, note string) (x Notice, err error) {
	const op = "notice.state"
	if len(note) > maxNote {
		return x, fault.New(fault.TooLarge, op, "a note is at most %d bytes", maxNote)
	}
	err = n.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) (err error) {
		if x, err = get(ctx, tx, s, id); err != nil {
			return err
		}
		switch {
		case x.Version != version:
			return fault.New(fault.Conflict, op, "the notice was changed by somebody else meanwhile; read it again")
		case to == Fixed:
			return fault.New(fault.Invalid, op, "only a survey that looks there says that it is fixed")
		case !slices.Contains(next[to], x.State):
			return fault.New(fault.Invalid, op, "a notice that is %s does not become %q", x.State, clip(string(to), 40))
		}
		n.become(&x, to, clip(note, maxNote), s.Actor())
		return update(ctx, tx, x, string(to))
	})
	if err != nil {
		return Notice{}, fault.Wrap(op, err)
	}
	n.OnChange(x.ID, x.Org)
	return x, nil
}

func (n *Notices) become(x *Notice, to State, note, by string) {
	x.State, x.Note, x.By, x.Version = to, note, by, x.Version+1
	at := n.now()
	if to == Sent || to == Handed {
		if x.SentAt.IsZero() {
			x.SentAt = at
		}
		x.LinkUntil = at.Add(linkLife)
	}
	if to == Handed {
		x.HandedAt = at
	}
}

// Send marks the notices of a provider that wait as sent, at most 500 at once, and
// tells how many they were: what goes to the provider is the table of Export.
func (n *Notices) Send(ctx context.Context, s access.Scope, org ident.ID, realm label.Realm) (list []Notice, err error) {
	const op = "notice.send"
	if !s.Allows(org) {
		return nil, fault.New(fault.NotFound, op, "there is no such organisation here")
	}
	err = n.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) (err error) {
		list, err = query(ctx, tx, ` WHERE org = ? AND realm = ? AND state = ? ORDER BY id LIMIT `+strconv.Itoa(ledger.MaxPage), org, realm.String(), string(Made))
		for i := range list {
			if err != nil {
				return err
			}
			n.become(&list[i], Sent, "", s.Actor())
			err = update(ctx, tx, list[i], string(Sent))
		}
		return err
	})
	for _, x := range list {
		n.OnChange(x.ID, x.Org)
	}
	return list, fault.Wrap(op, err)
}

// Forget deletes notices of a provider that ended before a moment, with all that
// hangs on them; the zero time means all, whatever their state.
func (n *Notices) Forget(ctx context.Context, org ident.ID, before time.Time) (k int64, err error) {
	which, args := `org = ?`, []any{string(org)}
	if !before.IsZero() {
		which += ` AND ended_at > 0 AND ended_at < ?`
		args = append(args, ledger.Micros(before))
	}
	err = n.d.DB.Write(ctx, "hub:care", func(tx *ledger.Tx) error {
		for _, table := range []string{"notice_seen", "notice_rule", "notice_feedback", "notice_check"} {
			if _, err := tx.Exec(ctx, `DELETE FROM `+table+` WHERE notice IN (SELECT id FROM notice WHERE `+which+`)`, args...); err != nil {
				return err
			}
		}
		days, more := `DELETE FROM notice_survey WHERE org = ?`, []any{string(org)}
		if !before.IsZero() {
			days += ` AND at < ?`
			more = append(more, ledger.Micros(before))
		}
		if _, err := tx.Exec(ctx, days, more...); err != nil {
			return err
		}
		r, err := tx.Exec(ctx, `DELETE FROM notice WHERE `+which, args...)
		if err != nil {
			return err
		}
		k, err = r.RowsAffected()
		return err
	})
	return k, fault.Wrap("notice.forget", err)
}

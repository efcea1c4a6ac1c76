package systems

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
)

// Filter chooses systems. Empty parts choose all.
type Filter struct {
	Org        ident.ID
	Importance string
	Text       string // in names, owners and addresses
	Retired    bool   // those that are not operated any more, instead of the others
	Cursor     string // Page.Next of the page before
	Limit      int    // 50 when zero, at most 500
}

// Page is one page of a list.
type Page struct {
	Items []System
	Next  string // cursor of the next page; "" on the last
}

// List returns systems by their names.
func (x *Systems) List(ctx context.Context, s access.Scope, f Filter) (Page, error) {
	const op = "systems.list"
	in, args := ledger.In(s.Within(f.Org))
	var w ledger.Where
	w.And("org IN "+in, args...)
	if f.Retired {
		w.And("state = ?", Retired)
	} else {
		w.And("state = ?", Active)
	}
	if f.Importance != "" {
		w.And("importance = ?", f.Importance)
	}
	if err := w.Search(op, "search", f.Text); err != nil {
		return Page{}, err
	}
	if f.Cursor != "" {
		at, id, ok := strings.Cut(f.Cursor, ".")
		name, err := base64.RawURLEncoding.DecodeString(at)
		if !ok || err != nil {
			return Page{}, fault.New(fault.Invalid, op, "the cursor is not one of this list")
		}
		w.And("(name, id) > (?, ?)", string(name), id)
	}
	limit := ledger.PageSize(f.Limit)
	p := Page{Items: []System{}}
	err := x.d.DB.Read(ctx, func(q ledger.Queryer) (err error) {
		p.Items, err = read(ctx, q, w.SQL+" ORDER BY name, id LIMIT "+strconv.Itoa(limit+1), w.Args...)
		return err
	})
	if len(p.Items) > limit {
		p.Items = p.Items[:limit]
		last := p.Items[limit-1]
		p.Next = base64.RawURLEncoding.EncodeToString([]byte(last.Name)) + "." + string(last.ID)
	}
	return p, fault.Wrap(op, err)
}

func read(ctx context.Context, q ledger.Queryer, where string, args ...any) ([]System, error) {
	list := []System{}
	rows, err := q.Query(ctx, `SELECT body FROM system WHERE `+where, args...)
	err = ledger.Each(rows, err, func(scan func(...any) error) error {
		var body string
		if err := scan(&body); err != nil {
			return err
		}
		var s System
		err := json.Unmarshal([]byte(body), &s)
		list = append(list, s)
		return err
	})
	return list, err
}

func get(ctx context.Context, q ledger.Queryer, s access.Scope, id ident.ID) (System, error) {
	list, err := read(ctx, q, `id = ?`, string(id))
	if err == nil && (len(list) == 0 || !s.Allows(list[0].Org)) {
		err = fault.New(fault.NotFound, "systems.get", "there is no such system here")
	}
	if err != nil {
		return System{}, err
	}
	return list[0], nil
}

// Get returns one system. One outside the scope is not there.
func (x *Systems) Get(ctx context.Context, s access.Scope, id ident.ID) (sys System, err error) {
	err = x.d.DB.Read(ctx, func(q ledger.Queryer) (err error) {
		sys, err = get(ctx, q, s, id)
		return err
	})
	return sys, fault.Wrap("systems.get", err)
}

// Add makes a system known, or operated again that was retired.
func (x *Systems) Add(ctx context.Context, s access.Scope, org ident.ID, f Facts) (sys System, err error) {
	const op = "systems.add"
	if err := f.check(); err != nil {
		return sys, err
	}
	if !s.Allows(org) {
		return sys, fault.New(fault.NotFound, op, "there is no organisation %.40q here", string(org))
	}
	id := x.d.Ident.New(ident.BOM)
	err = x.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) error {
		there, err := read(ctx, tx, `org = ? AND name = ?`, string(org), f.Name)
		if err != nil {
			return err
		}
		if len(there) > 0 {
			if sys = there[0]; sys.State == Active {
				return fault.New(fault.Conflict, op, "there is a system %q already", f.Name)
			}
			sys.Facts, sys.State = f, Active
			return x.save(ctx, tx, &sys, "operated again")
		}
		var n int
		if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM system WHERE org = ?`, string(org)).Scan(&n); err != nil {
			return err
		}
		if n >= MaxSystems {
			return fault.New(fault.Exhausted, op, "an organisation keeps at most %d systems", MaxSystems)
		}
		sys = System{ID: id, Org: org, Facts: f, State: Active, Created: x.now()}
		if _, err := tx.Exec(ctx, `INSERT INTO system (id, org, name, state, importance, search, changed, matched, version, body) VALUES (?,?,?,'','','',0,0,0,'')`,
			string(id), string(org), f.Name); err != nil {
			return err
		}
		return x.save(ctx, tx, &sys, "added")
	})
	return sys, x.after(ctx, op, err)
}

// save writes a record and its line of history, and takes its number.
func (x *Systems) save(ctx context.Context, tx *ledger.Tx, s *System, event string) error {
	n, err := edition.Next(ctx, tx)
	if err != nil {
		return err
	}
	was := s.Version
	s.Version, s.Changed, s.By = was+1, x.now(), tx.Actor()
	if err := ledger.Changed(tx.Exec(ctx, `UPDATE system SET state = ?, importance = ?, search = ?, changed = ?, version = ?, body = ? WHERE id = ? AND version = ?`,
		s.State, s.Importance, s.search(), n, s.Version, ledger.JSON(s), string(s.ID), was)); err != nil {
		return err
	}
	return tx.Record(ctx, "system", s.ID, s.Org, event, s)
}

// after ends a change: what this hub knows has it before whoever made it hears
// that it was made. Who begins has everything to read first, and does not wait.
func (x *Systems) after(ctx context.Context, op string, err error) error {
	if err != nil {
		return fault.Wrap(op, err)
	}
	if x.mem.loaded() == nil {
		if err := x.Refresh(ctx); err != nil {
			x.d.Log.Warn("a change is on record, and not matched yet", "role", "hub", "err", err)
		}
	}
	x.OnChange()
	return nil
}

// Change changes what is said of a system that was looked at in a version.
func (x *Systems) Change(ctx context.Context, s access.Scope, id ident.ID, version int64, f Facts) (System, error) {
	if err := f.check(); err != nil {
		return System{}, err
	}
	return x.change(ctx, s, id, version, "changed", func(sys *System) error {
		if f.Name != sys.Name {
			return fault.New(fault.Invalid, "systems.change", "a system keeps its name, by which its actions are known; add one with the other name and retire this").At("name")
		}
		sys.Facts = f
		return nil
	})
}

// Retire says that a system is not operated any more. What was found in it is
// over.
func (x *Systems) Retire(ctx context.Context, s access.Scope, id ident.ID, version int64) (System, error) {
	return x.change(ctx, s, id, version, "retired", func(sys *System) error {
		sys.State = Retired
		return nil
	})
}

func (x *Systems) change(ctx context.Context, s access.Scope, id ident.ID, version int64, event string, do func(*System) error) (sys System, err error) {
	err = x.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) (err error) {
		if sys, err = get(ctx, tx, s, id); err != nil {
			return err
		}
		if sys.Version != version {
			return fault.New(fault.Conflict, "systems.change", "somebody else changed this system meanwhile; read it again")
		}
		if err := do(&sys); err != nil {
			return err
		}
		return x.save(ctx, tx, &sys, event)
	})
	return sys, x.after(ctx, "systems.change", err)
}

// History returns what was done to a system.
func (x *Systems) History(ctx context.Context, s access.Scope, id ident.ID) ([]ledger.Change, error) {
	if _, err := x.Get(ctx, s, id); err != nil {
		return nil, err
	}
	return x.d.DB.History(ctx, id)
}

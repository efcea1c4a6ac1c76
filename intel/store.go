package intel

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/label"
	"noroshi/ledger"
)

// everybody stands in the audience of what all may see, so that a new
// organisation sees it too.
const everybody = "*"

// same finds the indicator that a proposal would repeat: the same thing, owner
// and realm, active, waiting, or refused for reasons that still stand.
func same(ctx context.Context, tx *ledger.Tx, p Proposal) (indicator.Indicator, bool, error) {
	ind, err := scan(tx.QueryRow(ctx, `SELECT body, version FROM indicator
		WHERE value = ? AND kind = ? AND realm = ? AND org = ? AND state IN ('active','held') ORDER BY created DESC LIMIT 1`,
		p.Observable.Value, string(p.Observable.Kind), p.Marking.Realm.String(), string(p.Org)))
	if ledger.NoRows(err) {
		return ind, false, nil
	}
	return ind, err == nil, err
}

// standsFor is how long a person's revocation stands above a policy.
const standsFor = 24 * time.Hour

// lifted finds the indicator that a person revoked lately: a policy does not
// make it again, whoever sees the same thing next.
func lifted(ctx context.Context, tx *ledger.Tx, p Proposal, now time.Time) (indicator.Indicator, bool, error) {
	if p.Policy == "" {
		return indicator.Indicator{}, false, nil
	}
	ind, err := scan(tx.QueryRow(ctx, `SELECT body, version FROM indicator
		WHERE value = ? AND kind = ? AND realm = ? AND state = 'revoked' ORDER BY created DESC LIMIT 1`,
		p.Observable.Value, string(p.Observable.Kind), p.Marking.Realm.String()))
	if ledger.NoRows(err) {
		return ind, false, nil
	}
	return ind, err == nil && now.Sub(ind.Modified) < standsFor, err
}

func scan(row interface{ Scan(...any) error }) (indicator.Indicator, error) {
	var ind indicator.Indicator
	var body string
	var version int64
	if err := row.Scan(&body, &version); err != nil {
		return ind, err
	}
	err := json.Unmarshal([]byte(body), &ind)
	ind.Version = version
	return ind, err
}

func read(ctx context.Context, q ledger.Queryer, id ident.ID) (indicator.Indicator, error) {
	return scan(q.QueryRow(ctx, `SELECT body, version FROM indicator WHERE id = ?`, string(id)))
}

func (in *Intel) insert(ctx context.Context, tx *ledger.Tx, ind *indicator.Indicator) error {
	ind.Version = 1
	_, err := tx.Exec(ctx, `INSERT INTO indicator (id, org, realm, kind, value, state, search, valid_until, created, sightings, version, body) VALUES (?,?,?,?,?,?,?,?,?,0,?,?)`,
		string(ind.ID), string(ind.Org), ind.Realm.String(), string(ind.Observable.Kind), ind.Observable.Value, string(ind.State), searchText(ind),
		ledger.Micros(ind.ValidUntil), ledger.Micros(ind.Created), ind.Version, ledger.JSON(ind))
	if err != nil {
		return err
	}
	for _, o := range in.audience(ind) {
		if _, err := tx.Exec(ctx, `INSERT INTO indicator_audience (indicator, org) VALUES (?,?)`, string(ind.ID), o); err != nil {
			return err
		}
	}
	if ind.State == indicator.Active {
		if err := in.toHunt(ctx, tx, ind); err != nil {
			return err
		}
	}
	return in.after(ctx, tx, ind, string(ind.State))
}

func (in *Intel) audience(ind *indicator.Indicator) []string {
	if ind.TLP == label.TLPClear || ind.TLP == label.TLPGreen {
		return []string{everybody}
	}
	var out []string
	for o := range in.d.Tree().Audience(ind.Org, ind.TLP, ind.SharedWith) {
		out = append(out, string(o))
	}
	if len(out) == 0 { // Its owner sees even what nobody may see: it is theirs.
		out = []string{string(ind.Org)}
	}
	return out
}

func (in *Intel) save(ctx context.Context, tx *ledger.Tx, ind *indicator.Indicator, action string) error {
	before := ind.Version
	ind.Version++
	if err := ledger.Changed(tx.Exec(ctx, `UPDATE indicator SET state = ?, search = ?, valid_until = ?, version = ?, body = ? WHERE id = ? AND version = ?`,
		string(ind.State), searchText(ind), ledger.Micros(ind.ValidUntil), ind.Version, ledger.JSON(ind), string(ind.ID), before)); err != nil {
		return err
	}
	return in.after(ctx, tx, ind, action)
}

// after leaves the line of history and the entries in the feeds.
func (in *Intel) after(ctx context.Context, tx *ledger.Tx, ind *indicator.Indicator, action string) error {
	if err := tx.Record(ctx, "indicator", ind.ID, ind.Org, action, ind); err != nil {
		return err
	}
	op := indicator.Remove
	if ind.State == indicator.Active {
		op = indicator.Put
	} else if _, err := in.Hunted(ctx, tx, ind.ID); err != nil { // What has ended is not looked for.
		return err
	}
	return in.d.Outbox.Enqueue(ctx, tx, *ind, op)
}

func searchText(ind *indicator.Indicator) string {
	return strings.ToLower(strings.Join([]string{ind.Observable.Value, ind.Reason, ind.ReasonJA, string(ind.ID)}, "\n"))
}

// Filter chooses indicators. Empty parts choose all.
type Filter struct {
	States []indicator.State
	Realm  label.Realm
	Text   string
	Cursor string
	Limit  int
}

// Page is one page of a list.
type Page struct {
	Items []indicator.Indicator
	Next  string
}

// where says which indicators a scope may see: those of its own organisations,
// and those in whose audience one of them stands.
func (f Filter) where(s access.Scope) (w ledger.Where, err error) {
	const op = "intel.list"
	in, orgs := ledger.In(s.Orgs())
	if len(orgs) == 0 {
		w.And("1 = 0")
	} else {
		w.And("(org IN "+in+" OR id IN (SELECT indicator FROM indicator_audience WHERE org = '"+everybody+"' OR org IN "+in+"))", append(slices.Clone(orgs), orgs...)...)
	}
	ledger.AnyOf(&w, "state", f.States)
	if f.Realm != label.RealmUnknown {
		w.And("realm = ?", f.Realm.String())
	}
	if err := w.Search(op, "search", f.Text); err != nil {
		return w, err
	}
	return w, w.After(op, "created", f.Cursor, ident.Indicator)
}

// List returns indicators, the newest first.
func (in *Intel) List(ctx context.Context, s access.Scope, f Filter) (Page, error) {
	w, err := f.where(s)
	if err != nil {
		return Page{}, err
	}
	limit := ledger.PageSize(f.Limit)
	list, err := in.query(ctx, w.SQL+` ORDER BY created DESC, id DESC LIMIT `+strconv.Itoa(limit+1), w.Args...)
	p := Page{Items: list}
	if len(list) > limit {
		p.Items = list[:limit]
		last := p.Items[limit-1]
		p.Next = ledger.Cursor(ledger.Micros(last.Created), last.ID)
	}
	return p, err
}

func (in *Intel) query(ctx context.Context, where string, args ...any) ([]indicator.Indicator, error) {
	var out []indicator.Indicator
	err := in.d.DB.Read(ctx, func(q ledger.Queryer) error {
		rows, err := q.Query(ctx, `SELECT body, version FROM indicator WHERE `+where, args...)
		return ledger.Each(rows, err, func(sc func(...any) error) error {
			ind, err := scan(scanner(sc))
			out = append(out, ind)
			return err
		})
	})
	return out, fault.Wrap("intel.query", err)
}

type scanner func(...any) error

func (s scanner) Scan(to ...any) error { return s(to...) }

// EachActive calls fn for everything active, for the hub's own matcher at its
// start.
func (in *Intel) EachActive(ctx context.Context, fn func(indicator.Indicator)) error {
	err := in.d.DB.Read(ctx, func(q ledger.Queryer) error {
		rows, err := q.Query(ctx, `SELECT body, version FROM indicator WHERE state = 'active'`)
		return ledger.Each(rows, err, func(sc func(...any) error) error {
			ind, err := scan(scanner(sc))
			if err == nil {
				fn(ind)
			}
			return err
		})
	})
	return fault.Wrap("intel.active", err)
}

// Read returns one indicator as the hub has it, whoever may see it.
func (in *Intel) Read(ctx context.Context, id ident.ID) (ind indicator.Indicator, err error) {
	err = in.d.DB.Read(ctx, func(q ledger.Queryer) (err error) {
		ind, err = read(ctx, q, id)
		return err
	})
	return ind, fault.Wrap("intel.read", err)
}

// Get returns one indicator. One that the scope may not see is not there.
func (in *Intel) Get(ctx context.Context, s access.Scope, id ident.ID) (indicator.Indicator, error) {
	w, err := Filter{}.where(s)
	if err != nil {
		return indicator.Indicator{}, err
	}
	w.And("id = ?", string(id))
	list, err := in.query(ctx, w.SQL, w.Args...)
	if err == nil && len(list) == 0 {
		err = fault.New(fault.NotFound, "intel.get", "there is no such indicator here")
	}
	if err != nil {
		return indicator.Indicator{}, err
	}
	return list[0], nil
}

// Counts counts the indicators of the scope by state.
func (in *Intel) Counts(ctx context.Context, s access.Scope, realm label.Realm) (map[indicator.State]int64, error) {
	out := map[indicator.State]int64{indicator.Active: 0, indicator.Held: 0, indicator.Revoked: 0, indicator.Expired: 0, indicator.Refused: 0}
	w, err := Filter{Realm: realm}.where(s)
	if err != nil {
		return nil, err
	}
	err = in.d.DB.Read(ctx, func(q ledger.Queryer) error {
		rows, err := q.Query(ctx, `SELECT state, COUNT(*) FROM indicator WHERE `+w.SQL+` GROUP BY state`, w.Args...)
		return ledger.Each(rows, err, func(sc func(...any) error) error {
			var state string
			var n int64
			err := sc(&state, &n)
			out[indicator.State(state)] = n
			return err
		})
	})
	return out, fault.Wrap("intel.counts", err)
}

// History returns what was done to an indicator that the scope may see.
func (in *Intel) History(ctx context.Context, s access.Scope, id ident.ID) ([]ledger.Change, error) {
	if _, err := in.Get(ctx, s, id); err != nil {
		return nil, err
	}
	return in.d.DB.History(ctx, id)
}

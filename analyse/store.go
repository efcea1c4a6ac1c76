package analyse

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/finding"
	"noroshi/ident"
	"noroshi/label"
	"noroshi/ledger"
)

// keep merges drafts into the ledger in one transaction.
func (a *Analyser) keep(ctx context.Context, actor string, list []*draft) ([]finding.Finding, error) {
	if len(list) == 0 {
		return nil, nil
	}
	var changed, pass []finding.Finding
	err := a.d.DB.Write(ctx, actor, func(tx *ledger.Tx) error {
		changed, pass = nil, nil
		for _, d := range list {
			f, fresh, err := a.load(ctx, tx, d)
			if err != nil {
				return err
			}
			did, grown := merge(&f, d)
			if !did {
				continue
			}
			if err := save(ctx, tx, &f, fresh); err != nil {
				return err
			}
			changed = append(changed, f)
			if fresh || grown {
				pass = append(pass, f)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fault.Wrap("analyse.keep", err)
	}
	for _, f := range changed {
		a.OnChange(f)
	}
	return pass, nil
}

// load returns the finding that a draft belongs to, or a new one.
func (a *Analyser) load(ctx context.Context, tx *ledger.Tx, d *draft) (f finding.Finding, fresh bool, err error) {
	f, err = scan(tx.QueryRow(ctx, `SELECT body, last_seq, version FROM finding WHERE org = ? AND dedup = ?`, string(d.Org), d.Key))
	if ledger.NoRows(err) {
		f = d.Finding
		f.ID, f.State, f.FoundAt = a.d.Ident.New(ident.Finding), finding.New, a.d.Now().UTC()
		f.Observables, f.Evidence = nil, nil
		return f, true, nil
	}
	return f, false, err
}

func scan(row interface{ Scan(...any) error }) (finding.Finding, error) {
	var f finding.Finding
	var body string
	var seq, version int64
	if err := row.Scan(&body, &seq, &version); err != nil {
		return f, err
	}
	err := json.Unmarshal([]byte(body), &f)
	f.LastSeq, f.Version = uint64(seq), version
	return f, err
}

// save writes a finding. Only what a person or a policy does to it leaves a line
// of history; counting does not.
func save(ctx context.Context, tx *ledger.Tx, f *finding.Finding, fresh bool) error {
	f.Version++
	if fresh {
		_, err := tx.Exec(ctx, `INSERT INTO finding (id, org, dedup, node, realm, source, state, level, first_seen, last_seen, count, last_seq, indicator, search, version, body)
			VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`, string(f.ID), string(f.Org), f.Key, string(f.Node), f.Realm.String(), string(f.Source), string(f.State),
			f.Rule.Level.Rank(), ledger.Micros(f.FirstSeen), ledger.Micros(f.LastSeen), f.Count, int64(f.LastSeq), string(f.Indicator), searchText(f), f.Version, ledger.JSON(f))
		if err != nil {
			return err
		}
		return tx.Record(ctx, "finding", f.ID, f.Org, "found", map[string]any{"rule": f.Rule.ID, "title": f.Title})
	}
	return ledger.Changed(tx.Exec(ctx, `UPDATE finding SET state = ?, first_seen = ?, last_seen = ?, count = ?, last_seq = ?, indicator = ?, search = ?, version = ?, body = ?
		WHERE id = ? AND version = ?`, string(f.State), ledger.Micros(f.FirstSeen), ledger.Micros(f.LastSeen), f.Count, int64(f.LastSeq), string(f.Indicator),
		searchText(f), f.Version, ledger.JSON(f), string(f.ID), f.Version-1))
}

func searchText(f *finding.Finding) string {
	parts := []string{f.Rule.Title, f.Rule.TitleJA, f.Title, f.Device}
	for _, o := range f.Observables {
		parts = append(parts, o.Value)
	}
	return strings.ReplaceAll(strings.ToValidUTF8(strings.ToLower(strings.Join(parts, "\n")), "�"), "\x00", "")
}

// Filter chooses findings. Empty parts choose all.
type Filter struct {
	States    []finding.State
	Level     finding.Level // at least
	Org       ident.ID
	Realm     label.Realm
	Indicator ident.ID
	Text      string
	Cursor    string
	Limit     int
}

// Page is one page of a list.
type Page struct {
	Items []finding.Finding
	Next  string // cursor of the next page; "" on the last
}

const maxPage = 500

// List returns findings, the latest first. Only organisations of the scope are
// in the question that the ledger is asked.
func (a *Analyser) List(ctx context.Context, s access.Scope, f Filter) (Page, error) {
	where, args, err := f.where(s)
	if err != nil {
		return Page{}, err
	}
	limit := f.Limit
	if limit <= 0 || limit > maxPage {
		limit = 50
	}
	var p Page
	err = a.d.DB.Read(ctx, func(q ledger.Queryer) error {
		rows, err := q.Query(ctx, `SELECT body, last_seq, version FROM finding WHERE `+where+` ORDER BY last_seen DESC, id DESC LIMIT `+strconv.Itoa(limit+1), args...)
		return ledger.Each(rows, err, func(sc func(...any) error) error {
			x, err := scan(scanner(sc))
			p.Items = append(p.Items, x)
			return err
		})
	})
	if len(p.Items) > limit {
		p.Items = p.Items[:limit]
		last := p.Items[limit-1]
		p.Next = strconv.FormatInt(ledger.Micros(last.LastSeen), 36) + "." + string(last.ID)
	}
	return p, fault.Wrap("analyse.list", err)
}

type scanner func(...any) error

func (s scanner) Scan(to ...any) error { return s(to...) }

func (f Filter) where(s access.Scope) (string, []any, error) {
	orgs := s.Orgs()
	if f.Org != "" {
		orgs = nil
		if s.Allows(f.Org) {
			orgs = []ident.ID{f.Org}
		}
	}
	in, args := ledger.In(orgs)
	where := "org IN " + in
	and := func(clause string, more ...any) {
		where += " AND " + clause
		args = append(args, more...)
	}
	if len(f.States) > 0 {
		in, more := ledger.In(f.States)
		and("state IN "+in, more...)
	}
	if f.Level != "" {
		and("level >= ?", f.Level.Rank())
	}
	if f.Realm != label.RealmUnknown {
		and("realm = ?", f.Realm.String())
	}
	if f.Indicator != "" {
		and("indicator = ?", string(f.Indicator))
	}
	if f.Text != "" {
		and(`search LIKE ? ESCAPE '\'`, ledger.Like(f.Text))
	}
	if f.Cursor != "" {
		at, id, ok := strings.Cut(f.Cursor, ".")
		us, err := strconv.ParseInt(at, 36, 64)
		if !ok || err != nil {
			return "", nil, fault.New(fault.Invalid, "analyse.list", "the cursor is not one of this list")
		}
		and("(last_seen, id) < (?, ?)", us, id)
	}
	return where, args, nil
}

// Get returns one finding. One outside the scope is not there.
func (a *Analyser) Get(ctx context.Context, s access.Scope, id ident.ID) (finding.Finding, error) {
	var f finding.Finding
	err := a.d.DB.Read(ctx, func(q ledger.Queryer) (err error) {
		f, err = scan(q.QueryRow(ctx, `SELECT body, last_seq, version FROM finding WHERE id = ?`, string(id)))
		return err
	})
	if ledger.NoRows(err) || (err == nil && !s.Allows(f.Org)) {
		return finding.Finding{}, fault.New(fault.NotFound, "analyse.get", "there is no such finding here")
	}
	return f, fault.Wrap("analyse.get", err)
}

// Counts counts the findings of the scope by state.
func (a *Analyser) Counts(ctx context.Context, s access.Scope, realm label.Realm) (map[finding.State]int64, error) {
	out := map[finding.State]int64{finding.New: 0, finding.Escalated: 0, finding.Closed: 0, finding.Dismissed: 0}
	where, args, err := Filter{Realm: realm}.where(s)
	if err != nil {
		return nil, err
	}
	err = a.d.DB.Read(ctx, func(q ledger.Queryer) error {
		rows, err := q.Query(ctx, `SELECT state, COUNT(*) FROM finding WHERE `+where+` GROUP BY state`, args...)
		return ledger.Each(rows, err, func(sc func(...any) error) error {
			var state string
			var n int64
			err := sc(&state, &n)
			out[finding.State(state)] = n
			return err
		})
	})
	return out, fault.Wrap("analyse.counts", err)
}

// SetState is a person's or a policy's word on a finding. The version is the one
// that was looked at.
func (a *Analyser) SetState(ctx context.Context, s access.Scope, id ident.ID, version int64, state finding.State, reason string, made ident.ID) (finding.Finding, error) {
	const op = "analyse.set_state"
	switch state {
	case finding.New, finding.Escalated, finding.Closed, finding.Dismissed:
	default:
		return finding.Finding{}, fault.New(fault.Invalid, op, "%q is not a state (new, escalated, closed, dismissed)", state)
	}
	if len(reason) > 2000 {
		return finding.Finding{}, fault.New(fault.TooLarge, op, "the reason is longer than 2,000 bytes")
	}
	if _, err := a.Get(ctx, s, id); err != nil {
		return finding.Finding{}, err
	}
	var f finding.Finding
	err := a.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) (err error) {
		if f, err = scan(tx.QueryRow(ctx, `SELECT body, last_seq, version FROM finding WHERE id = ?`, string(id))); err != nil {
			return err
		}
		// A policy decides on what it was shown; counts may have moved on.
		if version != 0 && f.Version != version && f.State != finding.New {
			return fault.New(fault.Conflict, op, "somebody else decided on this finding meanwhile; read it again")
		}
		f.State, f.Reason, f.By = state, reason, s.Actor()
		if made != "" {
			f.Indicator = made
		}
		if err := save(ctx, tx, &f, false); err != nil {
			return err
		}
		return tx.Record(ctx, "finding", id, f.Org, string(state), map[string]any{"reason": reason, "indicator": made})
	})
	if err != nil {
		return f, fault.Wrap(op, err)
	}
	a.OnChange(f)
	return f, nil
}

package attribute

import (
	"context"
	"encoding/json"
	"net/netip"
	"slices"
	"time"

	"noroshi/discovery"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
	"noroshi/observable"
	"noroshi/org"
)

// row is a discovery as it is kept: with the evidence itself, of which reasons
// are made when it is read.
type row struct {
	Discovery
	Facts []discovery.Evidence `json:"facts"`
}

const selectRow = `SELECT b.body FROM discovery d JOIN discovery_body b ON b.id = d.id`

func scanRow(scan func(...any) error) (row, error) {
	var r row
	var body string
	if err := scan(&body); err != nil {
		return r, err
	}
	return r, json.Unmarshal([]byte(body), &r)
}

// perWrite is how many assets one transaction keeps: decisions wait for one.
const perWrite = 200

// Keep merges what a walk found into what is known of an organisation, and weighs
// everything of it anew. It returns how many assets were not known before.
// Judgements stay as they are.
func (a *Attribution) Keep(ctx context.Context, o org.Organisation, w discovery.Walk) (fresh int, err error) {
	const op = "attribute.keep"
	now := a.d.Now().UTC()
	weigh := a.weigher(o, now)
	room, err := a.room(ctx, o.ID)
	if err != nil {
		return 0, fault.Wrap(op, err)
	}
	for batch := range slices.Chunk(w.Candidates, perWrite) {
		made := 0
		err := a.keeping(ctx, actor, func(w *writer) error {
			made = 0
			for _, c := range batch {
				isNew, err := a.merge(ctx, w, o.ID, c, weigh, now, room > fresh+made)
				if err != nil {
					return err
				}
				if isNew {
					made++
				}
			}
			return nil
		})
		if err != nil {
			return fresh, fault.Wrap(op, err)
		}
		fresh += made
	}
	if err := a.others(ctx, o.ID, weigh, now); err != nil {
		return fresh, fault.Wrap(op, err)
	}
	return fresh, fault.Wrap(op, a.lapse(ctx, o.ID, now))
}

// Limits of what is kept of one organisation.
const (
	maxKept = 50_000
	lapsed  = 2 * counts // since a candidate was last seen
)

// room is how many more may be kept.
func (a *Attribution) room(ctx context.Context, o ident.ID) (room int, err error) {
	err = a.d.DB.Read(ctx, func(q ledger.Queryer) error {
		return q.QueryRow(ctx, `SELECT COUNT(*) FROM discovery WHERE org = ?`, o).Scan(&room)
	})
	return maxKept - room, err
}

// lapse forgets candidates that nobody judged and nobody saw for long: names that
// somebody made up once are not kept for ever.
func (a *Attribution) lapse(ctx context.Context, o ident.ID, now time.Time) error {
	return a.keeping(ctx, actor, func(w *writer) error {
		if _, err := w.Exec(ctx, `DELETE FROM discovery_count WHERE org = ? AND tab < ?`, o, day(NewSince(now))); err != nil {
			return err // Nobody asks what was new before.
		}
		_, err := w.delete(ctx, `org = ? AND judged = 0 AND state = ? AND last_seen < ?`, o, string(Candidate), ledger.Micros(now.Add(-lapsed)))
		return err
	})
}

const actor = "hub:discover"

// merge keeps one candidate, if it is known or there is room.
func (a *Attribution) merge(ctx context.Context, w *writer, o ident.ID, c discovery.Candidate, weigh func(*row), now time.Time, room bool) (isNew bool, err error) {
	r, err := scanRow(w.QueryRow(ctx, selectRow+` WHERE d.org = ? AND d.kind = ? AND d.value = ?`, o, string(c.Asset.Kind), c.Asset.Value).Scan)
	if isNew = ledger.NoRows(err); isNew {
		if !room {
			return false, nil
		}
		r, err = row{Discovery: Discovery{ID: a.d.Ident.New(ident.Discovery), Org: o, Asset: c.Asset, FirstSeen: now, LastSeen: now}}, nil
	}
	if err != nil {
		return false, err
	}
	r.ThirdParty = c.ThirdParty
	if len(c.Evidence) == 0 {
		r.LastSeen = now // What is declared needs no evidence of the walk.
	}
	known := discovery.Candidate{Evidence: r.Facts}
	for _, e := range c.Evidence {
		known.Note(e)
		if e.At.After(r.LastSeen) {
			r.LastSeen = e.At
		}
	}
	r.Facts = known.Evidence
	return isNew, w.write(ctx, &r, weigh, now, isNew)
}

// others weighs what this walk did not meet: evidence grows old, and
// declarations change.
func (a *Attribution) others(ctx context.Context, o ident.ID, weigh func(*row), now time.Time) error {
	for {
		n := 0
		err := a.keeping(ctx, actor, func(w *writer) error {
			var list []row
			rows, err := w.Query(ctx, selectRow+` WHERE d.org = ? AND d.looked < ? LIMIT ?`, o, ledger.Micros(now), perWrite)
			if err := ledger.Each(rows, err, func(scan func(...any) error) error {
				r, err := scanRow(scan)
				list = append(list, r)
				return err
			}); err != nil {
				return err
			}
			for i := range list {
				if err := w.write(ctx, &list[i], weigh, now, false); err != nil {
					return err
				}
			}
			n = len(list)
			return nil
		})
		if err != nil || n == 0 {
			return err
		}
	}
}

// weigher judges rows of one organisation at one moment, by its own declarations
// and those of the organisations below it, which its readers may see.
func (a *Attribution) weigher(o org.Organisation, now time.Time) func(*row) {
	tree := a.d.Tree()
	var below []org.Organisation
	for _, id := range tree.Subtree(o.ID) {
		if x, ok := tree.Get(id); ok {
			below = append(below, x)
		}
	}
	return func(r *row) {
		r.Facts = Declare(discovery.Candidate{Asset: r.Asset, Evidence: r.Facts}, o.Assets, now)
		r.Confidence, r.Kinds = Confidence(r.Facts, now), kindsOf(r.Facts)
		r.turn()
		switch {
		case r.State == Confirmed, r.State == Candidate && Likely(r.Confidence):
			r.Owner = o.ID
		case r.State == Certain:
			r.Owner = declarer(below, r.Asset)
		default:
			r.Owner = Unknown
		}
	}
}

// turn says where the row stands. What a person confirmed or rejected stays so; a
// rejected one is looked at again when there is a kind of evidence that the
// person did not have.
func (r *row) turn() {
	open := Candidate
	if r.Confidence == certain {
		open = Certain
	}
	switch j := r.Judgement; {
	case j == nil:
		r.State = open
	case j.State == Confirmed:
		r.State = Confirmed
	default:
		for _, k := range r.Kinds {
			if speaks(k) && !slices.Contains(j.Kinds, k) && !slices.Contains(r.Returned, k) {
				r.Returned = append(r.Returned, k)
			}
		}
		if r.State = Rejected; len(r.Returned) > 0 {
			r.State = open
		}
	}
}

func kindsOf(list []discovery.Evidence) []discovery.Kind {
	out := make([]discovery.Kind, 0, len(list))
	for _, e := range list {
		out = append(out, e.Kind)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// declarer is the organisation whose declaration is the closest to an asset.
func declarer(list []org.Organisation, asset observable.Observable) ident.ID {
	var domains []string
	var prefixes []netip.Prefix
	for _, o := range list {
		domains, prefixes = append(domains, Domains(o.Assets)...), append(prefixes, o.Assets.Prefixes...)
	}
	closest := discovery.Closest(asset, domains, prefixes)
	for _, o := range list { // From the organisation down: of equals, the highest.
		if closest != "" && discovery.Closest(asset, Domains(o.Assets), o.Assets.Prefixes) == closest {
			return o.ID
		}
	}
	return Unknown
}

package analyse

import (
	"context"
	"time"

	"noroshi/access"
	"noroshi/analyse/match"
	"noroshi/fault"
	"noroshi/finding"
	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/ledger"
)

// Sighting is what the look back found of an indicator on one node.
type Sighting struct {
	Org, Node   ident.ID
	Device      string
	First, Last time.Time
	Seqs        []uint64 // of the events found
	Evidence    []finding.Evidence
}

// AddSightings records the past sightings of an indicator and returns how many
// events were new. Live matches and the look back overlap: what was counted
// live, from the finding's first sequence on, is not counted again, and a second
// look back changes nothing. An organisation that may not see the indicator
// learns nothing of it. The indicator must be in the live set before the look
// back begins, so that no event falls between. The transaction is the caller's,
// who calls announce when it has committed.
func (a *Analyser) AddSightings(ctx context.Context, tx *ledger.Tx, ind indicator.Indicator, list []Sighting) (added int64, announce func(), err error) {
	b, see, known := a.begin(tx), a.sight(), match.Of(ind)
	for _, x := range list {
		if len(x.Seqs) == 0 || !see(known, x.Org) {
			continue
		}
		draft := ofIndicator(known, x.Org, x.Node, x.Device)
		draft.Source = finding.ByHunt
		r, err := b.load(ctx, x.Org, draft.Key)
		if err != nil {
			return 0, nil, fault.Wrap("analyse.sightings", err)
		}
		if r == nil {
			r = b.open(draft, "")
		}
		n := addPast(&r.Finding, x)
		if n > 0 {
			r.Observables = union(r.Observables, draft.Observables)
			r.changed = true
		}
		added += n
	}
	return added, b.announce, fault.Wrap("analyse.sightings", b.save(ctx))
}

// Seen tells how often indicators were seen, past and since, in the organisations
// of a scope: what others saw is theirs.
func (a *Analyser) Seen(ctx context.Context, s access.Scope, ids []ident.ID) (map[ident.ID]int64, error) {
	out := map[ident.ID]int64{}
	which, args := ledger.In(ids)
	where, orgs := ledger.In(s.Orgs())
	err := a.d.DB.Read(ctx, func(q ledger.Queryer) error {
		// The index on org is not to be used.
		rows, err := q.Query(ctx, `SELECT indicator, CAST(SUM(count) AS BIGINT) FROM finding
			WHERE indicator IN `+which+` AND org || '' IN `+where+` AND source IN ('indicator','hunt') GROUP BY indicator`, append(args, orgs...)...)
		return ledger.Each(rows, err, func(scan func(...any) error) error {
			var id string
			var n int64
			err := scan(&id, &n)
			out[ident.ID(id)] = n
			return err
		})
	})
	return out, fault.Wrap("analyse.seen", err)
}

// addPast adds what was found before the finding's first counted event.
func addPast(f *finding.Finding, x Sighting) int64 {
	counted, from := f.Count > 0, f.FirstSeq
	seen := map[uint64]bool{}
	for _, seq := range x.Seqs {
		if (counted && seq >= from) || seen[seq] {
			continue
		}
		if (!counted && len(seen) == 0) || seq < f.FirstSeq {
			f.FirstSeq = seq
		}
		seen[seq] = true
		f.LastSeq = max(f.LastSeq, seq)
	}
	if len(seen) == 0 {
		return 0
	}
	f.Count += int64(len(seen))
	f.Evidence = evidence(f.Evidence, x.Evidence)
	widen(f, x.First, x.Last)
	return int64(len(seen))
}

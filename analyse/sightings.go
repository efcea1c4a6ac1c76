package analyse

import (
	"context"
	"time"

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
// look back changes nothing.
func (a *Analyser) AddSightings(ctx context.Context, ind indicator.Indicator, list []Sighting) (int64, error) {
	var changed []finding.Finding
	var added int64
	err := a.d.DB.Write(ctx, "hub:hunt", func(tx *ledger.Tx) error {
		changed, added = nil, 0
		for _, x := range list {
			d := draft{Finding: ofIndicator(ind, x.Org, x.Node, x.Device)}
			f, fresh, err := a.load(ctx, tx, &d)
			if err != nil {
				return err
			}
			n := addPast(&f, x)
			if n == 0 {
				continue
			}
			added += n
			f.Source = finding.ByHunt
			f.Observables = union(f.Observables, d.Observables)
			if err := save(ctx, tx, &f, fresh); err != nil {
				return err
			}
			changed = append(changed, f)
		}
		return nil
	})
	if err != nil {
		return 0, fault.Wrap("analyse.sightings", err)
	}
	for _, f := range changed {
		a.OnChange(f)
	}
	return added, nil
}

// addPast adds what was found before the finding's first live event.
func addPast(f *finding.Finding, x Sighting) int64 {
	var n int64
	first := f.FirstSeq
	for _, seq := range x.Seqs {
		if first != 0 && seq >= first {
			continue
		}
		n++
		if f.FirstSeq == 0 || seq < f.FirstSeq {
			f.FirstSeq = seq
		}
		f.LastSeq = max(f.LastSeq, seq)
	}
	if n == 0 {
		return 0
	}
	f.Count += n
	f.Evidence = evidence(f.Evidence, x.Evidence)
	if f.FirstSeen.IsZero() || x.First.Before(f.FirstSeen) {
		f.FirstSeen = x.First
	}
	if x.Last.After(f.LastSeen) {
		f.LastSeen = x.Last
	}
	return n
}
